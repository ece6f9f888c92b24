// The requests of the app that have no answer yet: kept here, so that they outlive the engine that answers. A stream lives as
// long as this, through any number of engines.

import { LONGEST } from "./clock.js";
import { GatewayError, lostOnTheWay, plain, timedOut } from "./error.js";

/** So many ids of notifications are remembered, as in the core. */
const MOST_SEEN = 20_000;

export class Asked {
  /** Called when the app makes a request, before an engine gets it. */
  hurry = () => {};
  #bufferSize;
  #last = 0;
  #calls = new Map();
  #streams = new Map();
  /** An engine, or the follower of one elsewhere; nothing while nobody leads. */
  #via;
  /** Why no engine takes requests, and whether that ends streams too. */
  #refusal;
  #isOver = false;

  constructor(bufferSize = 1_000) {
    this.#bufferSize = bufferSize;
  }

  /** Whom this asks. */
  get via() {
    return this.#via;
  }

  call(kind, type, fields, timeoutMs, settle) {
    this.hurry();
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
    this.hurry();
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
    clearTimeout(entry?.timer);
    if (this.#streams.delete(n)) this.#via?.leave(entry.at);
  }

  /** Asks somebody else from now on, also what is not answered; `doubtful` says that the one before may have done it. */
  ask(via, doubtful) {
    const old = this.#via;
    this.#via = via;
    this.#refusal = undefined;
    this.#isOver = false;
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

  /** Refuses every call until an engine takes requests again; streams wait for that. */
  pause(error) {
    this.#refusal = error;
    for (const [n, { given, settle }] of [...this.#calls]) {
      this.#calls.delete(n);
      settle(new GatewayError({ ...plain(error), outcome: given ? "unknown" : "not_sent" }));
    }
  }

  /** Refuses every call, and ends every stream. */
  finish(error) {
    this.#isOver = true;
    this.pause(error);
    for (const [n, { stream, over, timer }] of [...this.#streams]) {
      this.#streams.delete(n);
      clearTimeout(timer);
      if (!over) stream.ended(error);
    }
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
    clearTimeout(entry.timer);
    const { stream, type, fields, position, until } = entry;
    const via = this.#usable();
    if (!via) {
      // Only this counts its time.
      const late = () => {
        this.leave(n);
        stream.subscribed(undefined, timedOut(this.#refusal));
      };
      if (rest(until) < LONGEST) entry.timer = setTimeout(late, rest(until));
      return;
    }
    const ours = then => (...told) => via === this.#via && this.#streams.get(n) === entry && then(...told);
    const wish = position ? JSON.stringify({ ...JSON.parse(fields), history: undefined, recover: position }) : fields;
    const listener = {
      subscribed: ours((position, error) => {
        if (hasStopped(error)) return;
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
    entry.at = via.subscribe(listener, type, wish, rest(until), this.#bufferSize);
    // Somebody may wait since before.
    stream.ready();
  }

  #usable() {
    if (!this.#refusal) return this.#via;
    // Not at once: whoever asks is not done yet.
    queueMicrotask(() => this.#refusal && (this.#isOver ? this.finish(this.#refusal) : this.pause(this.#refusal)));
    return undefined;
  }
}

const rest = until => Math.max(0, until - Date.now());

/** Whether the client has stopped for a reason other than the app's own call: then a stream waits. */
const hasStopped = error => error?.closeCode !== undefined && error.closeCode !== 1000;

/** A new leader is given every notification that waits for an acknowledgement, also those that the app has had. */
function isNews(seen, { type, id }) {
  if (!seen || type !== "notification") return true;
  if (seen.has(id)) return false;
  seen.add(id);
  if (seen.size > MOST_SEEN) seen.delete(seen.values().next().value);
  return true;
}
