// The transcripts of the core, through the WebAssembly: the same bytes as in the crate.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

const folder = new URL("../../sdk-core/transcripts/", import.meta.url);
const module = globalThis.WebAssembly
  ? new WebAssembly.Module(readFileSync(new URL("../pkg/gateway.wasm", import.meta.url)))
  : await import("../pkg/no-wasm/machine.js");

const instantiate = () => (globalThis.WebAssembly ? new WebAssembly.Instance(module).exports : module.instantiate());

for (const name of readdirSync(folder)) {
  test(`the transcript ${name} is replayed byte for byte`, () => {
    const [{ open }, ...lines] = readFileSync(new URL(name, folder), "utf8").trimEnd().split("\n").map(line => JSON.parse(line));
    const core = instantiate();
    const put = text => {
      const bytes = Buffer.from(text);
      const address = core.gw_alloc(bytes.length) >>> 0;
      new Uint8Array(core.memory.buffer, address, bytes.length).set(bytes);
      return [address, bytes.length];
    };
    const at = core.gw_open(...put(JSON.stringify(open))) >>> 0;
    const result = () => Buffer.from(core.memory.buffer, ...new Uint32Array(core.memory.buffer, at, 2)).toString();
    assert.equal(result(), "");
    lines.forEach(({ now, input, take, output, deadline }, index) => {
      if (take === undefined) core.gw_handle(at, now, ...put(input));
      else core.gw_take(at, take);
      assert.equal(result(), output, `line ${index + 2}`);
      assert.equal(core.gw_deadline(at), deadline ?? -1, `line ${index + 2}`);
    });
    core.gw_close(at);
  });
}
