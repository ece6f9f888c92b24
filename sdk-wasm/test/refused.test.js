// What the package `ws` shows of a gateway that refuses or does not answer. Browsers do not show it.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import { test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { GatewayClient } from "./sdk.js";

/** A server on a port of its own, which ends with the test. */
async function listen(test, server) {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  test.after(() => server.close());
  return `ws://127.0.0.1:${server.address().port}/ws`;
}

function client(test, url, options) {
  const client = new GatewayClient({ url, token: "a token", webSocket: WebSocket, ...options });
  test.after(() => client.close());
  return client;
}

function refusing(status, headers) {
  return createServer().on("upgrade", (_request, socket) => {
    // The client may end the connection first.
    socket.on("error", () => {});
    socket.end(`HTTP/1.1 ${status} Refused\r\n${headers}Content-Length: 0\r\nConnection: close\r\n\r\n`);
  });
}

const state = (client, fits) => new Promise(resolve => {
  const off = client.on("state", state => fits(state) && (off(), resolve(state)));
});

for (const status of [429, 503]) {
  test(`waits as long as Retry-After says after ${status}`, async test => {
    const gateway = client(test, await listen(test, refusing(status, "Retry-After: 20\r\n")));
    const waits = state(gateway, ({ nextAttemptAt }) => nextAttemptAt !== undefined);
    gateway.connect().catch(() => {});
    const wait = (await waits).nextAttemptAt - Date.now();
    assert.ok(wait > 15_000, `waits ${wait} ms`);
  });
}

test("stays away after 403", async test => {
  const gateway = client(test, await listen(test, refusing(403, "")));
  await assert.rejects(gateway.connect(), error => !error.retryable);
  assert.equal(gateway.state.status, "failed");
});

test("connects now when it is woken", async test => {
  const server = refusing(500, "");
  const gateway = client(test, await listen(test, server), { reconnect: { minMs: 60_000, maxMs: 60_000 } });
  const waits = state(gateway, ({ nextAttemptAt }) => nextAttemptAt !== undefined);
  gateway.connect().catch(() => {});
  await waits;
  const again = once(server, "upgrade");
  gateway.wake();
  await again;
});

test("ends the connection within two seconds when the gateway does not answer", async test => {
  const server = createServer();
  const sockets = new WebSocketServer({ noServer: true });
  server.on("upgrade", (request, socket, head) => sockets.handleUpgrade(request, socket, head, connection => {
    connection.on("message", () => {
      // Nothing is read any more, so the close frame is not answered.
      socket.pause();
      sockets.emit("silent", socket);
    });
  }));
  const gateway = client(test, await listen(test, server));
  gateway.connect().catch(() => {});
  const [socket] = await once(sockets, "silent");
  const began = Date.now();
  gateway.close();
  socket.resume();
  socket.removeAllListeners("data");
  socket.on("data", () => {});
  await once(socket, "close");
  const took = Date.now() - began;
  assert.ok(took > 1_000 && took < 4_000, `took ${took} ms`);
});
