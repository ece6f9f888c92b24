// Listeners and events, each for each subscription; and the client as a framework's proxy holds it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { computed, isReactive, reactive, readonly, ref, shallowReactive, watch } from "vue";
import { GatewayClient } from "./sdk.js";
import { Gateway, becomes, first } from "./harness.js";

test("the same function listens for each subscription that was given it", async t => {
  const gateway = await Gateway.start(t);
  const { client } = gateway.client(t, "ada");
  const counts = [];
  const onPending = count => counts.push(count);
  const titles = [];
  const onNotification = ({ title }) => titles.push(title);
  // React's StrictMode: subscribe, abort, subscribe.
  const [one, two] = [new AbortController(), new AbortController()];
  client.notifications().subscribe({ signal: one.signal, onPending, onNotification });
  one.abort();
  const kept = client.notifications().subscribe({ signal: two.signal, onPending, onNotification });
  await kept.ready;
  const reached = until => new Promise(resolve => {
    const poll = () => (until() ? resolve() : setImmediate(poll));
    poll();
  });
  await gateway.notify("ada", "first");
  await reached(() => counts.at(-1) === 1 && titles.length === 1);
  // A third with the same function, while the second lasts: each gets it, and the end of one takes none from the other.
  const three = new AbortController();
  client.notifications().subscribe({ signal: three.signal, onPending });
  assert.deepEqual(counts, [0, 1, 1]);
  three.abort();
  await gateway.notify("ada", "second");
  await reached(() => titles.length === 2 && counts.at(-1) === 2);
  two.abort();
  await gateway.notify("ada", "third");
  const watcher = client.notifications().subscribe();
  for (let title; title !== "third";) ({ title } = (await watcher.next()).value);
  assert.deepEqual([counts.at(-1), titles], [2, ["first", "second"]]);
});

test("the same function may listen twice to an event, and each stops by itself", async t => {
  const gateway = await Gateway.start(t);
  const { client } = gateway.client(t, "ada");
  for (const event of ["state", "frame", "notification_acked"]) {
    let received = 0;
    const listener = () => (received += 1);
    const off = new AbortController();
    const stop = client.on(event, listener);
    client.on(event, listener, { signal: off.signal });
    stop();
    stop();
    const again = client.on(event, () => {});
    off.abort();
    again();
    assert.equal(received, 0);
  }
  assert.throws(() => client.on("nothing", () => {}), TypeError);
});

test("an acknowledgement reaches every device as an event", async t => {
  const gateway = await Gateway.start(t, 'sessions.max_per_user = 3');
  const devices = ["phone", "laptop", "tablet"].map(deviceId => gateway.client(t, "ada", { deviceId }).client);
  const events = devices.map(() => []);
  devices.forEach((client, i) => client.on("notification_acked", event => events[i].push(event)));
  const streams = devices.map(client => client.notifications().subscribe());
  await Promise.all(streams.map(stream => stream.ready));
  await gateway.notify("ada", "one");
  const [notification] = await Promise.all(streams.map(async stream => (await stream.next()).value));
  const received = Promise.all(devices.map(client => new Promise(resolve => client.on("notification_acked", resolve))));
  await notification.ack();
  await received;
  assert.deepEqual(events, devices.map(() => [{ notificationIds: [notification.id] }]));
});

test("the client, and all that it gives, works inside Vue's reactive()", async t => {
  const gateway = await Gateway.start(t);
  const { client } = gateway.client(t, "ada");
  const { client: bob } = gateway.client(t, "bob");
  for (const wrap of [reactive, readonly, shallowReactive, value => ref(value).value, value => reactive({ value }).value]) {
    assert.equal(wrap(client).state, client.state);
  }
  const store = reactive({
    gateway: client, clan: client.clanChat("c"), notes: client.notifications(), topic: client.topic("scores", "m"),
    chat: undefined, state: client.state, events: [],
  });
  const seen = [];
  watch(() => store.state.status, status => seen.push(status), { flush: "sync" });
  store.gateway.on("state", state => (store.state = state));
  await store.gateway.connect();
  store.chat = store.clan.subscribe();
  await store.chat.ready;
  const count = computed(() => store.events.length);
  await store.clan.send("one");
  await bob.clanChat("c").send("two");
  for await (const event of store.chat) {
    store.events.push(event);
    if (store.events.length === 2) break;
  }
  assert.deepEqual([count.value, store.events.map(({ content }) => content)], [2, ["one", "two"]]);
  assert.ok(isReactive(store.events));
  store.notification = store.notes.subscribe();
  await gateway.notify("ada", "hi");
  store.shown = [(await store.notification.next()).value];
  await store.shown[0].ack();
  await assert.rejects(store.topic.subscribe().next(), { code: "unknown_service" });
  assert.equal((await store.gateway.request("ping")).type, "pong");
  assert.equal((await store.clan.history()).messages.length, 2);
  await store.notification.return();
  const closed = becomes(client, "closed");
  store.gateway.close();
  await closed;
  assert.deepEqual(seen, ["connecting", "online", "closed"]);
  assert.ok(store.gateway instanceof GatewayClient);
  await assert.rejects(first(store.chat, 1), /it ended/);
});
