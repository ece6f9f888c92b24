// What tabs do that needs no browser; tests/browser/tabs.test.js and handover.test.js have the rest.

import assert from "node:assert/strict";
import { test } from "node:test";
import { GatewayClient, GatewayError } from "../pkg/index.js";
import { Requests } from "../pkg/requests.js";
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

/** A carrier that keeps its requests, whose results the test gives. */
class Carrier {
  received = [];
  closed = false;

  call(kind, type, fields, timeoutMs, doubtful, settle) {
    this.received.push({ kind, type, fields: JSON.parse(fields), timeoutMs, doubtful: Boolean(doubtful), settle });
    return () => {};
  }

  subscribe(listener, type, fields, position) {
    this.received.push({ type, fields: JSON.parse(fields), position, listener, items: [] });
    return this.received.length - 1;
  }

  take(at) {
    return this.received[at]?.items.shift();
  }

  leave() {}

  close() {
    this.closed = true;
  }
}

test("requests without a result are given to the next leader, as doubtful where an earlier one had them", () => {
  const requests = new Requests();
  const results = {};
  const call = (name, kind, type) => requests.call(kind, type, JSON.stringify({ name }), 10_000, (error, message) => (results[name] = error ?? message));
  call("early", "request", "ping");
  const one = new Carrier();
  requests.moveTo(one, false);
  call("send", "call", "chat");
  call("answered", "call", "chat");
  call("raw", "request", "ping");
  one.received.find(({ fields }) => fields.name === "answered").settle(undefined, "done");
  requests.moveTo(undefined, true);
  assert.ok(one.closed);
  call("between", "request", "ping");
  const two = new Carrier();
  requests.moveTo(two, true);
  assert.equal(results.answered, "done");
  // What the core makes of a doubtful one is tested in sdk-core/tests/it/succession.rs.
  const given = two.received.map(({ kind, fields, doubtful }) => [kind, fields.name, doubtful]);
  assert.deepEqual(given, [["request", "early", true], ["call", "send", true], ["request", "raw", true], ["request", "between", false]]);
  const refusal = outcome => new GatewayError({ code: "timed_out", message: "late", outcome, retryable: true });
  one.received[1].settle(undefined, "too late, from the one before");
  for (const { doubtful, settle } of two.received) settle(refusal(doubtful ? "unknown" : "not_sent"));
  assert.deepEqual([results.send.outcome, results.between.outcome], ["unknown", "not_sent"]);
  call("last", "call", "chat");
  requests.finish(new GatewayError({ code: "closed", message: "closed by the app", outcome: "not_sent", retryable: false }));
  assert.deepEqual([results.last.code, results.last.outcome], ["closed", "unknown"]);
});

test("a stream continues after what the app has had", () => {
  const requests = new Requests();
  const reported = [];
  const stream = { subscribed: (position, error) => reported.push(error ?? position), ready: () => {}, ended: error => reported.push(error) };
  const [one, two] = [new Carrier(), new Carrier()];
  requests.moveTo(one, false);
  const chat = requests.subscribe(stream, "subscribe_clan_chat", JSON.stringify({ clanId: "c", history: 50 }), 10_000);
  const notes = requests.subscribe(stream, "subscribe_notifications", "{}", Infinity);
  one.received[0].listener.subscribed({ offset: 3, epoch: "e" });
  one.received[0].items.push({ position: { offset: 4, epoch: "e" }, event: { type: "chat", messageId: "m4" } }, { position: { offset: 5, epoch: "e" }, event: { type: "chat", messageId: "m5" } });
  assert.equal(requests.take(chat).event.messageId, "m4");
  const note = id => ({ event: { type: "notification", id } });
  one.received[1].items.push(note("n1"));
  assert.equal(requests.take(notes).event.id, "n1");
  requests.moveTo(two, true);
  assert.deepEqual([two.received[0].fields, two.received[0].position], [{ clanId: "c", history: 50 }, { offset: 4, epoch: "e" }]);
  two.received[1].items.push(note("n1"), note("n2"));
  assert.equal(requests.take(notes).event.id, "n2");
  one.received[0].listener.ended("of the one before");
  two.received[0].listener.subscribed(undefined, "forbidden");
  requests.moveTo(new Carrier(), true);
  assert.equal(requests.take(chat), undefined, "it is over");
  assert.deepEqual(reported, [{ offset: 3, epoch: "e" }, "forbidden"]);
});

test("a pause refuses calls and lets streams wait, the end ends both", async () => {
  const requests = new Requests();
  const reported = [];
  const stream = name => ({ subscribed: (_, error) => reported.push([name, error?.code]), ready: () => {}, ended: error => reported.push([name, "ended", error.code]) });
  const refusal = new GatewayError({ code: "replaced", message: "replaced", outcome: "not_sent", retryable: false, closeCode: 4409 });
  const [one, two] = [new Carrier(), new Carrier()];
  requests.moveTo(one, false);
  requests.subscribe(stream("early"), "subscribe_clan_chat", "{}", Infinity);
  const calls = [];
  requests.call("call", "chat", "{}", 10_000, error => calls.push(error));
  // The engine reports what it has not confirmed before the client gets the state.
  one.received[0].listener.subscribed(undefined, refusal);
  requests.pause(refusal);
  requests.call("request", "ping", "{}", 10_000, error => calls.push(error));
  requests.subscribe(stream("late"), "subscribe_clan_chat", "{}", Infinity);
  await new Promise(setImmediate);
  assert.deepEqual(calls.map(({ code, outcome }) => [code, outcome]), [["replaced", "unknown"], ["replaced", "not_sent"]]);
  assert.deepEqual([reported, one.received.length], [[], 2]);
  requests.moveTo(two, true);
  assert.equal(two.received.length, 2);
  for (const { listener } of two.received) listener.subscribed({ offset: 1, epoch: "e" });
  requests.finish(new GatewayError({ code: "closed", message: "closed", outcome: "not_sent", retryable: false, closeCode: 1000 }));
  requests.subscribe(stream("never"), "subscribe_clan_chat", "{}", Infinity);
  await new Promise(setImmediate);
  assert.deepEqual(reported, [["early", undefined], ["late", undefined], ["early", "ended", "closed"], ["late", "ended", "closed"], ["never", "ended", "closed"]]);
});
