// Handover: another tab takes over when the leading tab closes, freezes or hangs, and no message is lost or duplicated.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchWithBackground, newContext } from "../fixtures/browser/browser.js";
import { Gateway, endAll } from "../fixtures/gateway.js";
import { Tab, sessions, talk } from "../fixtures/browser/tab.js";

const FAST = ["limits.messages_per_second = 100000", "limits.burst = 100000"];

let browser;
before(async () => {
  browser = await launchWithBackground();
});
after(async () => {
  await browser?.close();
  await endAll();
});

/** Tabs of alice in one profile, of which the first leads and the last is in front, and bob in a profile of his own. */
async function party(count, settings = []) {
  const gateway = await Gateway.start({ settings: [...FAST, ...settings] });
  const [context, other] = await Promise.all([newContext(browser), newContext(browser)]);
  const bob = await Tab.open(other, gateway, "bob");
  const tabs = [];
  for (let i = 0; i < count; i += 1) {
    const tab = await Tab.open(context, gateway, "alice");
    await tab.reads("wolves");
    tabs.push(tab);
  }
  const end = async () => {
    for (const tab of [...tabs, bob]) tab.isSound();
    await Promise.all([context.close(), other.close()]);
    await gateway.end();
  };
  return { gateway, context, bob, tabs, end };
}

test("loses and duplicates nothing when the leading tab is closed", async () => {
  const { gateway, bob, tabs, end } = await party(3);
  await bob.reads("wolves");
  const [bobStops, aliceStops] = [talk(bob, "wolves"), talk(tabs[2], "wolves")];
  while (tabs.length > 1) {
    await tabs[0].receives("wolves", 20);
    await tabs.shift().page.close();
    const { length } = await tabs[0].received("wolves");
    await tabs[0].receives("wolves", length + 20);
  }
  const [byBob, byAlice] = [await bobStops(), await aliceStops()];
  const total = byBob.length + byAlice.length;
  await tabs[0].receives("wolves", total);
  await bob.receives("wolves", total);
  const received = await tabs[0].run(() => app.streams.wolves.seen.events.map(({ userId, content }) => [userId, content]));
  for (const [userId, said] of [["bob", byBob], ["alice", byAlice]]) {
    assert.deepEqual(received.filter(([who]) => who === userId).map(([, content]) => content), said);
  }
  assert.deepEqual(await bob.received("wolves"), await tabs[0].received("wolves"));
  assert.equal(await tabs[0].leads(), true);
  assert.equal(await sessions(gateway), 2);
  await end();
});

/** How a tab can stop; each returns how it goes on. */
const STOPS = {
  frozen: async (tab) => {
    await tab.freeze();
    return () => tab.thaw();
  },
  "held by a debugger": async (tab) => {
    await tab.hang();
    return () => tab.goOn();
  },
  busy: (tab) => tab.hold(() => app.wait()),
};

for (const [what, stop] of Object.entries(STOPS)) {
  for (const policy of ["replace", "reject"]) {
    test(`foreground tab takes over from a leading tab that is ${what}, which follows it afterwards (${policy})`, async () => {
      const { gateway, bob, tabs, end } = await party(2, [`sessions.on_excess = "${policy}"`]);
      const [one, two] = tabs;
      await bob.says("wolves", "0");
      await two.receives("wolves", 1);
      const goOn = await stop(one);
      const since = Date.now();
      for (let i = 1; i < 10; i += 1) await bob.says("wolves", `${i}`);
      await two.receives("wolves", 10);
      assert.ok(Date.now() - since < 6_000, `after ${Date.now() - since} ms`);
      assert.equal(await two.leads(), true);
      await two.says("wolves", "10");
      await goOn();
      await one.receives("wolves", 11);
      // Once it has received all, there is time for a mistake: it has to go on following.
      await bob.says("wolves", "11");
      await one.says("wolves", "12");
      for (const tab of tabs) {
        await tab.receives("wolves", 13);
        assert.deepEqual(await tab.received("wolves"), Array.from({ length: 13 }, (_, i) => `${i}`));
      }
      assert.deepEqual([await one.leads(), await two.leads()], [false, true]);
      assert.equal(await sessions(gateway), 2);
      for (const tab of tabs) {
        const states = await tab.run(() => app.states);
        assert.ok(states.every((state) => ["connecting", "online", "reconnecting"].includes(state)), `${states}`);
      }
      await end();
    });
  }
}

test("tab paused by a debugger detects missed events and recovers them", async () => {
  const { bob, tabs, end } = await party(2);
  const [one, two] = tabs;
  const [bobStops, twoStops] = [talk(bob, "wolves"), talk(two, "wolves")];
  for (let round = 1; round < 4; round += 1) {
    await two.receives("wolves", 20 * round);
    await two.hang();
    await one.receives("wolves", 20 * round + 100 * round);
    await two.goOn();
  }
  const total = (await bobStops()).length + (await twoStops()).length;
  for (const tab of tabs) await tab.receives("wolves", total);
  assert.deepEqual(await two.received("wolves"), await one.received("wolves"));
  assert.equal((await two.received("wolves")).length, total);
  assert.deepEqual(await two.run(() => app.states), ["connecting", "online"], "the connection was never lost");
  await end();
});

test("handover repeats sends with their id, repeats queries, and reports other requests as unknown", async () => {
  const { tabs, end } = await party(2);
  const [one, two] = tabs;
  await one.hang();
  await two.run(() => {
    const wolves = app.client.clanChat("wolves");
    app.settle("send", wolves.send("once", { timeoutMs: 120_000 }));
    app.settle("history", wolves.history({ timeoutMs: 120_000 }));
    app.settle("presence", wolves.presence({ timeoutMs: 120_000 }));
    app.settle("ack", app.client.notifications().ack("n1", { timeoutMs: 120_000 }));
    app.settle("request", app.client.request("ping", {}, { timeoutMs: 120_000 }));
    app.settle("short", wolves.send("short", { timeoutMs: 900 }));
  });
  for (const name of ["send", "history", "presence", "ack"]) assert.ok((await two.outcome(name)).value !== undefined || name === "ack", name);
  assert.deepEqual((await two.outcome("ack")).error, undefined);
  const { error } = await two.outcome("request");
  assert.deepEqual([error.code, error.outcome, error.retryable], ["disconnected", "unknown", true]);
  const short = await two.outcome("short");
  assert.ok(short.value || (short.error.code === "timed_out" && short.error.outcome === "unknown"), JSON.stringify(short));
  // The one that was given these before does them now, as far as it still can.
  await one.goOn();
  await one.says("wolves", "last");
  for (const tab of tabs) {
    await tab.until(() => app.streams.wolves.seen.events.at(-1)?.content === "last");
    const received = await tab.received("wolves");
    assert.equal(received.filter((text) => text === "once").length, 1);
    assert.ok(received.filter((text) => text === "short").length <= 1);
  }
  await end();
});

test("new leader repeats the sends of the old leader", async () => {
  const { tabs, end } = await party(2);
  const [one, two] = tabs;
  // It is taken over between sending and the answer, of which it never learns.
  const release = await one.hold(() => {
    app.settle("send", app.client.clanChat("wolves").send("mine", { timeoutMs: 120_000 }));
    app.wait();
  });
  while (!(await two.leads()));
  await release();
  assert.ok((await one.outcome("send")).value);
  for (const tab of tabs) {
    await tab.receives("wolves", 1);
    assert.deepEqual(await tab.received("wolves"), ["mine"]);
  }
  assert.equal(await two.leads(), true);
  await end();
});

test("delivers and counts notifications once across a handover", async () => {
  const { gateway, tabs, end } = await party(2);
  const [one, two] = tabs;
  const notify = async (title) => {
    const body = JSON.stringify({ userId: "alice", title, message: "m" });
    const response = await fetch(`http://${gateway.address}/dev/notifications`, { method: "POST", headers: { "content-type": "application/json" }, body });
    assert.ok(response.ok);
  };
  for (const tab of tabs) await tab.run(() => app.watch("notes", app.client.notifications().subscribe({ onPending: (count) => app.pending.push(count) })));
  await notify("first");
  await two.until(() => app.streams.notes.seen.events.length === 1);
  await one.page.close();
  await notify("second");
  await two.until(() => app.streams.notes.seen.events.length === 2 && app.pending.at(-1) === 2);
  await two.run(() => app.streams.notes.seen.events[0].ack());
  await two.until(() => app.pending.at(-1) === 1);
  await notify("third");
  await two.until(() => app.streams.notes.seen.events.length >= 3);
  assert.deepEqual(await two.run(() => app.streams.notes.seen.events.map(({ title }) => title)), ["first", "second", "third"]);
  tabs.shift();
  await end();
});
