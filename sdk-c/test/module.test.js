// The core as a WebAssembly module: what it exports, its size, its rules, and that it gives the same bytes as the crate.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { brotliCompressSync, constants } from "node:zlib";
import { Instance, module } from "./core.js";

const [OK, INVALID, NO_CLIENT, FULL] = [0, -1, -2, -3];
const CONFIG = JSON.stringify({ seed: [1, 2, 3, 4], name: "test", version: "1.0.0" });
const folder = new URL("../../sdk-core/transcripts/", import.meta.url);

test("the module imports nothing and exports the functions of the interface", () => {
  assert.deepEqual(WebAssembly.Module.imports(module), []);
  const functions = WebAssembly.Module.exports(module).filter(({ kind }) => kind === "function").map(({ name }) => name);
  const expected = ["abi", "alloc", "close", "deadline", "digest", "free", "handle", "open", "take"];
  assert.deepEqual(functions.sort(), expected.map(name => `gw_${name}`));
  assert.equal(new Instance().exports.gw_abi(), 1);
});

test("the module tells the digest of the core's sources", () => {
  const source = readFileSync(new URL("../../sdk-core/src/digest.rs", import.meta.url), "utf8");
  assert.ok(source.includes(`"${new Instance().digest()}"`));
});

test("the module is at most 70 KiB compressed", () => {
  const bytes = readFileSync(new URL("../../target/core/gateway_core.wasm", import.meta.url));
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  const { length } = brotliCompressSync(bytes, { params });
  assert.ok(length <= 70 * 1024, `${length} bytes`);
  console.log(`gateway_core.wasm: ${bytes.length} bytes, ${length} compressed by brotli`);
});

test("no function is so long that the JVM would only interpret it", () => {
  // HotSpot does not compile methods of more than 8,000 bytes, and Chicory makes up to 1.42 bytes of one.
  const longest = Math.max(...functionLengths(readFileSync(new URL("../../target/core/gateway_core.wasm", import.meta.url))));
  assert.ok(longest <= 5_600, `a function has ${longest} bytes: mark what is inlined into it with #[inline(never)]`);
});

/** Returns the lengths of the functions in the code section. */
function functionLengths(bytes) {
  let at = 8;
  const number = () => {
    for (let [value, shift] = [0, 0]; ; shift += 7) {
      value += (bytes[at] & 0x7f) * 2 ** shift;
      at += 1;
      if (bytes[at - 1] < 0x80) return value;
    }
  };
  for (;;) {
    const section = bytes[at];
    at += 1;
    const end = number() + at;
    if (section !== 10) {
      at = end;
      continue;
    }
    return Array.from({ length: number() }, () => {
      const length = number();
      at += length;
      return length;
    });
  }
}

test("an instance begins with little memory", () => {
  const { memory } = new Instance().exports;
  assert.ok(memory.buffer.byteLength <= 192 * 1024, `${memory.buffer.byteLength} bytes`);
});

for (const name of readdirSync(folder)) {
  test(`the transcript ${name} is replayed byte for byte`, () => {
    const [{ open }, ...lines] = readFileSync(new URL(name, folder), "utf8").trimEnd().split("\n").map(line => JSON.parse(line));
    const core = new Instance();
    const [client] = core.open(JSON.stringify(open));
    lines.forEach(({ now, input, take, output, deadline }, index) => {
      const result = take === undefined ? core.handle(client, now, input) : core.take(client, take);
      assert.deepEqual(result, [OK, output], `line ${index + 2}`);
      assert.equal(core.deadline(client), deadline ?? -1, `line ${index + 2}`);
    });
    assert.equal(core.close(client), OK);
  });
}

test("10,000 seeded inputs give the outputs of the crate", () => {
  const text = readFileSync(new URL("../../target/core/seeded.jsonl", import.meta.url), "utf8");
  const lines = text.trimEnd().split("\n").map(line => JSON.parse(line));
  const { inputs, sha256 } = lines.pop();
  const core = new Instance();
  const digest = createHash("sha256");
  let [client, count] = [0, 0];
  for (const { open, now, input, take } of lines) {
    if (open) {
      core.close(client);
      [client] = core.open(JSON.stringify(open));
      continue;
    }
    const [status, output] = take === undefined ? core.handle(client, now, input) : core.take(client, take);
    assert.equal(status, OK);
    digest.update(`${output}\n${core.deadline(client)}\n`);
    count += 1;
  }
  assert.equal(count, inputs);
  assert.equal(digest.digest("hex"), sha256);
});

test("an instance carries 64 clients, and numbers are used once", () => {
  const core = new Instance();
  const clients = Array.from({ length: 64 }, () => core.open(CONFIG)[0]);
  assert.deepEqual(clients, Array.from({ length: 64 }, (_, index) => index + 1));
  const [status, sentence] = core.open(CONFIG);
  assert.equal(status, FULL);
  assert.match(sentence, /another instance/);
  assert.equal(core.close(7), OK);
  assert.equal(core.close(7), NO_CLIENT);
  assert.equal(core.handle(7, 0, '{"type":"connect"}\n')[0], NO_CLIENT);
  assert.equal(core.open(CONFIG)[0], 65);
});

test("invalid input is refused with a sentence and without effect", () => {
  const core = new Instance();
  assert.deepEqual(core.open("{}"), [INVALID, "seed: four numbers are expected"]);
  const [client] = core.open(CONFIG);
  const invalid = [
    ["", /the head of an input/],
    ["{}\n", /the head of an input/],
    ['{"type":"tick"}\nx', /another length/],
    ['{"type":"unheard"}\n', /unknown type/],
    [Uint8Array.of(0xff, 0xfe), /not valid UTF-8/],
  ];
  for (const [input, sentence] of invalid) {
    const [status, text] = core.handle(client, 0, input);
    assert.equal(status, INVALID);
    assert.match(text, sentence);
  }
  assert.deepEqual(core.take(client, 1), [OK, ""]);
  assert.equal(core.deadline(client), -1);
  assert.equal(core.deadline(99), -1);
});

test("the stack of 64 KiB holds whatever a frame is nested into", () => {
  const core = new Instance();
  const [client] = core.open(CONFIG);
  const handle = (head, body = "") => {
    const [status, output] = core.handle(client, 0, `${JSON.stringify({ ...head, body: Buffer.byteLength(body) })}\n${body}`);
    assert.equal(status, OK);
    return output;
  };
  handle({ type: "token", token: "t" });
  handle({ type: "connect" });
  handle({ type: "opened", connection: 1 });
  const nested = depth => `${'{"a":['.repeat(depth)}${"]}".repeat(depth)}`;
  for (const body of ["[".repeat(60_000), '{"a":'.repeat(60_000), nested(30), nested(32), nested(1_000), `{"type":"event","data":${nested(31)}}`]) {
    handle({ type: "frame", connection: 1 }, body);
    handle({ type: "request", call: 1, command: "ping" }, body);
  }
  assert.equal(core.open("[".repeat(60_000))[0], INVALID);
  assert.equal(core.close(client), OK);
});

test("a client can be opened and closed without end", () => {
  const core = new Instance();
  const round = () => {
    const [client] = core.open(CONFIG);
    core.handle(client, 0, '{"type":"connect"}\n');
    core.handle(client, 0, '{"type":"token","token":"t"}\n');
    assert.equal(core.close(client), OK);
  };
  for (let count = 0; count < 100; count += 1) round();
  const before = core.exports.memory.buffer.byteLength;
  for (let count = 0; count < 10_000; count += 1) round();
  assert.equal(core.exports.memory.buffer.byteLength, before);
});
