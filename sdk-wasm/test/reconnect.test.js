// What happens when the gateway, the network or the SDK itself fails.

import assert from "node:assert/strict";
import { test } from "node:test";
import { WebSocket } from "ws";
import { Gateway, becomes, first, sent } from "./harness.js";

test("a killed gateway loses nothing and doubles nothing", async t => {
  const gateway = await Gateway.start(t);
  const { client: ada } = gateway.client(t, "ada");
  const { client: bob, states } = gateway.client(t, "bob");
  const read = bob.clanChat("c").subscribe();
  await read.ready;
  await ada.clanChat("c").send("before");
  const lost = becomes(bob, "reconnecting");
  await gateway.kill();
  assert.equal((await lost).status, "reconnecting");
  const sendings = ["one", "two", "three"].map(text => ada.clanChat("c").send(text, { timeoutMs: 30_000 }));
  await gateway.run();
  await Promise.all(sendings);
  const chats = await first(read, 4);
  assert.deepEqual(chats.map(chat => chat.content), ["before", "one", "two", "three"]);
  const { messages } = await bob.clanChat("c").history();
  assert.equal(messages.length, 4);
  assert.deepEqual(states.map(({ status }) => status).filter((s, i, all) => s !== all[i - 1]), [
    "connecting", "online", "reconnecting", "online",
  ]);
});

test("a send whose connection breaks is repeated under its name", async t => {
  const gateway = await Gateway.start(t);
  // The first `chat` reaches the gateway, and its answer never reaches the client.
  let deaf = false;
  class Deaf extends WebSocket {
    send(text) {
      super.send(text);
      if (text.includes('"chat"') && !deaf) {
        deaf = true;
        this.onmessage = () => this.terminate();
      }
    }
  }
  const { client, frames } = gateway.client(t, "ada", { webSocket: Deaf });
  const receipt = await client.clanChat("c").send("once");
  assert.equal(receipt.duplicate, true);
  assert.equal(sent(frames, "chat").length, 2);
  assert.equal((await client.clanChat("c").history()).messages.length, 1);
});

test("without an answer in time the outcome of a send is unknown", async t => {
  const gateway = await Gateway.start(t);
  const { client } = gateway.client(t, "ada");
  await client.connect();
  await gateway.kill();
  const error = await client.clanChat("c").send("x", { timeoutMs: 50 }).catch(error => error);
  assert.equal(error.code, "timed_out");
  assert.equal(error.retryable, true);
  assert.ok(["not_sent", "unknown"].includes(error.outcome));
});
