// The WebSockets of a client: at most the one in use and its successor.

const SUBPROTOCOL = "gateway.v1.json";

export class Sockets {
  #options;
  #listener;
  #sockets = new Map();
  #everOpened = false;

  /**
   * The listener hears `opened`, `frame`, `closed` and `openFailed`, each with the number of the connection. A `fence`
   * among the options is asked before a socket is opened, and before the end of one is believed: a page that was
   * frozen may have been replaced by another, and its old sockets with it.
   */
  constructor(options, listener) {
    this.#options = options;
    this.#listener = listener;
  }

  open(attempt) {
    // The place for it; `shut` may take it away before the fence has answered.
    this.#sockets.set(attempt, undefined);
    this.#fenced(() => this.#sockets.has(attempt) && this.#open(attempt));
  }

  #open(attempt) {
    let socket;
    try {
      const WebSocket = this.#options.webSocket ?? globalThis.WebSocket;
      if (WebSocket === undefined) throw new Error("there is no WebSocket here: give one by `webSocket` (Node 20: ws)");
      socket = new WebSocket(address(this.#options.url), SUBPROTOCOL);
    } catch (error) {
      this.#sockets.delete(attempt);
      // Not at once: whoever asked is not done with his orders.
      queueMicrotask(() => this.#listener.openFailed(attempt, String(error?.message ?? error)));
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
    // The close that follows says all that a browser tells.
    socket.onerror = () => {};
    socket.onclose = ({ code }) => this.#fenced(() => {
      if (!ours()) return;
      this.#sockets.delete(attempt);
      if (opened) this.#listener.closed(attempt, code);
      else this.#listener.openFailed(attempt, this.#whyNot());
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

  #whyNot() {
    const where = `no connection to ${address(this.#options.url)}`;
    const origin = globalThis.location?.origin;
    if (this.#everOpened || origin === undefined) return where;
    return `${where}; if the gateway runs there, it may refuse this page's origin: see \`origins.allowed\`, and add ${origin}`;
  }
}

/** The gateway's address as a WebSocket's. */
export function address(url) {
  const absolute = new URL(url, globalThis.location?.href);
  absolute.protocol = absolute.protocol.replace(/^http/, "ws");
  return absolute.href;
}
