// What happens when the WebAssembly itself fails.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Gateway, becomes, first } from "./harness.js";

test("a trap is told, the next call has a fresh instance, and streams go on with it", async t => {
  const gateway = await Gateway.start(t);
  // The next call after `breaks` is given a null pointer, which WebAssembly refuses as any fault of ours would be.
  let breaks = false;
  const { Instance } = WebAssembly;
  t.after(() => (WebAssembly.Instance = Instance));
  WebAssembly.Instance = class {
    constructor(module, imports) {
      const { exports } = new Instance(module, imports);
      const core_call = (core, ...rest) => exports.core_call(breaks ? 0 : core, ...rest);
      this.exports = { ...exports, core_call };
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
