// A tab without a connection: it passes on what the app asks to the leading tab, whose core decides.

import { GatewayError } from "./error.js";

/** Stands where an `Engine` stands in the leading tab. */
export class Follower {
  #post;
  #last = 0;
  #calls = new Map();
  #streams = new Map();

  /** `post` brings a message to the leader. */
  constructor(post) {
    this.#post = post;
  }

  call(...call) {
    return this.#begin("call", ...call);
  }

  request(...call) {
    return this.#begin("request", ...call);
  }

  #begin(kind, type, fields, timeoutMs, settle) {
    const n = ++this.#last;
    this.#calls.set(n, settle);
    this.#post({ say: "call", n, kind, type, fields, timeoutMs });
    return () => this.#calls.delete(n);
  }

  subscribe(stream, type, fields, timeoutMs, bufferSize) {
    const n = ++this.#last;
    this.#streams.set(n, { stream, items: [], asked: false });
    this.#post({ say: "subscribe", n, type, fields, timeoutMs, bufferSize });
    return n;
  }

  /** The next thing of a stream. Where there is none here, the leader is asked for one: so its core has the buffer. */
  take(n) {
    const entry = this.#streams.get(n);
    if (!entry) return undefined;
    if (entry.items.length === 0 && !entry.asked) {
      entry.asked = true;
      this.#post({ say: "want", n });
    }
    return entry.items.shift();
  }

  leave(n) {
    if (this.#streams.delete(n)) this.#post({ say: "leave", n });
  }

  /** What the leader says. */
  hear({ say, n, error, message, position, items }) {
    const problem = error && new GatewayError(error);
    if (say === "done") {
      const settle = this.#calls.get(n);
      this.#calls.delete(n);
      return settle?.(problem, message);
    }
    const entry = this.#streams.get(n);
    // It was let go; or a later version says what this one does not know.
    if (!entry) return undefined;
    if (say === "subscribed") return entry.stream.subscribed(position, problem);
    if (items) entry.items.push(...items);
    // After the end nothing more comes.
    entry.asked = say === "ended";
    return say === "ended" ? entry.stream.ended(problem) : entry.stream.ready();
  }

  /** The leader is connected, or does what it can. */
  connect() {}

  close() {}
}
