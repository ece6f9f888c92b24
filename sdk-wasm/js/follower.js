// The part of a tab without a connection: sends the requests of the app to the leading tab, whose core carries them
// out.

import { GatewayError } from "./error.js";

/** Has the same interface as `Engine`, which the leading tab uses. */
export class Follower {
  #send;
  #last = 0;
  #calls = new Map();
  #streams = new Map();

  /** `send` sends a message to the leader. */
  constructor(send) {
    this.#send = send;
  }

  call(kind, type, fields, timeoutMs, doubtful, settle) {
    const n = ++this.#last;
    this.#calls.set(n, settle);
    this.#send({ say: "call", n, kind, type, fields, timeoutMs, doubtful });
    return () => this.#calls.delete(n);
  }

  subscribe(stream, type, fields, position, timeoutMs, bufferSize) {
    const n = ++this.#last;
    this.#streams.set(n, { stream, items: [], requested: false });
    this.#send({ say: "subscribe", n, type, fields, position, timeoutMs, bufferSize });
    return n;
  }

  /**
   * Takes the next item of a stream. If there is none, requests one from the leader, so that items are buffered in the
   * leader's core.
   */
  take(n) {
    const entry = this.#streams.get(n);
    if (!entry) return undefined;
    if (entry.items.length === 0 && !entry.requested) {
      entry.requested = true;
      this.#send({ say: "want", n });
    }
    return entry.items.shift();
  }

  leave(n) {
    if (this.#streams.delete(n)) this.#send({ say: "leave", n });
  }

  /** Handles a message of the leader. */
  receive({ say, n, error, message, position, items }) {
    const problem = error && new GatewayError(error);
    if (say === "done") {
      const settle = this.#calls.get(n);
      this.#calls.delete(n);
      return settle?.(problem, message);
    }
    const entry = this.#streams.get(n);
    // The app has left the stream, or a later version has sent an unknown message.
    if (!entry) return undefined;
    if (say === "subscribed") return entry.stream.subscribed(position, problem);
    if (items) entry.items.push(...items);
    // No messages follow the end of a stream.
    entry.requested = say === "ended";
    return say === "ended" ? entry.stream.ended(problem) : entry.stream.ready();
  }

  /** Does nothing: the leader connects by itself. */
  connect() {}

  close() {}
}
