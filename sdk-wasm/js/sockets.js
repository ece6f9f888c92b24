// The WebSockets of a client: the one in use, and at most one successor.

import { address } from "./options.js";
import { blockedBy, watchPolicy } from "./policy.js";

/** How long a connection waits for the gateway's answer to its close frame, in milliseconds. */
const CLOSE_MS = 2_000;
const SUBPROTOCOL = "gateway.v1.json";

export class Sockets {
  #options;
  #listener;
  #sockets = new Map();
  #everOpened = false;

  /**
   * The listener receives `opened`, `frame`, `closed` and `openFailed`, each with the number of the connection, and
   * `impossible(code, why)` where no attempt will ever succeed. A `fence` among the options is called before a socket is
   * opened, and before the end of one is believed: a page that was suspended may have been replaced by another, and its
   * old sockets with it.
   */
  constructor(options, listener) {
    this.#options = options;
    this.#listener = listener;
  }

  /** Returns a sentence about why this client can never open a socket, or undefined. */
  problem() {
    if (!this.#class) return "there is no WebSocket here: give one by `webSocket` (Node 20: the package ws)";
    try {
      address(this.#options.url);
    } catch (error) {
      return error.message;
    }
    return undefined;
  }

  get #class() {
    return this.#options.webSocket ?? globalThis.WebSocket;
  }

  open(connection) {
    // Reserves the entry. `close` may remove it before the fence has answered.
    this.#sockets.set(connection, undefined);
    this.#fenced(() => this.#sockets.has(connection) && this.#open(connection));
  }

  #open(connection) {
    let socket;
    watchPolicy();
    try {
      socket = new this.#class(address(this.#options.url), SUBPROTOCOL);
    } catch (error) {
      this.#sockets.delete(connection);
      // The constructor throws for permanent errors, such as ws: on an https page. Reported asynchronously, because the
      // caller has not finished.
      queueMicrotask(() => this.#listener.impossible("invalid", String(error?.message ?? error)));
      return;
    }
    let opened = false;
    this.#sockets.set(connection, socket);
    const ours = () => this.#sockets.get(connection) === socket;
    socket.onopen = () => {
      opened = true;
      this.#everOpened = true;
      if (ours()) this.#listener.opened(connection);
    };
    socket.onmessage = ({ data }) => {
      if (ours() && typeof data === "string") this.#listener.frame(connection, data);
    };
    const where = address(this.#options.url);
    // Browsers do not show what refused the upgrade. The package `ws` does.
    socket.once?.("unexpected-response", (_request, { statusCode: status, headers }) => {
      if (ours()) {
        this.#sockets.delete(connection);
        const refusal = { status, retryAfter: headers["retry-after"] };
        this.#listener.openFailed(connection, `the gateway refuses the connection (HTTP ${status})`, refusal);
      }
      socket.terminate();
    });
    // The close event that follows has all details. If a policy blocks the socket, no close event follows.
    socket.onerror = async () => {
      const directive = opened ? undefined : await blockedBy(where);
      const help = () => `the page's policy blocks the gateway: add ${new URL(where).origin} to its ${directive}`;
      if (directive) this.#listener.impossible("blocked_by_csp", help());
    };
    socket.onclose = ({ code }) => this.#fenced(() => {
      if (!ours()) return;
      this.#sockets.delete(connection);
      if (opened) this.#listener.closed(connection, code);
      else this.#listener.openFailed(connection, this.#causeOf(where));
    });
  }

  #fenced(proceed) {
    const { fence } = this.#options;
    if (fence) void fence().then(passes => passes && proceed());
    else proceed();
  }

  send(connection, text) {
    const socket = this.#sockets.get(connection);
    if (socket?.readyState === 1) socket.send(text);
  }

  /** Closes a socket, and reports nothing more about it. */
  close(connection, code) {
    const socket = this.#sockets.get(connection);
    this.#sockets.delete(connection);
    // Browsers allow only code 1000 and codes from 3000.
    socket?.close(code === 1000 || code >= 3000 ? code : 1000);
    // The package `ws` waits for 30 s for a gateway that does not answer. Browsers end the connection by themselves.
    if (socket?.terminate) {
      const timer = setTimeout(() => socket.terminate(), CLOSE_MS);
      socket.once("close", () => clearTimeout(timer));
    }
  }

  closeAll() {
    for (const connection of [...this.#sockets.keys()]) this.close(connection, 1000);
  }

  #causeOf(address) {
    const where = `no connection to ${address}`;
    const origin = globalThis.location?.origin;
    if (this.#everOpened || origin === undefined) return where;
    return `${where}; if the gateway runs there, it may refuse this page's origin: see \`origins.allowed\`, and add ${origin}`;
  }
}
