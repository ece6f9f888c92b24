// Views of a topic that begin after the position of data that the page has loaded.

import assert from "node:assert/strict";
import { test } from "node:test";
import { topicSource } from "../pkg/views/topic-view.js";
import { Component, stage } from "./component.js";

/** A topic with this number of events, and a function that returns the source of a view from an offset on. */
function scores(t, count) {
  const { fake, client } = stage(t);
  const publish = home => fake.publish("scores", "m7", { home });
  for (let home = 1; home <= count; home += 1) publish(home);
  const from = offset => topicSource(client.topic("scores", "m7"), { offset, epoch: fake.epoch });
  return { fake, client, publish, from };
}

const homes = ({ events }) => events.map(event => event.data.home);
const requested = (fake, type) => fake.commands.filter(({ message }) => message.type === type).map(({ message }) => message);

test("a view from a position has what came after it, and reads no history", async t => {
  const { fake, publish, from } = scores(t, 80);
  const topic = new Component(from(77));
  assert.deepEqual(homes(await topic.until(({ events }) => events.length === 3)), [78, 79, 80]);
  publish(81);
  assert.deepEqual(homes(await topic.until(({ events }) => events.length === 4)), [78, 79, 80, 81]);
  assert.deepEqual([topic.fields.status, topic.fields.isComplete, topic.fields.hasOlder], ["live", true, true]);
  assert.deepEqual(requested(fake, "subscribe").map(({ recover, history }) => [recover.offset, history]), [[77, undefined]]);
  assert.deepEqual(requested(fake, "topic_history"), []);
  await topic.view.loadOlder(2);
  assert.deepEqual(homes(topic.fields), [76, 77, 78, 79, 80, 81]);
});

test("a view from the newest position begins empty, and one from offset 0 with everything", async t => {
  const { from, publish } = scores(t, 3);
  const [newest, all] = [new Component(from(3)), new Component(from(0))];
  assert.deepEqual(homes(await newest.until(({ status }) => status === "live")), []);
  const loaded = await all.until(({ events }) => events.length === 3);
  assert.deepEqual([homes(loaded), loaded.hasOlder], [[1, 2, 3], false]);
  publish(4);
  assert.deepEqual(homes(await newest.until(({ events }) => events.length > 0)), [4]);
});

test("components with another position, or none, have events of their own", async t => {
  const { client, from } = scores(t, 5);
  const plain = new Component(topicSource(client.topic("scores", "m7"), undefined));
  const [two, four, sameAsFour] = [2, 4, 4].map(offset => new Component(from(offset)));
  const [shown, later] = await Promise.all([two.until(({ events }) => events.length === 3), four.until(({ events }) => events.length === 1)]);
  assert.deepEqual([homes(shown), homes(later)], [[3, 4, 5], [5]]);
  assert.equal(sameAsFour.fields.events, four.fields.events, "the same position is the same view");
  assert.deepEqual(homes(await plain.until(({ events }) => events.length > 0)), [1, 2, 3, 4, 5]);
});

test("a view says that events after its position are lost", async t => {
  const { fake, from, publish } = scores(t, 90);
  fake.trim({ service: "scores", topic: "m7" }, 10);
  const topic = new Component(from(70));
  const shown = await topic.until(({ isComplete, events }) => !isComplete && events.length > 0);
  assert.deepEqual([homes(shown).at(0), homes(shown).at(-1)], [81, 90]);
  const recent = new Component(from(85));
  assert.deepEqual(homes(await recent.until(({ events }) => events.length === 5)), [86, 87, 88, 89, 90]);
  assert.ok(recent.fields.isComplete);
  fake.loseStore();
  publish(1);
  const replaced = await recent.until(({ events, isComplete }) => !isComplete && events.length === 1);
  assert.deepEqual(homes(replaced), [1]);
});

test("a view continues after its position when its components come back", async t => {
  const { fake, from, publish } = scores(t, 3);
  const first = new Component(from(2));
  await first.until(({ events }) => events.length === 1);
  fake.goOffline();
  publish(4);
  fake.goOnline();
  assert.deepEqual(homes(await first.until(({ events }) => events.length === 2)), [3, 4]);
  first.unmount();
  // A view ends a moment after its last component.
  while (first.fields.events.length > 0) await new Promise(setImmediate);
  const again = new Component(from(2));
  assert.deepEqual(homes(await again.until(({ events }) => events.length === 2)), [3, 4]);
});
