// The protocol's vectors, through the WebAssembly.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { loadCore } from "./sdk.js";

const Core = await loadCore();

function vectors(file) {
  const list = JSON.parse(readFileSync(new URL(`../../protocol/vectors/${file}`, import.meta.url), "utf8"));
  assert.ok(list.length > 5);
  return list.map(vector => ({ ...vector, frame: vector.text ?? JSON.stringify(vector.message) }));
}

const greeting = vectors("server/accepted.json").find(({ type }) => type === "connected").frame;

/** A core with a connection that works, subscribed to a topic from the beginning of its log. */
function subscribed(type, fields, confirmed) {
  const core = new Core(JSON.stringify({ seed: [1, 2, 3, 4], name: "test", version: "0" }));
  const sent = [];
  const run = text => {
    for (const order of JSON.parse(text)) if (order.type === "send") sent.push(JSON.parse(order.text));
  };
  run(core.subscribe(0, 1, Infinity, 10, type, JSON.stringify(fields)));
  run(core.token(0, "t"));
  run(core.opened(0, 1));
  run(core.frame(0, 1, greeting));
  const { requestId } = sent.at(-1);
  assert.equal(sent.at(-1).type, type);
  const answer = { type: "subscription_confirmed", requestId, status: "subscribed", offset: 0, epoch: "e", recovered: true };
  run(core.frame(0, 1, JSON.stringify({ ...answer, ...confirmed })));
  return { core, sent, run };
}

/** A core that would be given a push with these fields, if there is such a topic. */
function listening({ type, service, topic, clanId }) {
  if (typeof clanId === "string") return subscribed("subscribe_clan_chat", { clanId, presence: true }, { service: "clan_chat", clanId });
  if (typeof service === "string" && typeof topic === "string") return subscribed("subscribe", { service, topic }, { service, topic });
  return type === "notification" ? subscribed("subscribe_notifications", {}, { service: "notifications", pending: 0 }) : undefined;
}

/** Messages that go to the app's streams as they are. */
const PUSHES = ["notification", "chat", "chat_deleted", "typing", "presence", "presence_changed", "event"];

test("what a client takes reaches the app as it came", () => {
  let given = 0;
  for (const { name, frame, type, known, offset } of vectors("server/accepted.json")) {
    const message = JSON.parse(frame);
    const { core, run } = listening(message) ?? subscribed("subscribe_notifications", {}, { service: "notifications" });
    run(core.frame(1, 1, frame));
    if (!PUSHES.includes(type) && known !== false) continue;
    if (listening(message) === undefined) continue;
    const item = JSON.parse(core.take(1));
    assert.deepEqual(item.event, message, name);
    if (offset !== undefined) assert.equal(item.position.offset, offset, name);
    given += 1;
  }
  assert.ok(given > 10, `${given} were given`);
});

test("what a client cannot use does no harm", () => {
  for (const { name, frame } of vectors("server/refused.json")) {
    const { core, run } = subscribed("subscribe_clan_chat", { clanId: "c" }, { service: "clan_chat", clanId: "c" });
    run(core.frame(1, 1, frame));
    run(core.frame(1, 1, JSON.stringify({ type: "typing", userId: "u", clanId: "c", isTyping: true })));
    // At most its place in the log is handed on; it never passes for what it is not.
    let { event } = JSON.parse(core.take(1));
    if (event.type !== "typing") {
      assert.deepEqual(event, { type: "unreadable" }, name);
      ({ event } = JSON.parse(core.take(1)));
    }
    assert.equal(event.type, "typing", name);
  }
});

// `typing` is left out: the machine says only what is news.
const CALLS = ["chat", "publish", "chat_history", "presence", "notification_ack"];

test("every command is written as it stands", () => {
  for (const { name, frame, type, message, encodesAs } of vectors("client/accepted.json")) {
    if (message === undefined || message.requestId === null || type === "authenticate") continue;
    const { core, sent, run } = subscribed("subscribe_notifications", {}, { service: "notifications" });
    const { type: _, requestId: __, ...fields } = JSON.parse(frame);
    run(core.request(1, 7, 1_000, type, JSON.stringify(fields)));
    const { requestId, ...raw } = sent.at(-1);
    assert.ok(requestId, name);
    assert.deepEqual(raw, { type, ...fields }, name);
    if (!CALLS.includes(type)) continue;
    run(core.call(1, 8, 1_000, type, JSON.stringify(fields)));
    const { requestId: ours, clientMessageId, ...typed } = sent.at(-1);
    assert.notEqual(ours, requestId, name);
    const { requestId: ___, clientMessageId: given, ...expected } = encodesAs ?? JSON.parse(frame);
    if (given !== undefined) assert.equal(clientMessageId, given, name);
    // Any number of acknowledgements goes as a list.
    const { notificationId, ...rest } = expected;
    const list = notificationId === undefined ? rest : { ...rest, notificationIds: [notificationId, ...(rest.notificationIds ?? [])] };
    assert.deepEqual(typed, list, name);
  }
});
