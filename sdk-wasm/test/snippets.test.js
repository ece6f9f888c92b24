// Every snippet of docs/sdk-typescript.md does what the page says, against a real gateway.

import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import typescript from "typescript";
import { WebSocket } from "ws";
import { GatewayClient, UnauthorizedError } from "./sdk.js";
import { Gateway, becomes, first } from "./harness.js";

const PAGE = readFileSync(new URL("../../docs/sdk-typescript.md", import.meta.url), "utf8");
const SNIPPETS = [...PAGE.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code]) => code);

/** What the app around a snippet has: each call of it is an event with its arguments. */
const CALLS = [
  "getJwt", "banner", "hideBanner", "signIn", "upsert", "remove", "replace", "prepend", "show", "save", "showTyping",
  "showBubble", "keepPending", "fail", "setOnline", "setOne", "setBadge", "setScore", "showPlayers", "moveMarker", "toast", "log", "fetch", "dismiss",
];

/** A gateway, the app's client, another user's, and the functions of the app. */
async function stage(t) {
  const gateway = await Gateway.start(t);
  const [{ client: app }, { client: bob }] = [gateway.client(t, "ada"), gateway.client(t, "bob")];
  const calls = new EventEmitter();
  const called = name => once(calls, name);
  return { gateway, app, bob, calls, called };
}

/** Runs a snippet as the body of an app's function. What it declares last may be given back by name. */
function run(code, { app, calls }, more = {}, gives = "undefined") {
  const plain = code.replace(/^import .*$/gm, "").replace(/^export /gm, "");
  const compiled = typescript.transpileModule(`${plain}\n;return ${gives};`, { compilerOptions: { target: "ES2022" } });
  const functions = Object.fromEntries(CALLS.map(name => [name, (...what) => calls.emit(name, ...what)]));
  const around = { ...functions, gateway: app, GatewayClient, id: "c", text: "hello", ...more };
  const names = Object.keys(around).filter(name => !new RegExp(`(const|function) ${name}\\b`).test(plain));
  const body = new Function(...names, `return (async () => {${compiled.outputText}})();`);
  return body(...names.map(name => around[name]));
}

/** A loop that runs until the client closes. */
const goesOn = running => running.catch(error => assert.equal(error.code, "closed"));

/** What is done with the snippet that has this in it. */
const STORIES = {
  async "export const gateway ="(code, on) {
    assert.equal((await run(code, on, {}, "gateway")).state.status, "idle");
  },
  async 'gateway.on("state"'(code, on) {
    await run(code, on);
    const [hidden, closed] = [on.called("hideBanner"), once(on.calls, "banner")];
    await on.app.connect();
    await hidden;
    assert.deepEqual(await closed, ["Connecting…", undefined, undefined]);
  },
  async "throw new UnauthorizedError"(code, on) {
    const answers = [{ status: 200, text: () => on.gateway.token("ada") }, { status: 401 }];
    const here = { UnauthorizedError, fetch: async () => answers.shift() };
    const client = await run(code.replace('"/ws"', JSON.stringify(on.gateway.url)).replace("url:", "webSocket, url:"), on, { ...here, webSocket: WebSocket }, "client");
    await client.connect();
    client.close();
    await assert.rejects(client.connect(), { code: "unauthorized", message: /please sign in again/ });
    assert.deepEqual([client.state.status, answers], ["unauthorized", []]);
  },
  async "reconnect: { minMs"(code, on) {
    assert.equal((await run(code, on, {}, "patient")).state.status, "idle");
  },
  async "notification_acked"(code, on) {
    const dismissed = on.called("dismiss");
    await run(code, on);
    const notes = on.app.notifications().subscribe();
    await on.gateway.notify("ada", "The gate is open");
    const { value } = await notes.next();
    await value.ack();
    assert.deepEqual(await dismissed, [value.id]);
  },
  async "subscribe({ signal: off.signal, history: 50 })) {\n  if (event.type === \"chat\")"(code, on) {
    const seen = [on.called("upsert"), on.called("showTyping")];
    goesOn(run(code, on));
    await becomes(on.app, "online");
    await on.bob.clanChat("c").send("hello");
    await on.bob.clanChat("c").typing();
    assert.equal((await seen[0])[1].content, "hello");
    assert.deepEqual(await seen[1], ["bob", true]);
  },
  async "subscribe({ presence: true })"(code, on) {
    const seen = [on.called("setOnline"), on.called("setOne")];
    goesOn(run(code, on));
    assert.deepEqual(await seen[0], [["ada"]]);
    await on.bob.clanChat("c").subscribe().ready;
    assert.deepEqual(await seen[1], ["bob", true]);
  },
  async "showBubble(sending.clientMessageId"(code, on) {
    const seen = on.bob.clanChat("c").subscribe();
    await seen.ready;
    const bubble = on.called("showBubble");
    await run(code, on);
    const [chat] = await first(seen, 1);
    assert.deepEqual(await bubble, [chat.clientMessageId, "hello"]);
  },
  async "clientMessageId: pending.clientMessageId"(code, on) {
    const sending = on.app.clanChat("c").send("hello");
    await sending;
    await run(code, on, { pending: { clientMessageId: sending.clientMessageId } });
    assert.equal((await on.app.clanChat("c").history()).messages.length, 1);
  },
  async 'input.addEventListener("input"'(code, on) {
    const [input, seen] = [new EventTarget(), on.bob.clanChat("c").subscribe()];
    // Typing is not worth keeping while there is no connection.
    await Promise.all([seen.ready, on.app.connect()]);
    await run(code, on, { input });
    input.dispatchEvent(new Event("input"));
    assert.equal((await first(seen, 1, "typing"))[0].isTyping, true);
    input.dispatchEvent(new Event("blur"));
    assert.equal((await first(seen, 1, "typing"))[0].isTyping, false);
  },
  async "before: oldest.offset"(code, on) {
    for (const text of ["1", "2", "3"]) await on.app.clanChat("c").send(text);
    const seen = on.called("prepend");
    await run(code, on, { oldest: { offset: 3 } });
    const [messages, more] = await seen;
    assert.deepEqual([messages.map(message => message.content), more], [["1", "2"], false]);
  },
  async "onPending: count => setBadge(count)"(code, on) {
    const seen = [on.called("toast"), on.called("setBadge")];
    await on.gateway.notify("ada", "The gate is open");
    const off = new AbortController();
    await run(code, on, { signal: off.signal });
    assert.deepEqual(await Promise.all(seen), [["The gate is open"], [1]]);
    // Commands are answered in their order: it is acknowledged before the app ends.
    await on.app.request("ping");
  },
  async "gateway.topic<Score>"(code, on) {
    // This gateway has no such service, and says so.
    await assert.rejects(run(code, on), { code: "unknown_service" });
  },
  async "gateway.topic<Place"(code, on) {
    // This gateway has no such service, and says so; without-history.test.js has one.
    await assert.rejects(run(code, on), { code: "unknown_service" });
  },
  async 'gateway.topic("dice"'(code, on) {
    await assert.rejects(run(code, on), { code: "unknown_service" });
  },
  async "gateway.serverSubscriptions()"(code, on) {
    // This gateway has no such service; server-side.test.js has one.
    const running = run(code, on);
    await on.app.connect();
    on.app.close();
    await running;
  },
  async 'gateway.call<'(code, on) {
    await assert.rejects(run(code, on), { code: "unknown_service" });
  },
  async "saved ? { from: saved }"(code, on) {
    await on.app.clanChat("c").send("hello");
    const seen = [on.called("show"), on.called("save")];
    goesOn(run(code, on, { saved: undefined }));
    assert.equal((await seen[0])[0].content, "hello");
    assert.equal((await seen[1])[0].offset, 1);
  },
  async 'gateway.request("ping")'(code, on) {
    const seen = on.called("log");
    assert.equal((await run(code, on, {}, "pong")).type, "pong");
    await on.app.clanChat("c").send("hello");
    assert.equal((await seen)[0], "out");
  },
  async "const bot ="(code, on) {
    const botToken = await on.gateway.token("bot");
    const here = code.replace("wss://gateway.example.com/ws", on.gateway.url);
    const bot = await run(here, on, { botToken, WebSocket }, "bot");
    assert.equal(bot.state.status, "online");
    bot.close();
  },
  async "gateway.close();"(code, on) {
    await on.app.connect();
    await run(code, on);
    assert.equal(on.app.state.status, "closed");
  },
  async "gateway.signOut();"(code, on) {
    await on.app.connect();
    const [signOutButton, fetched] = [new EventTarget(), on.called("fetch")];
    await run(code, on, { signOutButton });
    signOutButton.dispatchEvent(new Event("click"));
    assert.equal((await fetched)[0], "/sign-out");
    assert.equal(on.app.state.status, "closed");
  },
  async "shareTabs: false"(code, on) {
    assert.equal((await run(code, on, {}, "own")).state.status, "idle");
  },
};

/** Those that run elsewhere, with the package installed; what the pages on testing and publishing do, testing.test.js and
 * publish.test.js do too. */
const ELSEWHERE = ['from "realtime-gateway/testing"', 'from "realtime-gateway/publish"', 'from "realtime-gateway/no-wasm"'];

for (const [index, code] of SNIPPETS.entries()) {
  const title = code.split("\n").find(line => line && !line.startsWith("import")) ?? code.trim();
  if (ELSEWHERE.some(part => code.includes(part))) continue;
  test(`snippet ${index + 1}: ${title}`, async t => {
    const stories = Object.entries(STORIES).filter(([part]) => code.includes(part));
    assert.equal(stories.length, 1, "each snippet has one story; write one in STORIES");
    await stories[0][1](code, await stage(t));
  });
}
