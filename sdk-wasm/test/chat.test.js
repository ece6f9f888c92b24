// Chat, notifications and requests against a real gateway.

import assert from "node:assert/strict";
import { test } from "node:test";
import { GatewayClient, GatewayError } from "./sdk.js";
import { Gateway, becomes, first, sent } from "./harness.js";

test("two users chat", async t => {
  const gateway = await Gateway.start(t);
  const { client: ada } = gateway.client(t, "ada");
  const { client: bob } = gateway.client(t, "bob");
  const read = bob.clanChat("c").subscribe();
  await read.ready;
  const sending = ada.clanChat("c").send("hello", { data: { replyTo: "m1" } });
  assert.match(sending.clientMessageId, /^[0-9a-f]{32}$/);
  const receipt = await sending;
  const [chat] = await first(read, 1);
  assert.equal(chat.content, "hello");
  assert.equal(chat.userId, "ada");
  assert.deepEqual(chat.data, { replyTo: "m1" });
  assert.equal(chat.messageId, receipt.messageId);
  assert.equal(chat.clientMessageId, sending.clientMessageId);
  assert.deepEqual(read.position.offset, chat.offset);
  const page = await bob.clanChat("c").history();
  assert.deepEqual(page.messages.map(message => message.content), ["hello"]);
  assert.equal((await ada.clanChat("c").presence()).count, 1);
});

test("history comes before what is live, each once", async t => {
  const gateway = await Gateway.start(t);
  const { client } = gateway.client(t, "ada");
  for (const text of ["1", "2", "3"]) await client.clanChat("c").send(text);
  const read = client.clanChat("c").subscribe({ history: 2 });
  await client.clanChat("c").send("4");
  assert.deepEqual((await first(read, 3)).map(chat => chat.content), ["2", "3", "4"]);
  // An app that was away continues from its position.
  const { position } = read;
  await read.return();
  await client.clanChat("c").send("5");
  const again = client.clanChat("c").subscribe({ from: position });
  assert.deepEqual((await first(again, 1)).map(chat => chat.content), ["5"]);
});

test("notifications come once, are counted and acknowledged", async t => {
  const gateway = await Gateway.start(t);
  await gateway.notify("ada", "one");
  const { client } = gateway.client(t, "ada");
  const badges = [];
  const off = new AbortController();
  const notified = await new Promise((resolve, reject) => {
    client.notifications().subscribe({
      signal: off.signal,
      onPending: count => badges.push(count),
      onNotification: resolve,
      onError: reject,
    });
  });
  assert.equal(notified.title, "one");
  assert.deepEqual(badges, [1]);
  assert.ok(!Object.keys(notified).includes("ack"), "it stays a plain object");
  await notified.ack();
  assert.deepEqual(badges, [1, 0]);
  off.abort();
});

test("a refusal has its code, and a bad argument is refused before anything is sent", async t => {
  const gateway = await Gateway.start(t);
  const { client, frames } = gateway.client(t, "ada", { token: () => gateway.token("ada", ["mine"]) });
  const sending = client.clanChat("other").send("x");
  const refused = await sending.catch(error => error);
  assert.ok(refused instanceof GatewayError && refused instanceof Error);
  assert.deepEqual([refused.code, refused.outcome, refused.retryable], ["forbidden", "refused", false]);
  assert.equal(refused.clientMessageId, sending.clientMessageId);
  const invalid = await client.clanChat("mine").send("").catch(error => error);
  assert.deepEqual([invalid.code, invalid.outcome], ["invalid", "not_sent"]);
  assert.equal(sent(frames, "chat").length, 1);
  const iterator = client.clanChat("other").subscribe();
  await assert.rejects(iterator.next(), { code: "forbidden" });
  assert.deepEqual(await iterator.next(), { done: true, value: undefined });
});

test("any command can be sent, and every frame is seen without the token", async t => {
  const gateway = await Gateway.start(t);
  const { client, frames } = gateway.client(t, "ada");
  assert.equal((await client.request("ping")).type, "pong");
  await assert.rejects(client.request("no_such_type"), { code: "unknown_type", outcome: "refused" });
  const [authenticate] = sent(frames, "authenticate");
  assert.equal(authenticate.message.token, "…");
  assert.ok(frames.some(({ direction, message }) => direction === "in" && message.type === "connected"));
});

test("a second session replaces the first, which can take it back", async t => {
  const gateway = await Gateway.start(t);
  const { client: one, states } = gateway.client(t, "ada");
  await one.connect();
  assert.equal(one.state.session.userId, "ada");
  const replaced = becomes(one, "replaced");
  const { client: two } = gateway.client(t, "ada");
  await two.connect();
  assert.equal((await replaced).cause.code, "replaced");
  await assert.rejects(one.clanChat("c").send("x"), { code: "replaced", closeCode: 4409 });
  await one.connect();
  assert.deepEqual(states.map(({ status }) => status), ["connecting", "online", "replaced", "connecting", "online"]);
});

test("a token that is refused twice ends it", async t => {
  const gateway = await Gateway.start(t);
  const { client } = gateway.client(t, "ada", { token: "nonsense" });
  await assert.rejects(client.connect(), { code: "unauthorized", closeCode: 4401 });
  assert.equal(client.state.status, "unauthorized");
});

test("making a client does nothing, and closing one ends what waits", async () => {
  const client = new GatewayClient({ url: "/ws", token: "t" });
  assert.equal(client.state.status, "idle");
  // Relative to no page: it cannot connect, and waits.
  const waiting = client.clanChat("c").send("x").catch(error => error);
  const iterator = client.clanChat("c").subscribe();
  const next = iterator.next();
  client.close();
  assert.equal((await waiting).code, "closed");
  assert.deepEqual(await next, { done: true, value: undefined });
  assert.equal(client.state.status, "closed");
  await assert.rejects(client.clanChat("c").send("x"), { code: "closed" });
});
