// The npm package in other pages: plain pages, pages whose policy forbids WebAssembly, and a React app built with Vite.

import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build, createServer } from "vite";
import { launch, newContext } from "../fixtures/browser/browser.js";
import { serve } from "../fixtures/browser/files.js";
import { Gateway, endAll, token } from "../fixtures/gateway.js";

const PACKAGE = new URL("../../sdk-wasm/pkg/", import.meta.url);
const DOCUMENTATION = await readFile(new URL("../../docs/sdk-typescript.md", import.meta.url), "utf8");

let browser;
let gateway;
before(async () => {
  [browser, gateway] = await Promise.all([launch(), Gateway.start()]);
});
after(async () => {
  await browser?.close();
  await endAll();
});

const address = (gateway) => `ws://${gateway.address}/ws`;

/** The policies that the documentation gives, for the gateway of a test. */
function policies(gateway) {
  const written = [...DOCUMENTATION.matchAll(/^`(script-src [^`]*)`$/gm)].map(([, policy]) => policy);
  return written.map((policy) => policy.replaceAll("wss://gateway.example.com", `ws://${gateway.address}`));
}

/** A page with one module, which tells in its title how far it has come. */
const page = `<!doctype html><title>nothing yet</title><script type="module" src="/app.js"></script>`;
const app = (gateway, from, options = "") => `
  import { GatewayClient } from "${from}";
  const gateway = new GatewayClient({ url: "${address(gateway)}", token: "${token("ada", ["*"], 3_600)}"${options} });
  const tell = ({ status, cause }) => (document.title = [status, cause?.code, cause?.message].filter(Boolean).join(" | "));
  gateway.on("state", tell);
  gateway.connect().then(
    () => gateway.clanChat("c").send("from a plain page").then(() => (document.title = "sent")),
    () => tell(gateway.state),
  );
`;

/** Opens a page and waits for its title to match. */
async function shows(url, title) {
  const context = await newContext(browser);
  const opened = await context.newPage();
  const refused = [];
  opened.on("console", (message) => /Content Security Policy/.test(message.text()) && refused.push(message.text()));
  await opened.goto(url);
  await opened.waitForFunction((source) => new RegExp(source).test(document.title), title.source);
  const text = await opened.title();
  await context.close();
  return { text, refused };
}

test("runs in a page without a bundler under the documented content security policy", async (t) => {
  const [policy] = policies(gateway);
  const headers = { "content-security-policy": `default-src 'none'; ${policy}` };
  for (const options of ["", `, wasmUrl: "/sdk/gateway.wasm"`]) {
    const pages = { "/index.html": page, "/app.js": app(gateway, "/sdk/index.js", options) };
    const origin = await serve(t, { pages, folders: { "/sdk/": PACKAGE }, headers });
    const { refused } = await shows(origin, /^sent$/);
    assert.deepEqual(refused, []);
  }
});

test("without `wasm-unsafe-eval` the fallback export runs and the default one reports the reason", async (t) => {
  const [, policy] = policies(gateway);
  assert.ok(!policy.includes("wasm"), policy);
  const headers = { "content-security-policy": `default-src 'none'; ${policy}` };
  const folders = { "/sdk/": PACKAGE };
  const pages = { "/index.html": page, "/app.js": app(gateway, "/sdk/no-wasm/index.js") };
  const { refused } = await shows(await serve(t, { pages, folders, headers }), /^sent$/);
  assert.deepEqual(refused, []);
  pages["/app.js"] = app(gateway, "/sdk/index.js");
  const { text } = await shows(await serve(t, { pages, folders, headers }), /^failed/);
  assert.match(text, /^failed \| blocked_by_csp \| .*'wasm-unsafe-eval' to its script-src.*realtime-gateway\/no-wasm/);
});

test("names the policy entry that is missing for the gateway or the wasm file", async (t) => {
  const folders = { "/sdk/": PACKAGE };
  const pages = { "/index.html": page, "/app.js": app(gateway, "/sdk/index.js") };
  const policy = (connect) => ({ "content-security-policy": `default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src ${connect}` });
  const { text } = await shows(await serve(t, { pages, folders, headers: policy("'self'") }), /^failed/);
  assert.match(text, /^failed \| blocked_by_csp \| .*connect-src/);
  assert.ok(text.includes(`ws://${gateway.address}`), text);
  const elsewhere = await serve(t, { folders, headers: { "access-control-allow-origin": "*" } });
  pages["/app.js"] = app(gateway, "/sdk/index.js", `, wasmUrl: "${elsewhere}/sdk/gateway.wasm"`);
  const { text: file } = await shows(await serve(t, { pages, folders, headers: policy(`ws://${gateway.address}`) }), /^failed/);
  assert.match(file, /^failed \| blocked_by_csp \| .*connect-src/);
  assert.ok(file.includes(elsewhere), file);
});

test("retries loading a chunk that failed to load", async (t) => {
  const pages = { "/index.html": page, "/app.js": app(gateway, "/sdk/index.js") };
  const origin = await serve(t, { pages, folders: { "/sdk/": PACKAGE } });
  const context = await newContext(browser);
  const opened = await context.newPage();
  let asked = 0;
  await opened.route("**/sdk/wasm.js", (route) => ((asked += 1) <= 2 ? route.abort() : route.continue()));
  await opened.addInitScript(() => {
    globalThis.titles = [];
    new MutationObserver(() => titles.push(document.title)).observe(document, { subtree: true, childList: true, characterData: true });
  });
  await opened.goto(origin);
  await opened.waitForFunction(() => document.title === "sent");
  assert.ok((await opened.evaluate(() => titles)).some((title) => title.startsWith("connecting | load_failed | ")));
  assert.equal(asked, 3);
  await context.close();
});

test("reports where to allow a refused origin", async (t) => {
  const strict = await Gateway.start({ dev: false });
  const pages = { "/index.html": page, "/app.js": app(strict, "/sdk/index.js") };
  const origin = await serve(t, { pages, folders: { "/sdk/": PACKAGE } });
  const { text } = await shows(origin, /connection \|/);
  assert.ok(text.includes("origins.allowed") && text.includes(origin), text);
  await strict.end();
});

/** A project as `npm install realtime-gateway react react-dom` would leave it, with no configuration. */
async function project(t) {
  const folder = await mkdtemp(join(tmpdir(), "gateway-vite-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await cp(new URL("../fixtures/browser/vite-app/", import.meta.url), folder, { recursive: true });
  await mkdir(join(folder, "node_modules"));
  await cp(PACKAGE, join(folder, "node_modules/realtime-gateway"), { recursive: true });
  for (const name of ["react", "react-dom", "scheduler"]) {
    await symlink(fileURLToPath(new URL(`../node_modules/${name}`, import.meta.url)), join(folder, "node_modules", name));
  }
  await writeFile(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
  return folder;
}

/** Opens the app, talks in a clan that it began with and in one that is joined later, and is notified; what it sent. */
async function converse(origin, user) {
  const context = await newContext(browser);
  const opened = await context.newPage();
  const problems = [];
  opened.on("pageerror", (error) => problems.push(`${error}`));
  opened.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  const asked = new URLSearchParams({ gateway: address(gateway), token: token(user, ["*"], 3_600) });
  await opened.goto(`${origin}/?${asked}`);
  await opened.locator("html[data-status=online]").waitFor();
  const say = async (clan) => {
    await opened.getByRole("button", { name: `Say it in ${clan}` }).click();
    await opened.getByLabel(clan).locator("li", { hasText: `said in ${clan}` }).first().waitFor();
  };
  await say("wolves");
  // A view that is mounted while the client is online, where each subscribe leaves immediately.
  await opened.getByRole("button", { name: "Join the ravens" }).click();
  await say("ravens");
  const { status } = await fetch(`http://${gateway.address}/dev/notifications`, {
    method: "POST", headers: { "content-type": "application/json" },
    body: JSON.stringify({ userId: user, title: "The gate is open", message: "Come in." }),
  });
  assert.ok(status < 300, `${status}`);
  await opened.locator("ul li", { hasText: "The gate is open" }).waitFor();
  const sent = await opened.evaluate(() => globalThis.frames_seen.filter(([direction]) => direction === "out").map(([, type]) => type));
  assert.deepEqual(problems, []);
  await context.close();
  return sent;
}

/** A double mount asks for each subscription once, and ends none. */
function subscribedOnce(sent) {
  const subscribing = sent.filter((type) => /subscribe/.test(type)).sort();
  assert.deepEqual(subscribing, ["subscribe_clan_chat", "subscribe_clan_chat", "subscribe_notifications"]);
}

test("React app in `vite dev` subscribes once despite StrictMode's double mount", async (t) => {
  const root = await project(t);
  const server = await createServer({ root, configFile: false, logLevel: "error", server: { host: "127.0.0.1", port: 0, hmr: false } });
  t.after(() => server.close());
  await server.listen();
  const sent = await converse(`http://127.0.0.1:${server.httpServer.address().port}`, "dev");
  subscribedOnce(sent);
});

test("React app works after `vite build`", async (t) => {
  const root = await project(t);
  await build({ root, configFile: false, logLevel: "error" });
  const origin = await serve(t, { folders: { "/": pathToFileURL(join(root, "dist/")) } });
  subscribedOnce(await converse(origin, "build"));
});
