// Publishing from a backend: over HTTP to a running gateway, and the verification of what it sends.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";
import { PublishClient, PublishError, SIGNATURE_TOLERANCE_MS, SignatureError, Verifier } from "../pkg/publish/index.js";
import { Gateway } from "./harness.js";

const pkg = fileURLToPath(new URL("../pkg", import.meta.url));
const KEY = "an api key of the tests";
const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const API_KEY = `auth.api_keys = [{ name = "tests", sha256 = "${createHash("sha256").update(KEY).digest("hex")}" }]`;

const client = (url, options) => new PublishClient({ url, apiKey: KEY, minBackoffMs: 1, ...options });

/** Starts a server that ends with the test, and returns its URL. */
async function serve(t, answer) {
  const server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${server.address().port}`;
}

/** Returns the error of a call. */
async function failure(call) {
  const error = await call.then(() => assert.fail("it is accepted"), error => error);
  assert.ok(error instanceof PublishError, String(error.stack));
  return error;
}

test("messages are published once, also when they are repeated", async t => {
  const gateway = await Gateway.start(t, API_KEY);
  const publisher = client(gateway.http);
  const chat = gateway.client(t, "ada").client.clanChat("wolves").subscribe();
  const items = chat[Symbol.asyncIterator]();
  const next = async () => (await items.next()).value.content;
  await chat.ready;
  const message = { userId: "bob", content: "hello", id: "m1" };
  const first = await publisher.postMessage("wolves", message);
  assert.deepEqual(await publisher.postMessage("wolves", message), first);
  const conflict = await failure(publisher.postMessage("wolves", { ...message, content: "other" }));
  assert.deepEqual([conflict.status, conflict.code, conflict.outcome, conflict.retryable], [409, "conflict", "refused", false]);
  const { ids } = await publisher.sendNotification({ userIds: ["ada", "bob"], title: "t", message: "m", data: { quest: 7 } });
  assert.equal(ids.length, 2);

  // The first answer is lost after the gateway has stored the message.
  let attempts = 0;
  const proxy = await serve(t, async (request, response) => {
    attempts++;
    if (attempts === 1) return response.writeHead(503, { "retry-after": "0" }).end();
    if (attempts === 2) return response.writeHead(429).end();
    const { "content-type": type, authorization } = request.headers;
    const body = (await request.setEncoding("utf8").toArray()).join("");
    const answer = await fetch(gateway.http + request.url, { method: "POST", headers: { "content-type": type, authorization }, body });
    if (attempts === 3) return request.socket.destroy();
    response.writeHead(answer.status, { "content-type": "application/json" }).end(await answer.text());
  });
  const repeated = await client(proxy).postMessage("wolves", { userId: "bob", content: "once" });
  const last = await publisher.postMessage("wolves", { userId: "bob", content: "the end" });
  assert.deepEqual([attempts, last.offset], [4, repeated.offset + 1]);
  assert.deepEqual([await next(), await next(), await next()], ["hello", "once", "the end"]);
});

test("it waits as long as the gateway asks, and no longer than its bound", async t => {
  const gateway = await Gateway.start(t, `${API_KEY}\nlimits.http_per_key_per_second = 1`);
  const notification = { userId: "ada", title: "t", message: "m" };
  let refused;
  while (!refused) await client(gateway.http, { attempts: 1 }).sendNotification(notification).catch(error => (refused = error));
  assert.deepEqual([refused.status, refused.code, refused.retryable, refused.retryAfterMs > 0], [429, "rate_limited", true, true]);
  await client(gateway.http).sendNotification(notification);
  const busy = await serve(t, (_, response) => response.writeHead(503, { "retry-after": "3600" }).end());
  const failed = await failure(client(busy).sendNotification(notification));
  assert.deepEqual([failed.retryAfterMs, failed.outcome], [3_600_000, "unknown"]);
});

test("wrong use fails with an error that names it", async t => {
  const gateway = await Gateway.start(t, API_KEY);
  const publisher = client(gateway.http);
  const blank = await failure(publisher.sendNotification({ userId: "ada", title: "", message: "m" }));
  assert.deepEqual([blank.status, blank.code, blank.details.field], [400, "invalid_message", "title"]);
  const unknown = await failure(publisher.publishEvent("none", "a/b", { data: 1 }));
  assert.deepEqual([unknown.status, unknown.code], [404, "unknown_service"]);
  const wrong = await failure(client(gateway.http, { apiKey: "another key" }).postMessage("c", { content: "x" }));
  assert.ok(wrong.code === "unauthorized" && !wrong.message.includes("another key"));
  const canceled = await failure(publisher.postMessage("c", { content: "x" }, { signal: AbortSignal.abort() }));
  assert.deepEqual([canceled.code, canceled.outcome], ["canceled", "not_sent"]);
  await assert.rejects(publisher.postMessage("", { content: "x" }), /clanId: a text is expected/);
  const other = await serve(t, () => assert.fail("a redirect is followed"));
  const redirect = await serve(t, (_, response) => response.writeHead(307, { location: other }).end());
  assert.equal((await failure(client(redirect).postMessage("c", { content: "x" }))).retryable, false);
  await gateway.kill();
  const away = await failure(client(gateway.http, { attempts: 2 }).postMessage("c", { content: "x" }));
  assert.deepEqual([away.code, away.outcome, away.retryable], ["connection", "unknown", true]);
  for (const options of [{}, { url: "gateway" }, { url: "ws://a" }, { url: "http://u:hush@a" }, { url: "http://a", apiKey: "hush\n" }]) {
    assert.throws(() => new PublishClient({ apiKey: "k", ...options }), error => error instanceof TypeError && !error.message.includes("hush"));
  }
});

test("signatures of webhooks are verified", async t => {
  const folder = mkdtempSync(join(tmpdir(), "gateway-publish-"));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "secret"), `${SECRET}\n`);
  let arrived;
  const webhook = new Promise(resolve => (arrived = resolve));
  const url = await serve(t, async (request, response) => {
    const body = (await request.setEncoding("utf8").toArray()).join("");
    response.writeHead(204).end();
    arrived({ headers: request.headers, body });
  });
  const settings = ["url", "secret_file"].map((name, index) => `webhooks.shop.${name} = ${JSON.stringify([url, join(folder, "secret")][index])}`);
  const gateway = await Gateway.start(t, [...settings, 'webhooks.shop.events = ["chat.message"]'].join("\n"));
  await gateway.client(t, "ada").client.clanChat("wolves").send("hello");
  const { headers, body } = await webhook;
  const verifier = new Verifier(`whsec_${"A".repeat(32)}`, SECRET);
  await verifier.verify(headers, body);
  await verifier.verify(new Headers(headers), new TextEncoder().encode(body));
  assert.equal(JSON.parse(body).events[0].content, "hello");

  const refused = (code, ...request) =>
    assert.rejects(verifier.verify(...request), error => error instanceof SignatureError && error.code === code);
  await refused("signature", headers, `${body} `);
  for (const name of ["webhook-id", "webhook-timestamp", "webhook-signature"]) {
    for (const value of [undefined, "", "1", "v1,", "v1,!", `${headers[name]}0`]) await refused("signature", { ...headers, [name]: value }, body);
  }
  await assert.rejects(new Verifier(`whsec_${"B".repeat(32)}`).verify(headers, body), SignatureError);
  for (const sign of [1, -1]) await refused("time", headers, body, { now: Date.now() + sign * (SIGNATURE_TOLERANCE_MS + 2_000) });
});

test("vectors of signatures", async () => {
  const vectors = JSON.parse(readFileSync(new URL("../../protocol/vectors/backend/signatures.json", import.meta.url), "utf8"));
  assert.ok(vectors.length > 30);
  for (const { name, secrets, headers, body, now, result } of vectors) {
    let verifier;
    try {
      verifier = new Verifier(...secrets);
    } catch (error) {
      assert.ok(error instanceof TypeError && !error.message.includes("hush"), name);
    }
    const found = verifier && (await verifier.verify(headers, body, { now: now * 1_000 }).then(() => "valid", error => error.code));
    assert.equal(found ?? "secret", result, name);
  }
});

test("it does not load the core", () => {
  const { metafile } = buildSync({ entryPoints: [join(pkg, "publish/index.js")], bundle: true, write: false, format: "esm", metafile: true });
  assert.deepEqual(Object.keys(metafile.inputs).map(path => basename(path)).sort(), ["error.js", "index.js", "operations.js", "signature.js"]);
  const code = `const { PublishClient } = await import(${JSON.stringify(join(pkg, "publish/index.js"))});
    new PublishClient({ url: "http://gateway.test", apiKey: "k" });
    console.log(typeof WebAssembly);`;
  const output = execFileSync(process.execPath, ["--noexpose-wasm", "--input-type=module", "-e", code], { encoding: "utf8" });
  assert.equal(output, "undefined\n");
});
