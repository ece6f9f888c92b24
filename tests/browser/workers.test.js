// Clients in workers take part in the shared connection like tabs, and can take it over.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchWithBackground, newContext } from "../fixtures/browser/browser.js";
import { serve } from "../fixtures/browser/files.js";
import { Gateway, endAll, token } from "../fixtures/gateway.js";
import { Tab, sessions } from "../fixtures/browser/tab.js";

let browser;
before(async () => {
  browser = await launchWithBackground();
});
after(async () => {
  await browser?.close();
  await endAll();
});

const PACKAGE = new URL("../../sdk-wasm/pkg/", import.meta.url);

/** A worker with a client of the same user. It reports what the client receives, and sends what the page gives it. */
const worker = (options) => `
  import { GatewayClient } from "ORIGIN/demo/sdk/index.js";
  const serve = (port) => {
    const client = new GatewayClient(${JSON.stringify(options)});
    client.on("state", ({ status, session }) => port.postMessage({ status, sessionId: session?.sessionId }));
    const chat = client.clanChat("wolves").subscribe();
    chat.ready.then(() => port.postMessage({ ready: true }));
    port.onmessage = ({ data }) => client.clanChat("wolves").send(data, { timeoutMs: 120_000 });
    void (async () => {
      for await (const event of chat) if (event.type === "chat") port.postMessage({ received: event.content });
    })();
  };
  if (globalThis.SharedWorkerGlobalScope) onconnect = ({ ports: [port] }) => serve(port);
  else serve(globalThis);
`;

/** Runs in the page: makes such a worker, and keeps what it tells. */
function employ({ kind, code }) {
  code = code.replace("ORIGIN", location.origin);
  const url = kind === "blob" ? URL.createObjectURL(new Blob([code], { type: "text/javascript" })) : "/worker.js";
  const worker = kind === "shared" ? new SharedWorker(url, { type: "module" }) : new Worker(url, { type: "module" });
  const port = worker.port ?? worker;
  app.worker = { worker, port, received: [], states: [] };
  worker.onerror = (event) => app.worker.states.push(`error ${event.message}`);
  port.onmessage = ({ data }) => {
    if (data.received !== undefined) app.worker.received.push(data.received);
    else if (data.ready) app.worker.ready = true;
    else Object.assign(app.worker, { sessionId: data.sessionId }, { states: [...app.worker.states, data.status] });
  };
}

for (const kind of ["dedicated", "shared", "blob"]) {
  test(`client in a ${kind} worker shares the connection of its page, and each continues without the other`, async (t) => {
    const gateway = await Gateway.start({ settings: ["limits.messages_per_second = 100000", "limits.burst = 100000"] });
    const context = await newContext(browser);
    // A site of its own, whose policy allows any worker.
    const options = { url: `ws://${gateway.address}/ws`, token: token("alice", ["*"], 3_600) };
    const code = worker(options);
    const pages = { "/demo/without-sdk.html": "<!doctype html>", "/worker.js": code.replace("ORIGIN", "") };
    const origin = await serve(t, { pages, folders: { "/demo/sdk/": PACKAGE } });
    const page = await Tab.open(context, { address: new URL(origin).host }, "alice", options);
    await page.reads("wolves");
    await page.run(employ, { kind, code });
    await page.until(() => app.worker.ready);
    assert.equal(await sessions(gateway), 1);
    assert.equal(await page.run(() => app.worker.sessionId === app.client.state.session.sessionId), true);
    await page.run(() => app.worker.port.postMessage("from the worker"));
    await page.receives("wolves", 1);
    await page.says("wolves", "from the page");
    await page.until(() => app.worker.received.length === 2);
    // The page leaves, and the worker has the connection; then the page comes back to it.
    await page.run(() => app.client.close());
    await page.until(() => app.worker.states.length > 2 && app.worker.states.at(-1) === "online");
    await page.run(() => app.worker.port.postMessage("alone"));
    await page.until(() => app.worker.received.length === 3);
    await page.run(() => app.client.connect());
    await page.run(() => app.watch("again", app.client.clanChat("wolves").subscribe({ history: 10 })));
    await page.until(() => app.streams.again.seen.events.length === 3);
    assert.equal(await sessions(gateway), 1);
    await page.says("wolves", "both");
    await page.until(() => app.worker.received.length === 4 && app.streams.again.seen.events.length === 4);
    assert.deepEqual(await page.run(() => app.worker.received), ["from the worker", "from the page", "alone", "both"]);
    assert.ok((await page.run(() => app.worker.states)).every((state) => ["connecting", "online", "reconnecting"].includes(state)));
    if (kind !== "shared") {
      // It ends without a word, while it has the connection.
      await page.run(() => app.worker.worker.terminate());
      await page.until(() => app.states.at(-1) === "online" && app.states.includes("reconnecting"));
      await page.says("wolves", "after it");
      await page.until(() => app.streams.again.seen.events.length === 5);
      assert.equal(await sessions(gateway), 1);
    }
    page.isSound();
    await context.close();
    await gateway.end();
  });
}
