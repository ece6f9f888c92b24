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

/** A core with a live connection, subscribed to a topic from the beginning of its log. */
function subscribed(type, fields, confirmed) {
  const core = new Core({ seed: [1, 2, 3, 4], name: "test", version: "0" });
  const sent = [];
  const run = (now, head, body) => {
    for (const { type, body: frame } of core.handle(now, head, body)) if (type === "send") sent.push(JSON.parse(frame));
  };
  const frame = (now, text) => run(now, { type: "frame", connection: 1 }, text);
  run(0, { type: "subscribe", stream: 1, buffer: 10, command: type }, JSON.stringify(fields));
  run(0, { type: "token", token: "t" });
  run(0, { type: "opened", connection: 1 });
  frame(0, greeting);
  const { requestId } = sent.at(-1);
  assert.equal(sent.at(-1).type, type);
  const answer = { type: "subscription_confirmed", requestId, status: "subscribed", offset: 0, epoch: "e", recovered: true };
  frame(0, JSON.stringify({ ...answer, ...confirmed }));
  return { core, sent, run, frame };
}

/** A core that gets a push with these fields, if there is such a topic. */
function listening({ type, service, topic, clanId }) {
  if (typeof clanId === "string") return subscribed("subscribe_clan_chat", { clanId, presence: true }, { service: "clan_chat", clanId });
  if (typeof service === "string" && typeof topic === "string") return subscribed("subscribe", { service, topic }, { service, topic });
  return type === "notification" ? subscribed("subscribe_notifications", {}, { service: "notifications", pending: 0 }) : undefined;
}

/** Messages that streams deliver as they arrived. */
const PUSHES = ["notification", "chat", "chat_deleted", "typing", "presence", "presence_changed", "event"];

test("what a client takes reaches the app as it came", () => {
  let given = 0;
  for (const { name, frame, type, known, offset } of vectors("server/accepted.json")) {
    const message = JSON.parse(frame);
    const { core, frame: receive } = listening(message) ?? subscribed("subscribe_notifications", {}, { service: "notifications" });
    receive(1, frame);
    if (!PUSHES.includes(type) && known !== false) continue;
    if (listening(message) === undefined) continue;
    const item = core.take(1);
    assert.deepEqual(JSON.parse(item.body), message, name);
    if (offset !== undefined) assert.equal(item.position.offset, offset, name);
    given += 1;
  }
  assert.ok(given > 10, `${given} were given`);
});

test("what a client cannot use does no harm", () => {
  for (const { name, frame } of vectors("server/refused.json")) {
    const { core, frame: receive } = subscribed("subscribe_clan_chat", { clanId: "c" }, { service: "clan_chat", clanId: "c" });
    receive(1, frame);
    receive(1, JSON.stringify({ type: "typing", userId: "u", clanId: "c", isTyping: true }));
    // At most its offset is delivered; it is never taken for a valid message.
    let event = JSON.parse(core.take(1).body);
    if (event.type !== "typing") {
      assert.deepEqual(event, { type: "unreadable" }, name);
      event = JSON.parse(core.take(1).body);
    }
    assert.equal(event.type, "typing", name);
  }
});

// Not `typing`: the machine sends it only every three seconds.
const CALLS = ["chat", "publish", "chat_history", "presence", "notification_ack"];

test("every command is written as it stands", () => {
  for (const { name, frame, type, message, encodesAs } of vectors("client/accepted.json")) {
    if (message === undefined || message.requestId === null || type === "authenticate") continue;
    const { sent, run } = subscribed("subscribe_notifications", {}, { service: "notifications" });
    const { type: _, requestId: __, ...fields } = JSON.parse(frame);
    run(1, { type: "request", call: 7, timeoutMs: 1_000, command: type }, JSON.stringify(fields));
    const { requestId, ...raw } = sent.at(-1);
    assert.ok(requestId, name);
    assert.deepEqual(raw, { type, ...fields }, name);
    if (!CALLS.includes(type)) continue;
    run(1, { type: "call", call: 8, timeoutMs: 1_000, command: type }, JSON.stringify(fields));
    const { requestId: ours, clientMessageId, ...typed } = sent.at(-1);
    assert.notEqual(ours, requestId, name);
    const { requestId: ___, clientMessageId: given, ...expected } = encodesAs ?? JSON.parse(frame);
    if (given !== undefined) assert.equal(clientMessageId, given, name);
    // Any number of acknowledgements is sent as a list.
    const { notificationId, ...rest } = expected;
    const list = notificationId === undefined ? rest : { ...rest, notificationIds: [notificationId, ...(rest.notificationIds ?? [])] };
    assert.deepEqual(typed, list, name);
  }
});
