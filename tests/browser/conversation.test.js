// Conversations between two demo pages: no message is lost or duplicated, whatever happens to connections and gateways.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open, openTab, shoot, users } from "../fixtures/browser/browser.js";
import { Gateway, endAll, token } from "../fixtures/gateway.js";

let browser;
before(async () => {
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await endAll();
});

/** Two pages in profiles of their own, with a user in each. */
async function twoPages(gateway) {
  const pages = await Promise.all([open(browser, gateway.demo), open(browser, gateway.demo)]);
  const [alice, bob] = pages.map((page) => users(page)[0]);
  await alice.connect("alice");
  await bob.connect("bob");
  return { pages, alice, bob, close: () => Promise.all(pages.map((page) => page.context().close())) };
}

test("marks each chat message as confirmed and as delivered", async () => {
  const gateway = await Gateway.start();
  const { alice, bob, pages, close } = await twoPages(gateway);
  await alice.say("Good evening");
  await bob.sees("Good evening");
  await bob.say("Good evening, alice");
  await alice.sees("Good evening, alice");
  await alice.fate("delivered", 1);
  await bob.fate("delivered", 1);
  assert.deepEqual(await alice.messages(), ["Good evening", "Good evening, alice"]);
  assert.deepEqual(await bob.messages(), await alice.messages());
  assert.deepEqual(pages.flatMap((page) => page.problems), []);
  await close();
  await gateway.end();
});

test("loses and duplicates nothing when the gateway is killed and restarted", async () => {
  const gateway = await Gateway.start();
  const { alice, bob, close } = await twoPages(gateway);
  const sent = { alice: [], bob: [] };
  const say = async (user, name) => {
    const text = `${name} ${sent[name].length}`;
    sent[name].push(text);
    await user.say(text);
  };
  for (let round = 0; round < 3; round += 1) {
    for (let i = 0; i < 4; i += 1) await Promise.all([say(alice, "alice"), say(bob, "bob")]);
    await gateway.kill();
    await Promise.all([alice.status("Reconnecting"), bob.status("Reconnecting")]);
    for (let i = 0; i < 3; i += 1) await Promise.all([say(alice, "alice"), say(bob, "bob")]);
    await gateway.restart();
    await Promise.all([alice.status("Online"), bob.status("Online")]);
  }
  await alice.fate("delivered", sent.alice.length);
  await bob.fate("delivered", sent.bob.length);
  await bob.sees(sent.alice.at(-1));
  await alice.sees(sent.bob.at(-1));
  const [seenByAlice, seenByBob] = [await alice.messages(), await bob.messages()];
  assert.deepEqual([...seenByAlice].sort(), [...sent.alice, ...sent.bob].sort());
  assert.deepEqual(seenByBob, seenByAlice, "one order for both");
  await shoot(alice.page, "after-three-kills");
  await close();
  await gateway.end();
});

test("reconnects after a dropped connection and recovers missed messages", async () => {
  const gateway = await Gateway.start();
  const page = await open(browser, gateway.demo);
  const [alice, bob] = users(page);
  await alice.connect("alice");
  await bob.connect("bob");
  await bob.button("Drop for 8 s: the line stays dead meanwhile").click();
  await bob.status("Reconnecting");
  await alice.say("said while bob was away");
  await bob.say("written while away");
  await alice.fate("delivered", 1);
  await shoot(page, "line-cut");
  await bob.status("Online");
  await bob.sees("said while bob was away");
  await bob.fate("delivered", 1);
  await alice.sees("written while away");
  assert.deepEqual(await bob.messages(), ["said while bob was away", "written while away"]);
  await page.context().close();
  await gateway.end();
});

test("second device replaces the first, which can take over again", async () => {
  const gateway = await Gateway.start();
  const { alice, bob, close } = await twoPages(gateway);
  await bob.button("Disconnect").click();
  await bob.connect("alice");
  await alice.status("Replaced by another session");
  await alice.error("", "that session took over");
  await alice.button("Connect").click();
  await alice.status("Online");
  await bob.status("Replaced by another session");
  await alice.say("back again");
  await alice.fate("delivered", 1);
  await close();
  await gateway.end();
});

test("second tab keeps the shared connection when the first is closed", async () => {
  const gateway = await Gateway.start();
  const first = await open(browser, gateway.demo);
  await users(first)[0].connect("alice");
  await users(first)[1].connect("bob");
  const second = await openTab(first.context(), gateway.demo);
  const [alice, bob] = users(second);
  await alice.connect("alice");
  await bob.connect("bob");
  const health = await (await fetch(`http://${gateway.address}/health/websocket`)).json();
  assert.equal(health.activeConnections, 2);
  await alice.say("from the second tab");
  await alice.fate("delivered", 1);
  await users(first)[1].say("and back from the first");
  await alice.sees("and back from the first");
  // The line is in the first tab.
  await bob.button("Drop for 8 s: the line stays dead meanwhile").click();
  await bob.status("Reconnecting");
  await users(first)[1].status("Reconnecting");
  await first.close();
  await bob.say("written while away");
  await alice.sees("written while away");
  assert.deepEqual(await alice.messages(), ["from the second tab", "and back from the first", "written while away"]);
  assert.deepEqual(second.problems, []);
  await shoot(second, "second-tab");
  await second.context().close();
  await gateway.end();
});

test("delivers messages of both sides once after the browser was offline", async () => {
  const gateway = await Gateway.start();
  const { alice, bob, close } = await twoPages(gateway);
  await bob.page.context().setOffline(true);
  await alice.say("while bob is offline");
  await alice.fate("delivered", 1);
  await bob.say("written offline");
  await bob.page.context().setOffline(false);
  await bob.fate("delivered", 1);
  await bob.sees("while bob is offline");
  await alice.sees("written offline");
  assert.deepEqual((await alice.messages()).sort(), ["while bob is offline", "written offline"]);
  assert.deepEqual(await bob.messages(), await alice.messages());
  await close();
  await gateway.end();
});

test("renews an expiring token on the same connection", async () => {
  const gateway = await Gateway.start();
  const page = await open(browser, gateway.demo);
  let fetched = 0;
  await page.route("**/dev/token", async (route) => {
    const asked = route.request().postDataJSON();
    if (asked.userId !== "alice") return route.continue();
    fetched += 1;
    const seconds = fetched === 1 ? 4 : 3_600;
    await route.fulfill({ json: { token: token("alice", asked.clans, seconds), expiresAt: new Date(Date.now() + seconds * 1_000).toISOString() } });
  });
  const [alice] = users(page);
  await alice.connect("alice");
  await page.locator("#frames .frame.in .frame-type", { hasText: /^authenticated$/ }).first().waitFor();
  assert.equal(fetched, 2);
  await alice.say("still here");
  await alice.fate("delivered", 1);
  assert.equal(await page.locator("#frames .frame.in .frame-type", { hasText: /^connected$/ }).count(), 1);
  await page.context().close();
  await gateway.end();
});

test("keeps notification for an absent user and acknowledges it for all devices", async () => {
  const gateway = await Gateway.start();
  const page = await open(browser, gateway.demo);
  const [alice, bob] = users(page);
  await alice.connect("alice");
  await alice.panel.getByText("Send a notification to a user").click();
  await alice.button("Send notification").click();
  await alice.panel.getByText(/Stored for bob/).waitFor();
  await bob.connect("bob");
  await bob.panel.getByText("1 waiting").waitFor();
  await bob.button("Acknowledge: The gate is open").click();
  await bob.panel.getByText("✓ acknowledged").waitFor();
  await bob.button("Disconnect").click();
  await page.reload();
  await page.locator("html[data-ready]").waitFor();
  await bob.connect("bob");
  await page.locator("#frames .frame.in", { hasText: '"pending":0' }).first().waitFor();
  await page.context().close();
  await gateway.end();
});
