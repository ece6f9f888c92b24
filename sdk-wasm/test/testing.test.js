// The fake gateway of `realtime-gateway/testing`: it reads frames as the protocol's vectors say, and the SDK cannot distinguish it
// from a real one.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { FakeGateway } from "../pkg/testing/index.js";
import { GatewayClient } from "./sdk.js";
import { becomes, first } from "./harness.js";

function vectors(file) {
  const list = JSON.parse(readFileSync(new URL(`../../protocol/vectors/${file}`, import.meta.url), "utf8"));
  assert.ok(list.length > 5);
  return list.map(vector => ({ ...vector, frame: vector.text ?? JSON.stringify(vector.message) }));
}

/** A bare connection with an identity, and how to ask it something: the frames that come up to a pong. */
async function line(fake, userId = "u") {
  const socket = new fake.WebSocket(fake.url, "gateway.v1.json");
  const frames = [];
  socket.onmessage = ({ data }) => frames.push(JSON.parse(data));
  await new Promise(resolve => (socket.onopen = resolve));
  const ask = async text => {
    frames.length = 0;
    socket.send(text);
    socket.send(JSON.stringify({ type: "ping", requestId: "the-end" }));
    while (frames.at(-1)?.requestId !== "the-end") await new Promise(setImmediate);
    return frames.slice(0, -1);
  };
  await ask(JSON.stringify({ type: "authenticate", token: fake.token(userId) }));
  return { socket, ask };
}

test("commands are refused as the vectors say", async () => {
  const fake = new FakeGateway({ services: ["s", "orders"] });
  const { ask } = await line(fake);
  for (const { name, frame, code, field, requestId, inReplyTo } of vectors("client/refused.json")) {
    // The fake names the field already, as the gateway will.
    if (name.startsWith("half of a surrogate pair") && code === "invalid_json") continue;
    const [reply] = await ask(frame);
    assert.ok(reply, name);
    const answer = [reply.type, reply.code, reply.details?.field, reply.requestId, reply.inReplyTo];
    assert.deepEqual(answer, ["error", code, field, requestId, inReplyTo], name);
  }
});

test("commands are accepted as the vectors say", async () => {
  const services = vectors("client/accepted.json").map(({ message }) => message?.service).filter(Boolean);
  for (const { name, frame, type } of vectors("client/accepted.json")) {
    // A token of a vector may name another user, which ends a connection that has one.
    if (type === "authenticate") continue;
    const fake = new FakeGateway({ services });
    if (type === "call") fake.answer("orders", "cancel", () => null);
    const { ask } = await line(fake);
    const replies = await ask(frame);
    assert.deepEqual(replies.filter(reply => reply.type === "error"), [], name);
    assert.equal(fake.commands.at(-2).message.type, type, name);
  }
});

/** A fake gateway that ends with the test, a client of it, and how to get a client of another user. */
function stage(t, options, clientOptions) {
  const fake = new FakeGateway(options);
  const other = userId => {
    const client = new GatewayClient(fake.clientOptions(userId, clientOptions));
    t.after(() => client.close());
    return client;
  };
  return { fake, client: other("ada"), other };
}

test("an app chats, and gets what others send, type and delete", async t => {
  const { fake, client } = stage(t);
  fake.chat("c", { userId: "bob", content: "before" });
  const stream = client.clanChat("c").subscribe({ history: 10, presence: true });
  await stream.ready;
  const receipt = await client.clanChat("c").send("hello", { data: { replyTo: "m1" } });
  fake.chat("c", { userId: "bob", content: "hello, ada" });
  const chats = await first(stream, 3);
  assert.deepEqual(chats.map(({ userId, content }) => [userId, content]), [["bob", "before"], ["ada", "hello"], ["bob", "hello, ada"]]);
  assert.equal(chats[1].messageId, receipt.messageId);
  fake.typing("c", "bob");
  assert.deepEqual((await first(stream, 1, "typing"))[0], { type: "typing", userId: "bob", clanId: "c", isTyping: true });
  fake.deleteChat("c", chats[0].messageId);
  assert.equal((await first(stream, 1, "chat_deleted"))[0].messageId, chats[0].messageId);
  const page = await client.clanChat("c").history({ limit: 1 });
  assert.deepEqual([page.messages.map(({ content }) => content), page.hasMore], [["hello, ada"], true]);
  client.clanChat("c").typing();
  const { userId, message } = await fake.received("typing");
  assert.deepEqual([userId, message], ["ada", { type: "typing", clanId: "c", isTyping: true }]);
});

test("presence reports who becomes present or absent", async t => {
  const { fake, client } = stage(t);
  fake.join("c", "bob");
  const stream = client.clanChat("c").subscribe({ presence: true });
  const [snapshot] = await first(stream, 1, "presence");
  assert.deepEqual(snapshot.users.map(({ userId }) => userId), ["bob", "ada"]);
  fake.join("c", "eve");
  fake.leave("c", "bob");
  const changes = await first(stream, 2, "presence_changed");
  assert.deepEqual(changes.map(({ userId, status }) => [userId, status]), [["eve", "online"], ["bob", "offline"]]);
  assert.equal((await client.clanChat("c").presence()).count, 2);
});

test("a client that disconnects leaves all its clans", async t => {
  const { fake, client, other } = stage(t);
  const streams = ["c", "d"].map(id => client.clanChat(id).subscribe({ presence: true }));
  await Promise.all(streams.map(stream => first(stream, 1, "presence")));
  const bob = other("bob");
  await Promise.all(["c", "d"].map(id => bob.clanChat(id).subscribe().ready));
  fake.disconnect({ userId: "bob" });
  for (const stream of streams) {
    const changes = await first(stream, 2, "presence_changed");
    assert.deepEqual(changes.map(({ userId, status }) => [userId, status]), [["bob", "online"], ["bob", "offline"]]);
  }
});

test("presence in a topic has the data of users", async t => {
  const { client, other } = stage(t, { services: ["dice"] });
  const stream = client.topic("dice", "t").subscribe({ presence: true, presenceData: { colour: "red" } });
  const [snapshot] = await first(stream, 1, "topic_presence");
  assert.deepEqual(snapshot.users, [{ userId: "ada", sessions: 1, data: { colour: "red" } }]);
  const bob = other("bob");
  await bob.topic("dice", "t").subscribe({ presenceData: 1 }).ready;
  await bob.topic("dice", "t").subscribe({ presenceData: 2 }).ready;
  assert.equal((await client.topic("dice", "t").presence()).count, 2);
  bob.close();
  const changes = await first(stream, 3, "topic_presence_changed");
  assert.deepEqual(
    changes.map(({ userId, status, data }) => [userId, status, data]),
    [["bob", "online", 1], ["bob", "updated", 2], ["bob", "offline", undefined]],
  );
});

test("calls are answered as a backend does", async t => {
  const { fake, client } = stage(t, { services: ["orders"] });
  let finish;
  fake.answer("orders", "slow", () => new Promise(resolve => (finish = resolve)));
  fake.answer("orders", "cancel", ({ orderId }, { userId, callId }) => {
    if (orderId === "sent") throw { message: "too late", details: { status: 409, code: "shipped", message: "too late" } };
    return { orderId, userId, named: callId };
  });
  const slow = client.call("orders", "slow", null);
  assert.deepEqual(await client.call("orders", "cancel", { orderId: "42" }, { callId: "c1" }), { orderId: "42", userId: "ada", named: "c1" });
  const refused = { code: "call_failed", outcome: "refused", details: { status: 409, code: "shipped", message: "too late" } };
  await assert.rejects(client.call("orders", "cancel", { orderId: "sent" }), refused);
  await assert.rejects(client.call("orders", "refund", 1), { code: "unknown_method", outcome: "refused" });
  fake.refuse("call", { code: "unavailable", message: "busy", retryAfterMs: 5 });
  await assert.rejects(client.call("orders", "slow", 1), { code: "unavailable", outcome: "refused", retryAfterMs: 5 });
  fake.refuse("call", { code: "call_unknown", message: "who knows", details: { reason: "timeout" } });
  await assert.rejects(client.call("orders", "slow", 1), { code: "call_unknown", outcome: "unknown", details: { reason: "timeout" } });
  finish("done");
  assert.equal(await slow, "done");
});

test("history of a topic is read in pages", async t => {
  const { fake, client } = stage(t, { services: ["scores"] });
  for (const home of [1, 2, 3]) fake.publish("scores", "match-7", { home });
  const page = await client.topic("scores", "match-7").history({ before: 3, limit: 1 });
  assert.deepEqual([page.events.map(({ type, data }) => [type, data.home]), page.hasMore], [[["event", 2]], true]);
  await assert.rejects(client.topic("scores", "match-7").history({ before: 3, after: 1 }), { code: "invalid_message" });
});

test("notifications are pending until they are acknowledged", async t => {
  const { fake, client } = stage(t);
  fake.notify("ada", { id: "n1", title: "one", message: "m" });
  const badges = [];
  const stream = client.notifications().subscribe({ onPending: count => badges.push(count) });
  const { value } = await stream.next();
  assert.equal(value.title, "one");
  fake.notify("ada", { id: "n1", title: "a copy", message: "m" });
  fake.notify("ada", { id: "n2", title: "two", message: "m" });
  assert.equal((await stream.next()).value.id, "n2");
  await value.ack();
  assert.deepEqual([fake.pending("ada").map(({ id }) => id), badges], [["n2"], [1, 2, 1]]);
});

test("topics of a service are published and subscribed to", async t => {
  const { fake, client } = stage(t, { services: ["scores"] });
  const scores = client.topic("scores", "match-7");
  const stream = scores.subscribe();
  await stream.ready;
  await scores.publish({ home: 1 });
  fake.publish("scores", "match-7", { home: 2 });
  assert.deepEqual((await first(stream, 2, "event")).map(({ data }) => data.home), [1, 2]);
  await assert.rejects(client.topic("orders", "o").publish(1), { code: "unknown_service" });
});

test("a lost connection loses nothing and doubles nothing", async t => {
  const { fake, client } = stage(t);
  const stream = client.clanChat("c").subscribe();
  await stream.ready;
  const lost = becomes(client, "reconnecting");
  fake.goOffline();
  await lost;
  fake.chat("c", { userId: "bob", content: "meanwhile" });
  const sending = client.clanChat("c").send("from the tunnel");
  fake.goOnline();
  await sending;
  assert.deepEqual((await first(stream, 2)).map(({ content }) => content), ["meanwhile", "from the tunnel"]);
  fake.loseReply("chat");
  assert.equal((await client.clanChat("c").send("once")).duplicate, true);
  assert.equal(fake.messages("c").filter(({ content }) => content === "once").length, 1);
});

test("what is gone for good is a gap", async t => {
  const { fake, client } = stage(t);
  const stream = client.clanChat("c").subscribe();
  await stream.ready;
  const lost = becomes(client, "reconnecting");
  fake.disconnect();
  for (const content of ["1", "2", "3"]) fake.chat("c", { userId: "bob", content });
  fake.trim({ clanId: "c" }, 1);
  await lost;
  assert.equal((await first(stream, 1, "gap"))[0].reason, "trimmed");
  fake.loseStore();
  assert.equal((await first(stream, 1, "gap"))[0].reason, "epoch_changed");
});

test("refusals, held commands and the ends of subscriptions are scripted", async t => {
  const { fake, client } = stage(t, {}, { claims: { clans: ["c"] } });
  fake.refuse("chat", { code: "forbidden" });
  await assert.rejects(client.clanChat("c").send("x"), { code: "forbidden", outcome: "refused" });
  await assert.rejects(client.clanChat("other").send("x"), { code: "forbidden" });
  const release = fake.hold("chat");
  let isSent = false;
  const sending = client.clanChat("c").send("y").then(() => (isSent = true));
  await fake.received("chat");
  await new Promise(setImmediate);
  assert.equal(isSent, false);
  release();
  await sending;
  const stream = client.clanChat("c").subscribe();
  await stream.ready;
  fake.endSubscription("ada", { clanId: "c" });
  await assert.rejects(stream.next(), { code: "forbidden" });
  assert.throws(() => fake.notify("ada", { title: 7, message: "m" }), /title: a string is expected/);
});

test("a token that ends is renewed, and one that is revoked ends the session", async t => {
  const { fake, client } = stage(t);
  await client.connect();
  fake.expireToken("ada");
  await fake.received("authenticate");
  await fake.received("authenticate");
  assert.equal(client.state.status, "online");
  const out = becomes(client, "unauthorized");
  fake.revoke("ada");
  assert.equal((await out).cause.code, "unauthorized");
  fake.allow("ada");
  await client.connect();
});

test("a second session of a user replaces the first", async t => {
  const { fake, client } = stage(t);
  await client.connect();
  const replaced = becomes(client, "replaced");
  const other = new GatewayClient(fake.clientOptions("ada"));
  t.after(() => other.close());
  await other.connect();
  await replaced;
});
