// The WebSockets of a client: at most the one in use and its successor.

import { address } from "./options.js";
import { blockedBy, watchPolicy } from "./policy.js";

const SUBPROTOCOL = "gateway.v1.json";

export class Sockets {
  #options;
  #listener;
  #sockets = new Map();
  #everOpened = false;

  /**
   * The listener receives `opened`, `frame`, `closed` and `openFailed`, each with the number of the connection, and
   * `impossible(code, why)` where no attempt will ever succeed. A `fence` among the options is asked before a socket is
   * opened, and before the end of one is believed: a page that was suspended may have been replaced by another, and its
   * old sockets with it.
   */
  constructor(options, listener) {
    this.#options = options;
    this.#listener = listener;
  }

  /** What keeps this client from ever having a socket, for people. */
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

  open(attempt) {
    // The place for it; `shut` may take it away before the fence has answered.
    this.#sockets.set(attempt, undefined);
    this.#fenced(() => this.#sockets.has(attempt) && this.#open(attempt));
  }

  #open(attempt) {
    let socket;
    watchPolicy();
    try {
      socket = new this.#class(address(this.#options.url), SUBPROTOCOL);
    } catch (error) {
      this.#sockets.delete(attempt);
      // It is thrown for what will not change, such as ws: on a page over https. Not immediately: the caller has not finished.
      queueMicrotask(() => this.#listener.impossible("invalid", String(error?.message ?? error)));
      return;
    }
    let opened = false;
    this.#sockets.set(attempt, socket);
    const ours = () => this.#sockets.get(attempt) === socket;
    socket.onopen = () => {
      opened = true;
      this.#everOpened = true;
      if (ours()) this.#listener.opened(attempt);
    };
    socket.onmessage = ({ data }) => {
      if (ours() && typeof data === "string") this.#listener.frame(attempt, data);
    };
    const where = address(this.#options.url);
    // The close that follows says all that a browser tells; where a policy blocks the socket, none follows.
    socket.onerror = async () => {
      const directive = opened ? undefined : await blockedBy(where);
      const help = () => `the page's policy blocks the gateway: add ${new URL(where).origin} to its ${directive}`;
      if (directive) this.#listener.impossible("blocked_by_csp", help());
    };
    socket.onclose = ({ code }) => this.#fenced(() => {
      if (!ours()) return;
      this.#sockets.delete(attempt);
      if (opened) this.#listener.closed(attempt, code);
      else this.#listener.openFailed(attempt, this.#whyNot(where));
    });
  }

  #fenced(goOn) {
    const { fence } = this.#options;
    if (fence) void fence().then(passes => passes && goOn());
    else goOn();
  }

  send(attempt, text) {
    const socket = this.#sockets.get(attempt);
    if (socket?.readyState === 1) socket.send(text);
  }

  /** Closes one, of which nothing more will be heard. */
  shut(attempt, code) {
    const socket = this.#sockets.get(attempt);
    this.#sockets.delete(attempt);
    // A page may not give the codes below.
    socket?.close(code === 1000 || code >= 3000 ? code : 1000);
  }

  shutAll() {
    for (const attempt of [...this.#sockets.keys()]) this.shut(attempt, 1000);
  }

  #whyNot(address) {
    const where = `no connection to ${address}`;
    const origin = globalThis.location?.origin;
    if (this.#everOpened || origin === undefined) return where;
    return `${where}; if the gateway runs there, it may refuse this page's origin: see \`origins.allowed\`, and add ${origin}`;
  }
}
