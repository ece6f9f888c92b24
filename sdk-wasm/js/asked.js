// What the app has asked and nobody has answered: kept by the tab itself, so that it outlives whoever answers.

import { GatewayError, lostOnTheWay, plain } from "./error.js";

/** So many ids of notifications are remembered, as in the core. */
const MOST_SEEN = 20_000;

export class Asked {
  #bufferSize;
  #last = 0;
  #calls = new Map();
  #streams = new Map();
  /** An engine, or the follower of one elsewhere; nothing while nobody leads. */
  #via;
  #end;

  constructor(bufferSize = 1_000) {
    this.#bufferSize = bufferSize;
  }

  /** Whom this asks. */
  get via() {
    return this.#via;
  }

  call(kind, type, fields, timeoutMs, settle) {
    const n = ++this.#last;
    const call = { kind, type, fields, until: Date.now() + timeoutMs, settle };
    this.#calls.set(n, call);
    this.#issue(n, call);
    return () => {
      this.#calls.delete(n);
      call.forget?.();
    };
  }

  subscribe(stream, type, fields, timeoutMs) {
    const n = ++this.#last;
    const seen = type === "subscribe_notifications" ? new Set() : undefined;
    const entry = { stream, type, fields, until: Date.now() + timeoutMs, seen };
    this.#streams.set(n, entry);
    this.#enlist(n, entry);
    return n;
  }

  take(n) {
    const entry = this.#streams.get(n);
    for (;;) {
      const item = entry && this.#via?.take(entry.at);
      if (!item) return undefined;
      if (item.position) entry.position = item.position;
      if (isNews(entry.seen, item.event)) return item;
    }
  }

  leave(n) {
    const entry = this.#streams.get(n);
    if (this.#streams.delete(n)) this.#via?.leave(entry.at);
  }

  /** Asks somebody else from now on, also what is not answered; `doubtful` says that the one before may have done it. */
  ask(via, doubtful) {
    const old = this.#via;
    this.#via = via;
    // What it says of its end is no longer heard.
    old?.close();
    for (const [n, call] of [...this.#calls]) {
      call.doubtful ||= call.given && doubtful;
      if (call.doubtful && call.kind === "request") {
        this.#calls.delete(n);
        call.settle(lostOnTheWay());
      } else this.#issue(n, call);
    }
    for (const [n, entry] of [...this.#streams]) {
      entry.at = undefined;
      if (!entry.over) this.#enlist(n, entry);
    }
  }

  /** Tells everybody who still waits, and everybody who comes later. */
  finish(error) {
    this.#end = error;
    for (const { given, settle } of this.#calls.values()) {
      settle(new GatewayError({ ...plain(error), outcome: given ? "unknown" : "not_sent" }));
    }
    this.#calls.clear();
    for (const { stream } of [...this.#streams.values()]) stream.ended(error);
  }

  #issue(n, call) {
    const via = this.#usable();
    if (!via) return;
    call.given = true;
    call.forget = via[call.kind](call.type, call.fields, rest(call.until), (error, message) => {
      if (via !== this.#via || !this.#calls.delete(n)) return;
      // An earlier one may have done it: no later refusal can say that nobody did.
      if (error && call.doubtful) error.outcome = "unknown";
      call.settle(error, message);
    });
  }

  #enlist(n, entry) {
    const via = this.#usable();
    if (!via) return;
    const ours = then => (...told) => via === this.#via && this.#streams.get(n) === entry && then(...told);
    const { stream, type, fields, position } = entry;
    const wish = position ? JSON.stringify({ ...JSON.parse(fields), history: undefined, recover: position }) : fields;
    const listener = {
      subscribed: ours((position, error) => {
        entry.over = Boolean(error);
        // Once confirmed it waits for as long as it takes.
        entry.until = Infinity;
        entry.position ??= position;
        stream.subscribed(entry.position, error);
      }),
      ready: ours(() => stream.ready()),
      ended: ours(error => {
        entry.over = true;
        stream.ended(error);
      }),
    };
    entry.at = via.subscribe(listener, type, wish, rest(entry.until), this.#bufferSize);
    // Somebody may wait since before.
    stream.ready();
  }

  #usable() {
    // Not at once: whoever asks is not done yet.
    if (this.#end) queueMicrotask(() => this.finish(this.#end));
    return this.#end ? undefined : this.#via;
  }
}

const rest = until => Math.max(0, until - Date.now());

/** A new leader is given every notification that waits for an acknowledgement, also those that the app has had. */
function isNews(seen, { type, id }) {
  if (!seen || type !== "notification") return true;
  if (seen.has(id)) return false;
  seen.add(id);
  if (seen.size > MOST_SEEN) seen.delete(seen.values().next().value);
  return true;
}
