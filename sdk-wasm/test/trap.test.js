// A trap of the WebAssembly.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Gateway, becomes, first } from "./harness.js";

test("a trap is reported, the next call has a fresh instance, and streams continue with it", async t => {
  const gateway = await Gateway.start(t);
  // The next call after `breaks` gets a null pointer, which traps as a fault of the core would.
  let breaks = false;
  const { Instance } = WebAssembly;
  t.after(() => (WebAssembly.Instance = Instance));
  WebAssembly.Instance = class {
    constructor(module, imports) {
      const { exports } = new Instance(module, imports);
      const gw_handle = (core, ...rest) => exports.gw_handle(breaks ? 0 : core, ...rest);
      this.exports = { ...exports, gw_handle };
    }
  };
  const { client } = gateway.client(t, "ada");
  await client.connect();
  const iterator = client.clanChat("c").subscribe();
  await iterator.ready;
  const failed = becomes(client, "failed");
  breaks = true;
  const call = client.clanChat("c").send("x");
  breaks = false;
  await assert.rejects(call, { code: "trap", outcome: "unknown" });
  assert.equal((await failed).cause.code, "trap");
  // Another user sends a message meanwhile.
  const { client: bob } = gateway.client(t, "bob");
  await bob.clanChat("c").send("missed");
  await client.clanChat("c").send("y");
  assert.equal(client.state.status, "online");
  assert.deepEqual((await first(iterator, 2)).map(chat => chat.content), ["missed", "y"]);
});
