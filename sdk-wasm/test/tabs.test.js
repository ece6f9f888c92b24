// What tabs do that needs no browser; tests/browser/tabs.test.js and handover.test.js have the rest.

import assert from "node:assert/strict";
import { test } from "node:test";
import { GatewayClient, GatewayError } from "../pkg/index.js";
import { Asked } from "../pkg/asked.js";
import { canShare, groupName, userOf } from "../pkg/group.js";
import { Gateway, becomes } from "./harness.js";

const encode = value => Buffer.from(JSON.stringify(value)).toString("base64url");
const token = claims => `${encode({ alg: "HS256" })}.${encode(claims)}.c2ln`;

test("the user is read from the token, and from nothing else", async t => {
  assert.equal(userOf(token({ sub: "ada" })), "ada");
  assert.equal(userOf(token({ sub: "Zoë 🐺" })), "Zoë 🐺");
  for (const other of [token({ sub: "" }), token({ sub: 7 }), token({}), token(null), "a.b.c", "opaque", "", undefined, 7]) {
    assert.equal(userOf(other), undefined, String(other));
  }
  const gateway = await Gateway.start(t);
  assert.equal(userOf(await gateway.token("ada")), "ada");
});

test("tabs of one url, user, device and major version belong together", () => {
  const url = "wss://gateway.test/ws";
  const name = groupName({ url }, "ada", "1.2.3");
  assert.equal(groupName({ url: "https://gateway.test/ws" }, "ada", "1.9.0"), name);
  const others = [
    groupName({ url: "wss://gateway.test/other" }, "ada", "1.2.3"),
    groupName({ url }, "bob", "1.2.3"),
    groupName({ url, deviceId: "d" }, "ada", "1.2.3"),
    groupName({ url }, "ada", "2.0.0"),
    groupName({ url }, "ada", "0.1.0"),
    groupName({ url }, "ada", "0.2.0"),
  ];
  assert.equal(new Set([name, ...others]).size, 7);
  assert.equal(groupName({ url }, "ada", "0.2.5"), groupName({ url }, "ada", "0.2.0"));
});

test("Node and server-side rendering share nothing, and signing out is closing there", async t => {
  assert.equal(canShare({}), false);
  const gateway = await Gateway.start(t);
  const { client } = gateway.client(t, "ada");
  await client.connect();
  const closed = becomes(client, "closed");
  client.signOut();
  await closed;
  await assert.rejects(client.clanChat("c").send("x"), { code: "closed" });
  new GatewayClient({ url: "/ws", token: "t" }).signOut();
});

test("what is relative is relative to the page, and to the origin of a worker that was made of a blob", t => {
  const before = Object.getOwnPropertyDescriptor(globalThis, "location");
  t.after(() => (before ? Object.defineProperty(globalThis, "location", before) : delete globalThis.location));
  const from = (url, href) => {
    Object.defineProperty(globalThis, "location", { value: { href, origin: "https://shop.test" }, configurable: true });
    return JSON.parse(groupName({ url }, "ada", "1.0.0"))[2];
  };
  assert.equal(from("/ws", "https://shop.test/a/b"), "wss://shop.test/ws");
  assert.equal(from("./ws", "https://shop.test/a/b"), "wss://shop.test/a/ws");
  assert.equal(from("//other.test/ws", "https://shop.test/a/b"), "wss://other.test/ws");
  assert.equal(from("/ws", "blob:https://shop.test/0a1b"), "wss://shop.test/ws");
  for (const href of ["about:blank", "data:text/javascript,1", "file:///app/index.html", undefined]) {
    assert.throws(() => from("/ws", href), /relative.*give the whole address/, href);
  }
});

/** Somebody to ask: keeps what it is asked, and its answers are given by hand. */
class Via {
  asked = [];
  closed = false;

  call(type, fields, timeoutMs, settle) {
    this.asked.push({ type, fields: JSON.parse(fields), timeoutMs, settle });
    return () => {};
  }

  request = this.call;

  subscribe(listener, type, fields) {
    this.asked.push({ type, fields: JSON.parse(fields), listener, items: [] });
    return this.asked.length - 1;
  }

  take(at) {
    return this.asked[at]?.items.shift();
  }

  leave() {}

  close() {
    this.closed = true;
  }
}

test("what is not answered is asked anew of the next leader, and its outcome is told truly", () => {
  const asked = new Asked();
  const results = {};
  const call = (name, kind, type) => asked.call(kind, type, JSON.stringify({ name }), 10_000, (error, message) => (results[name] = error ?? message));
  call("early", "request", "ping");
  const one = new Via();
  asked.ask(one, false);
  call("send", "call", "chat");
  call("answered", "call", "chat");
  call("raw", "request", "ping");
  one.asked.find(({ fields }) => fields.name === "answered").settle(undefined, "done");
  asked.ask(undefined, true);
  assert.ok(one.closed);
  assert.deepEqual([results.answered, results.early.outcome, results.raw.code, results.raw.outcome], ["done", "unknown", "disconnected", "unknown"]);
  call("between", "request", "ping");
  const two = new Via();
  asked.ask(two, true);
  assert.deepEqual(two.asked.map(({ fields }) => fields.name), ["send", "between"], "it was given to nobody before");
  const refusal = () => new GatewayError({ code: "timed_out", message: "late", outcome: "not_sent", retryable: true });
  one.asked[1].settle(undefined, "too late, from the one before");
  for (const { settle } of two.asked) settle(refusal());
  assert.deepEqual([results.send.outcome, results.between.outcome], ["unknown", "not_sent"]);
  call("last", "call", "chat");
  asked.finish(new GatewayError({ code: "closed", message: "closed by the app", outcome: "not_sent", retryable: false }));
  assert.deepEqual([results.last.code, results.last.outcome], ["closed", "unknown"]);
});

test("a stream goes on after what the app has had", () => {
  const asked = new Asked();
  const told = [];
  const stream = { subscribed: (position, error) => told.push(error ?? position), ready: () => {}, ended: error => told.push(error) };
  const [one, two] = [new Via(), new Via()];
  asked.ask(one, false);
  const chat = asked.subscribe(stream, "subscribe_clan_chat", JSON.stringify({ clanId: "c", history: 50 }), 10_000);
  const notes = asked.subscribe(stream, "subscribe_notifications", "{}", Infinity);
  one.asked[0].listener.subscribed({ offset: 3, epoch: "e" });
  one.asked[0].items.push({ position: { offset: 4, epoch: "e" }, event: { type: "chat", messageId: "m4" } }, { position: { offset: 5, epoch: "e" }, event: { type: "chat", messageId: "m5" } });
  assert.equal(asked.take(chat).event.messageId, "m4");
  const note = id => ({ event: { type: "notification", id } });
  one.asked[1].items.push(note("n1"));
  assert.equal(asked.take(notes).event.id, "n1");
  asked.ask(two, true);
  assert.deepEqual(two.asked[0].fields, { clanId: "c", recover: { offset: 4, epoch: "e" } });
  two.asked[1].items.push(note("n1"), note("n2"));
  assert.equal(asked.take(notes).event.id, "n2");
  one.asked[0].listener.ended("of the one before");
  two.asked[0].listener.subscribed(undefined, "forbidden");
  asked.ask(new Via(), true);
  assert.equal(asked.take(chat), undefined, "it is over");
  assert.deepEqual(told, [{ offset: 3, epoch: "e" }, "forbidden"]);
});

test("a pause refuses calls and lets streams wait, the end ends both", async () => {
  const asked = new Asked();
  const told = [];
  const stream = name => ({ subscribed: (_, error) => told.push([name, error?.code]), ready: () => {}, ended: error => told.push([name, "ended", error.code]) });
  const refusal = new GatewayError({ code: "replaced", message: "replaced", outcome: "not_sent", retryable: false, closeCode: 4409 });
  const [one, two] = [new Via(), new Via()];
  asked.ask(one, false);
  asked.subscribe(stream("early"), "subscribe_clan_chat", "{}", Infinity);
  const calls = [];
  asked.call("call", "chat", "{}", 10_000, error => calls.push(error));
  // The engine reports what it has not confirmed before the client gets the state.
  one.asked[0].listener.subscribed(undefined, refusal);
  asked.pause(refusal);
  asked.call("request", "ping", "{}", 10_000, error => calls.push(error));
  asked.subscribe(stream("late"), "subscribe_clan_chat", "{}", Infinity);
  await new Promise(setImmediate);
  assert.deepEqual(calls.map(({ code, outcome }) => [code, outcome]), [["replaced", "unknown"], ["replaced", "not_sent"]]);
  assert.deepEqual([told, one.asked.length], [[], 2]);
  asked.ask(two, true);
  assert.equal(two.asked.length, 2);
  for (const { listener } of two.asked) listener.subscribed({ offset: 1, epoch: "e" });
  asked.finish(new GatewayError({ code: "closed", message: "closed", outcome: "not_sent", retryable: false, closeCode: 1000 }));
  asked.subscribe(stream("never"), "subscribe_clan_chat", "{}", Infinity);
  await new Promise(setImmediate);
  assert.deepEqual(told, [["early", undefined], ["late", undefined], ["early", "ended", "closed"], ["late", "ended", "closed"], ["never", "ended", "closed"]]);
});
