// The demo page: appearance in light, dark and phone layouts, accessibility, and diagnosis of connection problems.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname } from "node:path";
import { after, before, test } from "node:test";
import axe from "axe-core";
import { launch, open, shoot, users } from "../fixtures/browser/browser.js";
import { Gateway, endAll, token } from "../fixtures/gateway.js";
import { startWithOrders } from "../fixtures/orders.js";

let browser;
let gateway;
before(async () => {
  [browser, gateway] = await Promise.all([launch(), Gateway.start()]);
});
after(async () => {
  await browser?.close();
  await endAll();
});

/** No fault that axe calls serious or critical. Its script comes over the debugger, past the page's policy. */
async function accessible(page, where) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document));
  const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
  const descriptions = serious.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.html} ${node.failureSummary}`).join("\n  ")}`);
  assert.deepEqual(descriptions, [], where);
}

/** Nothing stands out to the right of the screen. */
async function fits(page) {
  const [content, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(content <= screen, `${content} pixels on a screen of ${screen}`);
}

const LOOKS = {
  light: { colorScheme: "light" }, dark: { colorScheme: "dark" },
  phone: { colorScheme: "light", viewport: { width: 390, height: 844 }, hasTouch: true },
  "phone-dark": { colorScheme: "dark", viewport: { width: 360, height: 740 } },
};

for (const [name, look] of Object.entries(LOOKS)) {
  test(`conversation is accessible: ${name}`, async () => {
    const page = await open(browser, gateway.demo, look);
    const [alice, bob] = users(page);
    await accessible(page, "before connecting");
    await alice.connect(`alice-${name}`);
    await bob.connect(`bob-${name}`);
    await alice.say(`The north gate at nine? (${name})`);
    await bob.sees(`The north gate at nine? (${name})`);
    await bob.say("Yes. Bring ladders, and feed the wolves first.");
    await alice.sees("Bring ladders");
    await alice.panel.getByText("Send a notification to a user").click();
    await alice.panel.getByLabel("To", { exact: true }).fill(`bob-${name}`);
    await alice.button("Send notification").click();
    await bob.button("Acknowledge: The gate is open").waitFor();
    await bob.panel.getByRole("textbox", { name: /^Message to/ }).pressSequentially("I am");
    await alice.panel.getByText(`bob-${name} is typing`).waitFor();
    await page.locator("#codes summary").click();
    await page.locator(".frame summary").last().click();
    await accessible(page, "in conversation");
    await fits(page);
    await shoot(page, `conversation-${name}`);
    assert.deepEqual(page.problems, []);
    await page.context().close();
  });
}

test("shows the example service: an order that is placed by a call, and its events", async (t) => {
  const { gateway: withOrders, service } = await startWithOrders(t);
  const page = await open(browser, withOrders.demo);
  const [alice, bob] = users(page);
  await alice.connect("alice");
  await bob.connect("bob");
  await alice.button("Place an order").click();
  await alice.panel.getByText("tea, cups for 42.00 €").waitFor();
  await bob.panel.getByLabel("Follow an order").fill("42");
  await bob.button("Follow").click();
  await bob.panel.getByText("tea, cups for 42.00 €").waitFor();
  await bob.button("Ask to ring twice").click();
  await alice.panel.getByText("Please ring twice").waitFor();
  await accessible(page, "with an order");
  await fits(page);
  await shoot(page, "orders");
  await alice.button("Cancel the order").click();
  await alice.panel.getByText("42.00 € will be paid back.").waitFor();
  await bob.panel.getByText("cancelled by alice").waitFor();
  assert.deepEqual(service.calls.map(({ method }) => method), ["place", "cancel"]);
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

test("hides the example service where the gateway does not have it", async () => {
  const page = await open(browser, gateway.demo);
  const [alice] = users(page);
  await alice.connect("alice-alone");
  assert.equal(await alice.button("Place an order").isVisible(), false);
  await page.context().close();
});

test("works with the keyboard only", async () => {
  const page = await open(browser, gateway.demo);
  const [left] = users(page);
  const tabTo = async (locator) => {
    for (let step = 0; step < 60; step += 1) {
      await page.keyboard.press("Tab");
      if (await locator.evaluate((element) => element === document.activeElement)) return;
    }
    assert.fail(`Tab never comes to ${locator}`);
  };
  await tabTo(left.panel.getByLabel("User", { exact: true }));
  await page.keyboard.type("-keys");
  await page.keyboard.press("Enter");
  await left.status("Online");
  await tabTo(left.panel.getByRole("tab", { name: "wolves" }));
  await page.keyboard.press("ArrowRight");
  await left.panel.getByRole("tab", { name: "ravens", selected: true }).waitFor();
  await tabTo(left.panel.getByRole("textbox", { name: "Message to ravens" }));
  await page.keyboard.type("Typed without a mouse");
  await page.keyboard.press("Enter");
  await left.sees("Typed without a mouse");
  await page.context().close();
});

test("shows frames of both directions with filter and pause, and hides tokens", async () => {
  const page = await open(browser, gateway.demo);
  const [alice] = users(page);
  await alice.connect("frames");
  const frames = page.locator("#frames .frame:visible");
  await page.getByLabel("Filter by text").fill("authenticate");
  await frames.first().waitFor();
  assert.equal(await frames.count(), 1);
  const text = await frames.first().innerText();
  assert.ok(text.includes("…") && !text.includes("eyJ"), text);
  await page.getByLabel("Filter by text").fill("");
  await page.getByLabel("Direction").selectOption("in");
  assert.equal(await page.locator("#frames .frame.out:visible").count(), 0);
  await page.getByRole("button", { name: "Pause" }).click();
  await alice.say("behind the pause");
  await alice.fate("delivered", 1);
  assert.equal(await page.locator("#frames .frame", { hasText: "behind the pause" }).count(), 0);
  await page.getByRole("button", { name: /^Resume/ }).click();
  await page.locator("#frames .frame.in", { hasText: "behind the pause" }).first().waitFor();
  await page.context().close();
});

test("updates the statistics", async () => {
  const page = await open(browser, gateway.demo);
  const [alice] = users(page);
  await alice.connect("counted");
  const connections = page.locator(".tile", { hasText: "Connections" });
  await connections.locator(".number", { hasText: /^[1-9]/ }).waitFor();
  await connections.getByRole("img", { name: /now [1-9]/ }).waitFor();
  await page.context().close();
});

test("explains that the token does not grant a clan", async () => {
  const page = await open(browser, gateway.demo);
  const [alice] = users(page);
  await alice.connect("stranger", "wolves");
  await alice.panel.getByLabel("Join another clan").fill("foxes");
  await alice.button("Join").click();
  await alice.error("forbidden", "This user may not do that here.");
  await page.context().close();
});

test("reports an expired token before and after the gateway rejects it", async () => {
  const page = await open(browser, gateway.demo);
  const [alice] = users(page);
  await alice.panel.getByText("Paste a token instead").click();
  await alice.panel.getByLabel(/^Token \(JWT\)/).fill(token("alice", ["wolves"], -3_600));
  await alice.button("Connect").click();
  await alice.status("Token refused");
  await alice.error("", "token");
  await page.locator(".check-item.bad", { hasText: "ran out" }).waitFor();
  await page.context().close();
});

test("reports a missing gateway with advice, and connects once it runs", async () => {
  const away = await Gateway.start();
  const page = await open(browser, away.demo);
  await page.locator("#gateway-health", { hasText: "ok" }).waitFor();
  await away.kill();
  await page.locator("#trouble .error-card", { hasText: "cargo xtask dev" }).filter({ hasText: "no_gateway" }).waitFor();
  await accessible(page, "with the gateway away");
  await shoot(page, "no-gateway");
  await away.restart();
  await page.locator("#gateway-health", { hasText: "ok" }).waitFor();
  await page.locator("#trouble .error-card").waitFor({ state: "detached" });
  await page.context().close();
  await away.end();
});

test("reports a refused origin with the configuration line that allows it", async () => {
  const plain = await Gateway.start({ dev: false });
  const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".wasm": "application/wasm" };
  const files = createServer(async (request, response) => {
    const path = new URL(request.url, "http://a").pathname;
    const file = path.startsWith("/sdk/") ? `../../sdk-wasm/pkg/${path.slice(5)}` : `../../web-demo${path === "/" ? "/index.html" : path}`;
    const bytes = await readFile(new URL(file, import.meta.url)).catch(() => undefined);
    response.writeHead(bytes ? 200 : 404, { "content-type": types[extname(file)] ?? "text/plain" }).end(bytes);
  }).listen(0, "127.0.0.1").unref();
  await new Promise((resolve) => files.once("listening", resolve));
  const origin = `http://127.0.0.1:${files.address().port}`;
  const page = await open(browser, `${origin}/?gateway=http://${plain.address}`);
  await page.getByRole("button", { name: "Check my set-up" }).click();
  const found = page.locator(".check-item.bad", { hasText: "origin_refused" });
  await found.waitFor();
  assert.ok((await found.innerText()).includes(`origins.allowed = ["${origin}"]`), await found.innerText());
  await page.context().close();
  files.close();
  files.closeAllConnections();
  await plain.end();
});
