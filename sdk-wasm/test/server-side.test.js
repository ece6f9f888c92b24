// Subscriptions that the server makes: one stream, for topics that the app never names, also across a lost connection.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Gateway, first, sent } from "./harness.js";

const CONTRACT = `
name = "notes"
schema = "notes.schema.json"
[topics.note]
pattern = "note-{id}"
event = "Note"
publish = { type = "Note", allow = "user" }
`;

/** Starts a gateway with a service whose topics need a grant. */
function start(t) {
  const folder = mkdtempSync(join(tmpdir(), "gateway-notes-"));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "notes.service.toml"), CONTRACT);
  writeFileSync(join(folder, "notes.schema.json"), JSON.stringify({ $defs: { Note: { type: "string" } } }));
  return Gateway.start(t, `services.notes.contract = ${JSON.stringify(join(folder, "notes.service.toml"))}`);
}

test("one stream has the topics that the server chose, and continues after a lost connection", async t => {
  const gateway = await start(t);
  const subscribe = [{ service: "notes", topic: "note-1" }, { service: "notes", topic: "note-2" }];
  const ada = gateway.client(t, "ada", { token: () => gateway.token("ada", undefined, { subscribe }) });
  const { client: bob } = gateway.client(t, "bob");
  const stream = ada.client.serverSubscriptions();
  const topics = (await first(stream, 2, "subscription_confirmed")).map(({ topic, origin }) => [topic, origin]);
  assert.deepEqual(topics.sort(), [["note-1", "server"], ["note-2", "server"]]);
  await bob.topic("notes", "note-1").publish("one");
  const [event] = await first(stream, 1, "event");
  assert.deepEqual([event.topic, event.data, event.offset], ["note-1", "one", 1]);
  await gateway.kill();
  await gateway.run();
  for (const note of ["two", "three"]) await bob.topic("notes", "note-1").publish(note);
  const events = await first(stream, 2, "event");
  assert.deepEqual(events.map(({ data, offset }) => [data, offset]), [["two", 2], ["three", 3]]);
  assert.ok(sent(ada.frames, "subscribe").every(({ message }) => message.serverSide === true), "nothing but recoveries");
  await stream.return();
  assert.deepEqual(await stream.next(), { done: true, value: undefined });
});
