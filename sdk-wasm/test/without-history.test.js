// Topics without history: events without offset, also across a lost connection and a changed contract.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Gateway, first, sent } from "./harness.js";

const CONTRACT = `
name = "maps"
schema = "maps.schema.json"
[topics.courier]
pattern = "courier-{id}"
event = "Place"
publish = { type = "Place", allow = "user" }
subscribe = "user"
history = false
`;

/** Starts a gateway with a service. Returns it and the path of its contract. */
async function start(t) {
  const folder = mkdtempSync(join(tmpdir(), "gateway-maps-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const contract = join(folder, "maps.service.toml");
  writeFileSync(contract, CONTRACT);
  writeFileSync(join(folder, "maps.schema.json"), JSON.stringify({ $defs: { Place: { type: "string" } } }));
  return { contract, gateway: await Gateway.start(t, `services.maps.contract = ${JSON.stringify(contract)}`) };
}

test("events have no offset, and a new connection requests nothing that was missed", async t => {
  const { contract, gateway } = await start(t);
  const { client: ada, frames } = gateway.client(t, "ada");
  const { client: bob } = gateway.client(t, "bob");
  const stream = ada.topic("maps", "courier-1").subscribe({ history: 10 });
  await stream.ready;
  const { requestId, ...accepted } = await bob.topic("maps", "courier-1").publish("one", { clientMessageId: "p1" });
  assert.ok(requestId);
  assert.deepEqual(accepted, { type: "publish_accepted", service: "maps", topic: "courier-1", clientMessageId: "p1" });
  const [event] = await first(stream, 1, "ephemeral_event");
  const { publishedAt, ...fields } = event;
  assert.deepEqual(fields, {
    type: "ephemeral_event", service: "maps", topic: "courier-1", data: "one", userId: "bob", clientMessageId: "p1",
  });
  assert.ok(!Number.isNaN(Date.parse(publishedAt)));
  assert.equal(stream.position, undefined);
  await assert.rejects(ada.topic("maps", "courier-1").history(), { code: "invalid_message", details: { field: "topic", problem: "this topic has no history" } });
  await gateway.kill();
  // The contract keeps a history after the restart: the stream continues with a position.
  writeFileSync(contract, CONTRACT.replace("history = false", ""));
  await gateway.run();
  await ada.connect();
  await ada.topic("maps", "courier-1").subscribe().ready;
  assert.equal((await bob.topic("maps", "courier-1").publish("two")).offset, 1);
  const { value } = await stream.next();
  assert.deepEqual([value.type, value.data, value.offset, stream.position.offset], ["event", "two", 1, 1], "without a gap");
  // The last one is of the second stream, when the contract has given the subscription a position.
  const recovered = sent(frames, "subscribe").map(({ message }) => message.recover?.offset);
  assert.deepEqual(recovered, [undefined, undefined, 0]);
});
