// The stories of the front ends of docs/sdk-react-vue.md in Chromium against a gateway. The same ones hold for each
// framework, which has a test file of its own.

import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { launch, launchWithBackground, mayHide, newContext } from "../fixtures/browser/browser.js";
import { serve } from "../fixtures/browser/files.js";
import { buildApp, developApp } from "../fixtures/browser/front-ends.js";
import { endAll, token } from "../fixtures/gateway.js";
import { post, publish, startWithOrders } from "../fixtures/orders.js";

let browser;
/** A browser that treats pages in the background as it does for people. */
let hiding;
before(async () => {
  [browser, hiding] = await Promise.all([launch(), launchWithBackground()]);
});
after(async () => {
  await Promise.all([browser?.close(), hiding?.close()]);
  await endAll();
});

/** The app of one user. */
class App {
  static async open(chromium, gateway, origin, userId) {
    return App.openTab(await newContext(chromium), gateway, origin, userId);
  }

  /** Opens the app in a further tab of a profile. */
  static async openTab(context, gateway, origin, userId) {
    const app = new App();
    app.context = context;
    app.page = await app.context.newPage();
    app.problems = [];
    app.page.on("pageerror", (error) => app.problems.push(`${error.stack ?? error}`));
    app.page.on("console", (message) => {
      // The browser reports each connection that it could not make.
      if (message.type() === "error" && !/WebSocket|ERR_/.test(message.text())) app.problems.push(message.text());
    });
    const asked = new URLSearchParams({ gateway: `ws://${gateway.address}/ws`, token: token(userId, ["*"], 3_600) });
    await app.page.goto(`${origin}/?${asked}`);
    await app.online();
    return app;
  }

  online() {
    return this.page.locator("html[data-status=online]").waitFor();
  }

  set(change) {
    return this.page.evaluate((change) => app.set(change), change);
  }

  async say(text, clan = "wolves") {
    const input = this.page.locator("#copy0").getByRole("textbox", { name: `Message to ${clan}` });
    await input.fill(text);
    await input.press("Enter");
  }

  section(name) {
    return this.page.getByRole("region", { name, exact: true });
  }

  /** The messages that are shown, with their status. */
  messages(copy = 0) {
    return this.page.locator(`#copy${copy} li`).evaluateAll((items) => items.map((item) => `${item.dataset.status}: ${item.textContent}`));
  }

  /** Waits until these messages are shown in this order. */
  async shows(texts, copy = 0) {
    await this.page.waitForFunction(([texts, copy]) => {
      const shown = [...document.querySelectorAll(`#copy${copy} li`)].map((item) => `${item.dataset.status}: ${item.textContent.trim().replace(/\s+/g, " ")}`);
      globalThis.shown = shown;
      return JSON.stringify(shown) === JSON.stringify(texts);
    }, [texts, copy], { polling: 20 }).catch(async (error) => {
      throw new Error(`expected ${JSON.stringify(texts)}, and shown is ${JSON.stringify(await this.page.evaluate(() => globalThis.shown))}: ${error}`);
    });
  }

  /** The commands of some types that the app has sent. */
  sent(pattern) {
    return this.page.evaluate((pattern) => app.frames.filter(([direction, { type }]) => direction === "out" && new RegExp(pattern).test(type))
      .map(([, { type, clanId, topic }]) => [type, clanId ?? topic].filter(Boolean).join(" ")), pattern.source);
  }

  async end() {
    await this.context.close();
    assert.deepEqual(this.problems, []);
  }
}

/** Serves the app, and checks that it has the framework that it claims to have. */
async function served(t, name) {
  const { dist, version } = await buildApp(t, name);
  const [script] = (await readdir(join(dist, "assets"))).filter((file) => file.startsWith("index") && file.endsWith(".js"));
  assert.match(await readFile(join(dist, "assets", script), "utf8"), version);
  return serve(t, { folders: { "/": pathToFileURL(`${dist}/`) } });
}

/** Defines the test of a framework whose plugin for Vite reloads components in the running page. */
export function hotReload(name, source) {
  test(`${name}: a component that is reloaded while the page runs keeps its subscription and its messages`, async (t) => {
    const [{ gateway }, { origin, change }] = [await startWithOrders(t), await developApp(t, name)];
    const ada = await App.open(browser, gateway, origin, "ada");
    await ada.say("before");
    await ada.shows(["sent: ada before"]);
    await ada.page.evaluate(() => (globalThis.isSamePage = true));
    // A change of what is shown renders the component again, and one of its state mounts it again.
    await change(source, "} online ", "} here ");
    await ada.section("wolves").getByText("1 here").waitFor();
    await change(source, /(ref|useState)\(""\)/, '$1("draft")');
    await ada.page.waitForFunction(() => document.querySelector("#copy0 input").value === "draft");
    await ada.shows(["sent: ada before"]);
    await ada.say("after");
    await ada.shows(["sent: ada before", "sent: ada after"]);
    assert.deepEqual(await ada.sent(/subscribe_clan_chat/), ["subscribe_clan_chat wolves"]);
    assert.ok(await ada.page.evaluate(() => globalThis.isSamePage));
    await ada.end();
  });
}

/** Defines the tests of a framework. */
export function frontEnd(name) {
  test(`${name}: a page that has loaded a row shows what came after it, and learns that events are lost`, async (t) => {
    const [{ gateway }, origin] = [await startWithOrders(t), await served(t, name)];
    const change = (status) => publish(gateway, "7", { type: "status", status });
    await change("received");
    const position = await change("packed");
    await change("shipped");
    const ada = await App.open(browser, gateway, origin, "ada");
    await ada.set({ row: { orderId: "7", status: "packed", position } });
    const shown = ada.page.getByLabel("Status of 7");
    await shown.filter({ hasText: "shipped" }).waitFor();
    await ada.page.evaluate(() => app.cut(true));
    await change("delivered");
    await ada.page.evaluate(() => app.cut(false));
    await shown.filter({ hasText: "delivered" }).waitFor();
    assert.deepEqual(await ada.sent(/topic_history/), [], "what came after the position comes as events");
    assert.equal(await ada.page.evaluate(() => app.reloads), 0);

    await ada.set({ row: { orderId: "8", status: "packed", position: { ...position, epoch: "another" } } });
    await ada.page.waitForFunction(() => app.reloads === 1);
    await ada.set({ row: { orderId: "7", status: "packed", position } });
    await shown.filter({ hasText: "delivered" }).waitFor();
    await ada.end();
  });

  test(`${name}: chat, notifications, a topic and a call`, async (t) => {
    const [{ gateway, service }, origin] = [await startWithOrders(t), await served(t, name)];
    const [ada, bob] = await Promise.all(["ada", "bob"].map((user) => App.open(browser, gateway, origin, user)));
    await ada.section("wolves").getByText("2 online").waitFor();
    await ada.say("hello");
    await bob.shows(["sent: ada hello"]);
    await bob.say("hello, ada");
    await ada.shows(["sent: ada hello", "sent: bob hello, ada"]);

    await post(gateway, "/dev/notifications", { userId: "ada", title: "The gate is open", message: "Come in." });
    await ada.section("Inbox").getByText("1 new").waitFor();
    await ada.section("Inbox").getByRole("button", { name: "Done" }).click();
    await ada.section("Inbox").getByText("0 new").waitFor();
    assert.equal(await ada.section("Inbox").getByRole("listitem").count(), 0);

    await publish(gateway, "42", { type: "placed", items: ["tea", "cups"], totalCents: 4_200 });
    const order = ada.section("Order 42");
    await order.getByText("tea, cups for 42 €").waitFor();
    await order.getByText("2 looking").waitFor();
    await order.getByRole("button", { name: "Ring twice" }).click();
    await bob.section("Order 42").getByText("Please ring twice").waitFor();
    await order.getByRole("button", { name: "Cancel the order" }).click();
    await order.getByText("42 € will be paid back.").waitFor();

    await ada.set({ orderId: "43" });
    const other = ada.section("Order 43");
    await other.getByRole("button", { name: "Cancel the order" }).click();
    await other.getByText("It is on its way.").waitFor();
    assert.equal(await other.getByRole("listitem").count(), 0);
    service.broken = true;
    await other.getByRole("button", { name: "Cancel the order" }).click();
    await other.getByRole("button", { name: "Check whether it was cancelled" }).waitFor();
    service.broken = false;
    await other.getByRole("button", { name: "Check whether it was cancelled" }).click();
    await other.getByText("It is on its way.").waitFor();
    const keys = service.calls.map(({ key }) => key);
    assert.deepEqual([keys.length, new Set(keys).size, keys[2] === keys[3]], [4, 3, true]);

    const subscribing = await ada.sent(/^subscribe/);
    assert.deepEqual(subscribing.sort(), ["subscribe order-42", "subscribe order-43", "subscribe_clan_chat wolves", "subscribe_notifications"]);
    await Promise.all([ada.end(), bob.end()]);
  });

  test(`${name}: mounting again and other clans keep one subscription and lose nothing`, async (t) => {
    const [{ gateway }, origin] = [await startWithOrders(t), await served(t, name)];
    const ada = await App.open(browser, gateway, origin, "ada");
    await ada.say("first");
    await ada.shows(["sent: ada first"]);
    // A hot reload mounts components again while messages arrive.
    const chat = (content) => post(gateway, "/api/v1/clans/wolves/messages", { content });
    for (let version = 1; version <= 5; version += 1) await Promise.all([ada.set({ version }), chat(`${version}`)]);
    const all = async () => (await ada.messages()).map((text) => text.replace(/\D/g, "")).filter(Boolean).sort().join("");
    await ada.page.waitForFunction(() => document.querySelectorAll("#copy0 li").length === 6);
    assert.equal(await all(), "12345");
    await ada.set({ copies: 2 });
    await ada.page.waitForFunction(() => document.querySelectorAll("#copy1 li").length === 6);
    assert.deepEqual(await ada.messages(1), await ada.messages(0));
    const subscribed = async () => (await ada.sent(/subscribe_clan_chat/)).join();
    assert.equal(await subscribed(), "subscribe_clan_chat wolves");

    await ada.set({ copies: 1, clan: "ravens" });
    await ada.shows([]);
    await ada.say("in ravens", "ravens");
    await ada.shows(["sent: ada in ravens"]);
    await ada.page.waitForFunction(() => app.frames.some(([, { type, clanId }]) => type === "unsubscribe_clan_chat" && clanId === "wolves"));
    await ada.set({ clan: "wolves" });
    await ada.page.waitForFunction(() => document.querySelectorAll("#copy0 li").length === 6);
    assert.equal(await all(), "12345");

    // Another tab shares the connection, and takes it over when this one is closed.
    const tab = await App.openTab(ada.context, gateway, origin, "ada");
    await tab.page.waitForFunction(() => document.querySelectorAll("#copy0 li").length === 6, undefined, { polling: 20 });
    await ada.page.close();
    await tab.say("in the other tab");
    await tab.page.waitForFunction(() => document.querySelector("#copy0 li:last-child").dataset.status === "sent", undefined, { polling: 20 });
    assert.equal((await tab.messages()).length, 7);
    assert.deepEqual(ada.problems, []);
    await tab.end();
  });

  test(`${name}: nothing is lost without a connection, after a crash of the gateway, or in the background`, async (t) => {
    const [{ gateway }, origin] = [await startWithOrders(t), await served(t, name)];
    const ada = await App.open(hiding, gateway, origin, "ada");
    const bob = await App.open(browser, gateway, origin, "bob");
    const expected = [];
    const both = async () => {
      await ada.shows(expected);
      await bob.shows(expected);
    };
    await ada.page.evaluate(() => app.cut(true));
    await ada.page.locator("html[data-status=reconnecting]").waitFor();
    await ada.say("written without a line");
    await ada.shows(["pending: You written without a line"]);
    await bob.say("meanwhile");
    expected.push("sent: bob meanwhile");
    await bob.shows(expected);
    await ada.page.evaluate(() => app.cut(false));
    expected.push("sent: ada written without a line");
    await both();

    await gateway.kill();
    await Promise.all([ada, bob].map((app) => app.page.locator("html[data-status=reconnecting]").waitFor()));
    await ada.say("while it is down");
    await ada.shows([...expected, "pending: You while it is down"]);
    await gateway.restart();
    await Promise.all([ada.online(), bob.online()]);
    expected.push("sent: ada while it is down");
    await both();

    // Another page is in front, and this one is in the background.
    await mayHide(ada.page);
    const front = await ada.context.newPage();
    await front.bringToFront();
    await ada.page.waitForFunction(() => document.visibilityState === "hidden", undefined, { polling: 50 });
    for (let i = 0; i < 20; i += 1) {
      await bob.say(`${i}`);
      expected.push(`sent: bob ${i}`);
    }
    await bob.shows(expected);
    await ada.shows(expected);
    await ada.page.bringToFront();
    await ada.say("back");
    expected.push("sent: ada back");
    await both();
    assert.deepEqual((await ada.sent(/unsubscribe/)), []);
    await Promise.all([ada.end(), bob.end()]);
  });
}
