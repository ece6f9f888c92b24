// An instance whose memory has to grow.

import assert from "node:assert/strict";
import { test } from "node:test";
import { loadCore } from "./sdk.js";

const COUNT = 600;

test("the memory grows under what waits to be read, and nothing in it is lost", async t => {
  const Core = await loadCore();
  const core = new Core({ seed: [1, 2, 3, 4], name: "test", version: "0" });
  const frame = message => core.handle(0, { type: "frame", connection: 1 }, JSON.stringify(message));
  core.handle(0, { type: "subscribe", stream: 1, buffer: COUNT, command: "subscribe_clan_chat" }, JSON.stringify({ clanId: "c" }));
  core.handle(0, { type: "token", token: "t" });
  core.handle(0, { type: "opened", connection: 1 });
  const messages = frame({
    type: "connected", userId: "u", message: "hello", sessionId: "s", protocolVersion: 1, features: [], services: [],
    expiresAt: "2026-01-31T13:00:00.000Z", serverTime: "2026-01-31T12:00:00.000Z", heartbeatIntervalMs: 25_000,
    maxMessageBytes: 65_536, limits: { messagesPerSecond: 20, burst: 40, subscriptions: 100 },
  });
  const { requestId } = JSON.parse(messages.find(({ type }) => type === "send").body);
  frame({
    type: "subscription_confirmed", requestId, service: "clan_chat", clanId: "c", status: "subscribed", offset: 0,
    epoch: "e", recovered: false,
  });
  const content = offset => `${offset} ${"\u{1f600}é".repeat(1_000)}`;
  const began = performance.now();
  for (let offset = 1; offset <= COUNT; offset += 1) {
    frame({
      type: "chat", userId: "u", clanId: "c", messageId: `m${offset}`, messageType: "TEXT", offset,
      sentAt: "2026-01-31T12:00:00.000Z", content: content(offset),
    });
  }
  for (let offset = 1; offset <= COUNT; offset += 1) assert.equal(JSON.parse(core.take(1).body).content, content(offset));
  assert.equal(core.take(1), undefined);
  const each = (performance.now() - began) / COUNT;
  t.diagnostic(`${(each * 1_000).toFixed(0)} µs a message of 6 KiB, in and out ${globalThis.WebAssembly ? "" : "without WebAssembly"}`);
});
