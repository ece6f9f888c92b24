// The transcripts of the core, through the WebAssembly: the same bytes as in the crate.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

const folder = new URL("../../sdk-core/transcripts/", import.meta.url);
const module = globalThis.WebAssembly
  ? new WebAssembly.Module(readFileSync(new URL("../pkg/gateway.wasm", import.meta.url)))
  : await import("../pkg/no-wasm/machine.js");

const instantiate = () => (globalThis.WebAssembly ? new WebAssembly.Instance(module).exports : module.instantiate());

/** Calls the functions of the module as glue.js does. */
class Core {
  exports = instantiate();
  at = 0;

  open(config) {
    this.at = this.exports.gw_open(...this.#put(JSON.stringify(config))) >>> 0;
    assert.equal(this.#result(), "");
  }

  call({ now, input, take }) {
    if (take === undefined) this.exports.gw_handle(this.at, now, ...this.#put(input));
    else this.exports.gw_take(this.at, take);
    return this.#result();
  }

  deadline() {
    return this.exports.gw_deadline(this.at);
  }

  close() {
    this.exports.gw_close(this.at);
  }

  #put(text) {
    const bytes = Buffer.from(text);
    const address = this.exports.gw_alloc(bytes.length) >>> 0;
    new Uint8Array(this.exports.memory.buffer, address, bytes.length).set(bytes);
    return [address, bytes.length];
  }

  #result() {
    const { buffer } = this.exports.memory;
    return Buffer.from(buffer, ...new Uint32Array(buffer, this.at, 2)).toString();
  }
}

const linesOf = url => readFileSync(url, "utf8").trimEnd().split("\n").map(line => JSON.parse(line));

for (const name of readdirSync(folder)) {
  test(`the transcript ${name} is replayed byte for byte`, () => {
    const [{ open }, ...lines] = linesOf(new URL(name, folder));
    const core = new Core();
    core.open(open);
    lines.forEach((line, index) => {
      assert.equal(core.call(line), line.output, `line ${index + 2}`);
      assert.equal(core.deadline(), line.deadline ?? -1, `line ${index + 2}`);
    });
    core.close();
  });
}

test("10,000 seeded inputs give the outputs of the crate", () => {
  // Written by the step `npm` of `cargo xtask test`.
  const lines = linesOf(new URL("../../target/core/seeded.jsonl", import.meta.url));
  const { sha256 } = lines.pop();
  const digest = createHash("sha256");
  const core = new Core();
  for (const line of lines) {
    if (line.open) {
      if (core.at) core.close();
      core.open(line.open);
    } else {
      digest.update(`${core.call(line)}\n${core.deadline()}\n`);
    }
  }
  assert.equal(digest.digest("hex"), sha256);
});
