// Shared connection: all tabs of a profile use one connection and see the same behaviour, whichever tab owns it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchWithBackground, newContext } from "../fixtures/browser/browser.js";
import { Gateway, endAll, token } from "../fixtures/gateway.js";
import { Tab, sessions } from "../fixtures/browser/tab.js";

/** Rate limits that do not slow down the tests. */
const FAST = ["limits.messages_per_second = 100000", "limits.burst = 100000"];

let browser;
before(async () => {
  browser = await launchWithBackground();
});
after(async () => {
  await browser?.close();
  await endAll();
});

/** A gateway and this number of tabs of alice in one profile: the first leads. */
async function tabs(count, { settings = FAST, options, listens } = {}) {
  const gateway = await Gateway.start({ settings });
  const context = await newContext(browser);
  const all = [];
  for (let i = 0; i < count; i += 1) all.push(await Tab.open(context, gateway, "alice", options, { listens }));
  const end = async () => {
    for (const tab of all) tab.isSound();
    await context.close();
    await gateway.end();
  };
  return { gateway, context, all, end };
}

test("second tab shares the connection for reading and writing", async () => {
  const { gateway, all, end } = await tabs(2);
  const [one, two] = all;
  assert.equal(await sessions(gateway), 1);
  assert.deepEqual([await one.leads(), await two.leads()], [true, false]);
  for (const tab of all) await tab.reads("wolves");
  await one.says("wolves", "from one");
  await two.says("wolves", "from two");
  for (const tab of all) {
    await tab.receives("wolves", 2);
    assert.deepEqual(await tab.received("wolves"), ["from one", "from two"]);
    assert.deepEqual(await tab.run(() => app.states), ["connecting", "online"]);
  }
  const ids = await Promise.all(all.map((tab) => tab.run(() => app.client.state.session.sessionId)));
  assert.equal(ids[0], ids[1]);
  await end();
});

test("leading and following tabs see the same events", async () => {
  const { all, end } = await tabs(2, { options: { bufferSize: 3 } });
  const results = [];
  // First in the one that follows.
  for (const [i, tab] of all.toReversed().entries()) {
    assert.equal(await tab.leads(), i === 1);
    await tab.run(() => (app.token = () => Promise.reject(new Error("asked for no reason"))));
    results.push(await tab.run(async (clan) => {
      const { client } = app;
      const failed = (promise) => promise.then(() => "no error", (error) => ({ is: error.constructor.name, message: error.message, ...error, clientMessageId: undefined }));
      const results = {};
      results.refused = await failed(client.request("chat_history", { clanId: "no spaces" }));
      results.invalid = await failed(client.clanChat(clan).send(""));
      results.unknown = await failed(client.request("no_such_type"));
      results.pong = (await client.request("ping")).type;
      results.topic = await failed(client.topic("scores", "match").subscribe().next());
      results.late = await failed(client.clanChat(clan).presence({ timeoutMs: 0 }));
      const off = new AbortController();
      const aborted = failed(client.clanChat(clan).history({ signal: off.signal }));
      const iterator = client.clanChat(clan).subscribe({ signal: off.signal });
      const next = iterator.next();
      off.abort(new Error("gone elsewhere"));
      results.aborted = [await aborted, await next, await iterator.next()];
      const slow = client.clanChat(clan).subscribe();
      await slow.ready;
      results.start = slow.position.offset;
      for (const text of ["1", "2", "3", "4", "5"]) await client.clanChat(clan).send(text);
      client.clanChat(clan).typing();
      const read = [];
      for (let i = 0; i < 4; i += 1) read.push((await slow.next()).value);
      results.read = read.map(({ type, content, before, reason }) => ({ type, content, before, reason }));
      results.page = (await read[3].history()).map(({ content }) => content);
      results.position = slow.position.offset;
      await slow.return();
      const resumed = client.clanChat(clan).subscribe({ from: { ...slow.position, offset: 3 } });
      results.resumed = [(await resumed.next()).value.content, (await resumed.next()).value.content];
      const waiting = resumed.next();
      client.close();
      results.closed = [await waiting, await failed(client.clanChat(clan).send("x")), client.state.status];
      return results;
    }, `clan${i}`));
    assert.equal(results[i].late.code, "timed_out");
    assert.equal(results[i].read[3].type, "gap");
  }
  assert.deepEqual(results[1], results[0]);
  await end();
});

test("reports frames without tokens and the pending count in every tab", async () => {
  const { gateway, all, end } = await tabs(2, { listens: true });
  for (const tab of all) {
    await tab.run(() => app.watch("notes", app.client.notifications().subscribe({ onPending: (count) => app.pending.push(count) })));
  }
  const response = await fetch(`http://${gateway.address}/dev/notifications`, {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ userId: "alice", title: "t", message: "m" }),
  });
  assert.ok(response.ok);
  for (const tab of all) await tab.until(() => app.streams.notes.seen.events.length === 1 && app.pending.at(-1) === 1);
  for (const tab of all) await tab.run(() => app.client.on("notification_acked", (event) => app.acked.push(event)));
  const id = await all[1].run(() => app.streams.notes.seen.events[0].id);
  await all[1].run(() => app.streams.notes.seen.events[0].ack());
  for (const tab of all) {
    await tab.until(() => app.pending.at(-1) === 0 && app.acked.length > 0);
    assert.deepEqual(await tab.run(() => app.acked), [{ notificationIds: [id] }]);
    const frames = await tab.run(() => app.frames);
    assert.ok(frames.some(({ direction, text }) => direction === "in" && text.includes('"notification"')));
    assert.ok(frames.some(({ direction, text }) => direction === "out" && text.includes('"notification_ack"')));
    assert.ok(frames.every(({ text, connection }) => !text.includes("eyJ") && connection === 1));
  }
  // A listener that comes later sees what comes later.
  const three = await Tab.open(all[0].page.context(), gateway, "alice");
  await three.run(() => app.client.on("frame", (frame) => app.frames.push(frame)));
  await three.run(() => app.client.request("ping"));
  await three.until(() => app.frames.some(({ text }) => text.includes('"pong"')));
  await end();
});

for (const [role, index] of [["leads", 0], ["follows", 1]]) {
  test(`unread iterator gets one gap for 1,500 messages, in a tab that ${role}`, async () => {
    const { all, end } = await tabs(2);
    await all[index].run(async () => {
      app.slow = app.client.clanChat("wolves").subscribe();
      await app.slow.ready;
    });
    await all[1 - index].run(async () => {
      const wolves = app.client.clanChat("wolves");
      for (let i = 0; i < 1_500; i += 100) await Promise.all(Array.from({ length: 100 }, (_, j) => wolves.send(`${i + j}`, { timeoutMs: 120_000 })));
    });
    await all[index].run(() => app.watch("wolves", app.slow));
    await all[index].until(() => app.streams.wolves.seen.caughtUp);
    await all[1 - index].says("wolves", "after");
    await all[index].until(() => app.streams.wolves.seen.events.at(-1).content === "after");
    const { events, caughtUp } = await all[index].run(() => app.streams.wolves.seen);
    const shown = events.map(({ type, content }) => content ?? type);
    assert.deepEqual(shown, [...Array.from({ length: 1_000 }, (_, i) => `${i}`), "gap", "after"]);
    assert.deepEqual([events[1_000].reason, events[1_000].before, events[1_000].after.offset], ["slow", 1_000, 1_500]);
    assert.deepEqual(caughtUp.map(({ content }) => content), Array.from({ length: 50 }, (_, i) => `${1_450 + i}`));
    await end();
  });
}

test("limits what is queued for a frozen tab and sends it the state when it resumes", async () => {
  const { gateway, all, end } = await tabs(2, { listens: true });
  const [one, two] = all;
  const release = await two.hold(() => app.wait());
  await one.run(() => app.client.clanChat("wolves").subscribe().ready);
  // Each makes three frames: the command, the confirmation and the message.
  await one.run(async () => {
    for (let i = 0; i < 600; i += 100) await Promise.all(Array.from({ length: 100 }, () => app.client.clanChat("wolves").send("x", { timeoutMs: 120_000 })));
  });
  assert.ok((await one.run(() => app.frames.length)) > 1_800);
  await gateway.kill();
  await one.becomes("reconnecting");
  await release();
  await two.becomes("reconnecting");
  const frames = await two.run(() => app.frames.length);
  assert.ok(frames > 900 && frames < 1_100, `${frames} frames`);
  await gateway.restart();
  await two.becomes("online");
  await two.until(() => app.frames.some(({ text, connection }) => connection > 1 && text.includes('"connected"')));
  await end();
});

test("close() affects one tab and signOut() affects all tabs", async () => {
  const { gateway, all, end } = await tabs(3);
  const [one, two, three] = all;
  await three.reads("wolves");
  await one.run(() => app.client.close());
  assert.equal(await one.run(() => app.client.state.status), "closed");
  await two.says("wolves", "the others stay");
  await two.run(() => {
    app.watch("wolves", app.client.clanChat("wolves").subscribe());
    app.client.close();
  });
  await two.until(() => app.streams.wolves.seen.end === "quiet");
  await three.says("wolves", "so do I");
  await three.receives("wolves", 2);
  await one.run(() => app.client.connect());
  assert.equal(await one.leads(), false);
  assert.equal(await sessions(gateway), 1);
  // It waits for an answer that never comes.
  await three.run(() => app.settle("waits", app.client.clanChat("wolves").send("x")));
  await one.run(() => app.client.signOut());
  for (const tab of all) await tab.becomes("closed");
  await three.until(() => app.streams.wolves.seen.end === "quiet");
  const { value, error } = await three.outcome("waits");
  assert.ok(value || error.code === "closed", JSON.stringify(error));
  const after = await three.run(() => app.client.clanChat("wolves").send("x").catch((error) => error.code));
  assert.equal(after, "closed");
  assert.deepEqual(await three.run(() => app.states.at(-1)), "closed");
  while ((await sessions(gateway)) > 0) await new Promise(setImmediate);
  await end();
});

test("tab that never connected can sign out all tabs", async () => {
  const { gateway, context, all, end } = await tabs(1);
  const idle = await Tab.open(context, gateway, "alice", {}, { connect: false });
  await idle.run(() => app.client.signOut());
  await all[0].becomes("closed");
  await end();
});

for (const [how, provider] of [["fails", () => Promise.reject(new Error("signed out here"))], ["does not answer", () => new Promise(() => {})]]) {
  test(`requests a token from another tab when the leader's provider ${how}`, async () => {
    const gateway = await Gateway.start();
    const context = await newContext(browser);
    const one = await Tab.open(context, gateway, "alice", {}, { connect: false, listens: true });
    await one.run((short) => (app.token = async () => short), token("alice", ["*"], 4));
    await one.run(() => app.client.connect());
    const two = await Tab.open(context, gateway, "alice");
    const before = await two.run(() => app.asked);
    await one.run((provider) => (app.token = eval(`(${provider})`)), `${provider}`);
    await one.until(() => app.frames.some(({ text }) => JSON.parse(text).type === "authenticated"));
    assert.equal(await two.run(() => app.asked), before + 1);
    await two.says("wolves", "still here");
    assert.deepEqual(await one.run(() => app.states), ["connecting", "online"]);
    await context.close();
    await gateway.end();
  });
}

test("rejects a token of another user", async () => {
  const gateway = await Gateway.start();
  const context = await newContext(browser);
  const one = await Tab.open(context, gateway, "alice", {}, { connect: false, listens: true });
  await one.run((tokens) => (app.token = async () => tokens.shift()), [token("alice", ["*"], 2), token("bob", ["*"], 60), token("alice", ["*"], 60)]);
  await one.run(() => app.client.connect());
  await one.until(() => app.frames.some(({ text }) => JSON.parse(text).type === "authenticated"));
  assert.equal(await one.run(() => app.asked), 3);
  await one.until(() => app.states.includes("online token") && app.states.at(-1) === "online");
  const states = await one.run(() => app.states);
  assert.deepEqual(states.filter((state, i) => state !== states[i - 1]), ["connecting", "online", "online token", "online"], "the app is informed");
  await context.close();
  await gateway.end();
});

test("different users or devices in one profile do not share a connection", async () => {
  const gateway = await Gateway.start({ settings: ["sessions.key = \"device\""] });
  const context = await newContext(browser);
  await Tab.open(context, gateway, "alice", { deviceId: "left" });
  await Tab.open(context, gateway, "alice", { deviceId: "right" });
  await Tab.open(context, gateway, "bob", { deviceId: "left" });
  await Tab.open(context, gateway, "bob", { deviceId: "left" });
  assert.equal(await sessions(gateway), 3);
  await context.close();
  await gateway.end();
});

test("another device replaces all tabs, and connect() resumes their subscriptions", async () => {
  const { gateway, all, end } = await tabs(3);
  for (const tab of all) await tab.reads("wolves");
  const other = await newContext(browser);
  const phone = await Tab.open(other, gateway, "alice");
  for (const tab of all) {
    await tab.becomes("replaced");
    const send = await tab.run(() => app.client.clanChat("wolves").send("x").catch(({ code, closeCode }) => [code, closeCode]));
    assert.deepEqual(send, ["replaced", 4409]);
  }
  await phone.says("wolves", "mine");
  assert.equal(await phone.run(() => app.client.state.status), "online");
  // Not the one that led.
  await all[2].run(() => app.client.connect());
  await phone.becomes("replaced");
  assert.deepEqual(await Promise.all(all.map((tab) => tab.run(() => app.client.state.status))), ["replaced", "replaced", "online"]);
  await all[0].run(() => app.client.connect());
  await all[1].run(() => app.client.connect());
  assert.equal(await sessions(gateway), 1);
  for (const tab of all) assert.deepEqual(await tab.run(() => app.states), ["connecting", "online", "replaced replaced", "connecting", "online"]);
  await all[1].says("wolves", "back");
  for (const tab of all) {
    await tab.receives("wolves", 2);
    assert.deepEqual(await tab.received("wolves"), ["mine", "back"]);
    assert.equal(await tab.run(() => app.streams.wolves.seen.end), undefined);
  }
  await other.close();
  await end();
});

test("with shareTabs: false the newer tab replaces the older one", async () => {
  const { gateway, context, all, end } = await tabs(1, { options: { shareTabs: false } });
  const two = await Tab.open(context, gateway, "alice", { shareTabs: false });
  await all[0].becomes("replaced");
  await two.says("wolves", "x");
  await end();
});

test("subscriptions of a tab end with it, however it closes", async () => {
  const { gateway, all, end } = await tabs(2);
  const subscriptions = async () => {
    const health = await (await fetch(`http://${gateway.address}/health/websocket`)).json();
    return Object.values(health.subscriptions).reduce((sum, count) => sum + count, 0);
  };
  await all[0].reads("wolves");
  await all[1].reads("wolves");
  await all[1].reads("ravens");
  assert.equal(await subscriptions(), 2);
  await all.pop().page.close();
  while ((await subscriptions()) > 1) await new Promise(setImmediate);
  await all[0].says("wolves", "still here");
  await all[0].receives("wolves", 1);
  await end();
});
