// A set-up that cannot work fails immediately and names the mistake. A failure that may pass is tried again, and the
// state has the time of the next attempt.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { readFileSync } from "node:fs";
import { GatewayClient, GatewayError, loadCore } from "./sdk.js";
import { Gateway, becomes, first, shortLived } from "./harness.js";

const good = { url: "ws://127.0.0.1:9/ws", token: "t", webSocket: class {} };

test("a wrong set-up is refused where the client is made, with the mistake's name", () => {
  const refused = (options, words) => assert.throws(
    () => new GatewayClient({ ...good, ...options }),
    error => error instanceof TypeError && words.test(error.message),
    JSON.stringify(options),
  );
  for (const url of ["gateway.example.com/ws", "localhost:4000/ws", "127.0.0.1:4000", "ws", "ftp://gateway.example.com/ws",
    "file:///ws", "mailto:a@b", "ws:gateway/ws", "ws//gateway/ws", "javascript:alert(1)", new URL("ftp://a/ws")]) {
    refused({ url }, /url: .* begin with ws:\/\/, wss:\/\/, http:\/\/ or https:\/\//);
  }
  for (const url of ["ws://", "wss://:80/", "http://a b/"]) refused({ url }, /url: .* not a valid address/);
  for (const url of [undefined, "", null]) refused({ url }, /url/);
  for (const token of [undefined, "", null]) refused({ token }, /token/);
  for (const token of [7, {}, Promise.resolve("t")]) refused({ token }, /token: a string or a function/);
  for (const deviceId of ["", "two words", "a\tb", "x".repeat(129), "ü".repeat(65), "\u00a0", "語".repeat(23), "\u0000", 7, {}, null]) {
    refused({ deviceId }, /deviceId: 1 to 128 bytes/);
  }
  for (const reconnect of [{ minMs: -1 }, { maxMs: -1 }, { minMs: 5, maxMs: 4 }, { minMs: "1" }, { maxMs: NaN }, { maxMs: Infinity }]) {
    refused({ reconnect }, /reconnect: minMs and maxMs/);
  }
  for (const options of [{ url: "/ws" }, { url: "./ws" }, { url: "../ws" }, { url: "//gateway.test/ws" }, { url: "WSS://gateway.test" },
    { url: new URL("https://gateway.test/ws") }, { deviceId: "x".repeat(128) }, { deviceId: "語".repeat(22) }, { deviceId: "é-1_2" },
    { reconnect: {} }, { reconnect: { minMs: 40_000 } }, { reconnect: { maxMs: 0 } }, { reconnect: undefined }]) {
    new GatewayClient({ ...good, ...options });
  }
});

/** Every request fails in time with this, and asks for no token. */
async function fails(options, code, words) {
  let requested = 0;
  const token = () => {
    requested += 1;
    return "t";
  };
  const client = new GatewayClient({ ...good, ...options, token });
  const failed = becomes(client, "failed");
  const stream = client.clanChat("c").subscribe();
  const errors = await Promise.all([
    client.connect(), client.clanChat("c").send("x"), client.request("ping"), stream.next(), stream.ready,
  ].map(promise => promise.catch(error => error)));
  for (const error of errors) {
    assert.ok(error instanceof GatewayError, String(error));
    assert.deepEqual([error.code, error.outcome, error.retryable], [code, "not_sent", false]);
    assert.match(error.message, words);
  }
  assert.match((await failed).cause.message, words);
  assert.equal(requested, 0);
  await assert.rejects(client.connect(), { code });
  client.close();
}

test("a relative URL outside a browser fails at first use", () => fails({ url: "/ws" }, "invalid", /relative.*wss:\/\//));

test("Node without a WebSocket fails at first use", async t => {
  const { WebSocket } = globalThis;
  delete globalThis.WebSocket;
  t.after(() => WebSocket && (globalThis.WebSocket = WebSocket));
  await fails({ webSocket: undefined }, "invalid", /no WebSocket here.*webSocket.*ws/);
});

test("a socket that the page may not have fails the client, instead of being tried again and again", async () => {
  let made = 0;
  const webSocket = class {
    constructor() {
      made += 1;
      throw new Error("An insecure WebSocket connection may not be initiated from a page loaded over HTTPS.");
    }
  };
  const client = new GatewayClient({ ...good, webSocket });
  await assert.rejects(client.connect(), { code: "invalid", message: /insecure WebSocket/ });
  assert.deepEqual([client.state.status, made], ["failed", 1]);
});

test("what times out says what it waited for", async t => {
  // So that what is waited for is not the WebAssembly.
  await loadCore();
  const late = promise => promise.then(() => assert.fail("it came"), error => {
    assert.equal(error.code, "timed_out");
    assert.ok(error.cause instanceof GatewayError, error.message);
    assert.ok(error.message.includes(error.cause.message), error.message);
    return error.cause;
  });
  const every = client => [
    client.connect({ timeoutMs: 400 }), client.clanChat("c").send("x", { timeoutMs: 400 }),
    client.clanChat("c").history({ timeoutMs: 400 }), client.request("ping", {}, { timeoutMs: 400 }),
    client.clanChat("c").subscribe({ timeoutMs: 400 }).ready, client.notifications().ack("n", { timeoutMs: 400 }),
  ].map(late);
  const stories = [
    ["token", /token provider has not answered/, { token: () => new Promise(() => {}) }],
    ["token", /no session/, { token: () => Promise.reject(new Error("no session")) }],
    ["connection", /not open yet|has not answered/, { webSocket: class { close() {} } }],
    ["connection", /no connection to ws:/, { webSocket: class { constructor() { setTimeout(() => this.onclose({ code: 1006 })); } close() {} } }],
  ];
  for (const [code, words, options] of stories) {
    const client = new GatewayClient({ ...good, ...options });
    t.after(() => client.close());
    for (const cause of await Promise.all(every(client))) {
      assert.equal(cause.code, code);
      assert.match(cause.message, words);
    }
  }
});

test("a failing token renewal is reported while the session continues, and so is its success", async t => {
  const gateway = await Gateway.start(t, "auth.leeway = \"0s\"");
  let fails = false;
  const { client } = gateway.client(t, "ada", {
    token: () => (fails ? Promise.reject(new Error("the session service is away")) : gateway.token("ada")),
    webSocket: shortLived(),
  });
  const chat = client.clanChat("c").subscribe();
  await client.connect();
  await chat.ready;
  fails = true;
  const state = await new Promise(resolve => client.on("state", resolve));
  assert.deepEqual([state.status, state.cause.code], ["online", "token"]);
  assert.match(state.cause.message, /the session service is away/);
  assert.ok(state.nextAttemptAt > Date.now() - 1_000 && state.nextAttemptAt < Date.now() + 60_000);
  assert.equal(client.state, state);
  await client.clanChat("c").send("still here");
  fails = false;
  const recovered = await new Promise(resolve => client.on("state", state => state.cause || resolve(state)));
  assert.deepEqual([recovered.status, recovered.nextAttemptAt], ["online", undefined]);
  assert.deepEqual((await first(chat, 1)).map(({ content }) => content), ["still here"]);
});

test("the waits keep within the app's bounds, and the state says when the next attempt is", async t => {
  const attempts = [];
  const webSocket = class {
    constructor() {
      attempts.push(Date.now());
      setTimeout(() => this.onclose({ code: 1006 }));
    }
    close() {}
  };
  const client = new GatewayClient({ ...good, webSocket, reconnect: { minMs: 60, maxMs: 90 } });
  t.after(() => client.close());
  const states = [];
  client.on("state", state => states.push(state));
  client.connect().catch(() => {});
  while (attempts.length < 6) await new Promise(resolve => setTimeout(resolve, 5));
  const waits = attempts.slice(1).map((at, i) => at - attempts[i]);
  assert.ok(waits.every(wait => wait >= 59), `${waits}`);
  const reported = states.filter(({ nextAttemptAt }) => nextAttemptAt !== undefined);
  assert.ok(reported.length >= 5, `${reported.length}`);
  for (const [i, { nextAttemptAt, status, cause }] of reported.slice(0, 5).entries()) {
    assert.ok(["connecting", "reconnecting"].includes(status) && cause.code === "connection");
    const off = attempts[i + 1] - nextAttemptAt;
    assert.ok(off >= -2, `attempt ${i + 2} came ${off} ms after it was reported`);
  }
  // While an attempt is under way there is none to wait for, and why the last one failed is still reported.
  const under = states.filter(({ status, nextAttemptAt, cause }) => status === "reconnecting" && nextAttemptAt === undefined && cause);
  assert.ok(under.length > 0);
});

if (globalThis.WebAssembly) {
  test("WebAssembly that cannot be had is loaded again, and nothing that was requested is lost", async t => {
    const gateway = await Gateway.start(t);
    const wasm = readFileSync(new URL("../pkg/gateway.wasm", import.meta.url));
    const answers = [
      response => response.writeHead(503).end("later"), response => response.socket.destroy(),
      response => response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html>"),
      response => response.end(wasm),
    ];
    let requested = 0;
    const files = createServer((_, response) => answers[Math.min(requested++, answers.length - 1)](response));
    await new Promise(resolve => files.listen(0, "127.0.0.1", resolve));
    t.after(() => files.close());
    const wasmUrl = `http://127.0.0.1:${files.address().port}/gateway.wasm`;
    const { client, states } = gateway.client(t, "ada", { wasmUrl, reconnect: { maxMs: 50 } });
    const chat = client.clanChat("c").subscribe();
    const impatient = client.request("ping", {}, { timeoutMs: 0 }).catch(error => error);
    const badly = client.clanChat("c").subscribe({ timeoutMs: 0 }).ready.catch(error => error);
    await client.clanChat("c").send("x");
    assert.deepEqual((await first(chat, 1)).map(({ content }) => content), ["x"]);
    assert.equal(requested, 4);
    const failures = states.filter(({ nextAttemptAt }) => nextAttemptAt);
    assert.deepEqual(failures.map(({ status, cause }) => [status, cause.code, cause.retryable]), Array(3).fill(["connecting", "load_failed", true]));
    assert.match(failures[0].cause.message, /WebAssembly could not be loaded: .*503/);
    for (const error of [await impatient, await badly]) assert.deepEqual([error.code, error.cause.code], ["timed_out", "load_failed"]);
    // Closing ends the attempts too.
    requested = 0;
    const { client: other } = gateway.client(t, "ada", { wasmUrl: `${wasmUrl}?other` });
    const next = other.clanChat("c").subscribe().next();
    await becomes(other, "connecting");
    other.close();
    assert.equal((await next).done, true);
  });
}
