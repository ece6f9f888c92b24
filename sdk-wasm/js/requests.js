// The requests of the app that have no result yet. A carrier carries them out: an engine, or a follower of another tab.
// Requests outlive carriers, so a stream continues with the next carrier.

import { MAX_DELAY } from "./clock.js";
import { GatewayError, closedByApp, plain, timedOut } from "./error.js";

/** The number of notification ids that are remembered, as in the core. */
const MAX_SEEN = 20_000;

export class Requests {
  /** Called when the app makes a request, before it is passed to a carrier. */
  onRequest = () => {};
  #bufferSize;
  #last = 0;
  #calls = new Map();
  #streams = new Map();
  /** An engine, or a follower of another tab; undefined while no tab leads. */
  #carrier;
  /** The error while no carrier takes requests, and whether it ends streams too. */
  #refusal;
  #isOver = false;

  constructor(bufferSize = 1_000) {
    this.#bufferSize = bufferSize;
  }

  get carrier() {
    return this.#carrier;
  }

  call(kind, type, fields, timeoutMs, settle) {
    this.onRequest();
    const n = ++this.#last;
    const call = { kind, type, fields, until: Date.now() + timeoutMs, settle };
    this.#calls.set(n, call);
    this.#give(n, call);
    return () => {
      this.#calls.delete(n);
      call.forget?.();
    };
  }

  subscribe(stream, type, fields, timeoutMs) {
    this.onRequest();
    const n = ++this.#last;
    const seen = type === "subscribe_notifications" ? new Set() : undefined;
    // The last position of each topic of the server-side subscriptions, after which another carrier continues.
    const positions = type === "server_subscriptions" ? new Map() : undefined;
    const entry = { stream, type, fields, until: Date.now() + timeoutMs, seen, positions };
    this.#streams.set(n, entry);
    this.#open(n, entry);
    return n;
  }

  take(n) {
    const entry = this.#streams.get(n);
    for (;;) {
      const item = entry && this.#carrier?.take(entry.at);
      if (!item) return undefined;
      if (item.position) keepPosition(entry, item);
      if (isFirst(entry.seen, item.event)) return item;
    }
  }

  leave(n) {
    const entry = this.#streams.get(n);
    clearTimeout(entry?.timer);
    if (this.#streams.delete(n)) this.#carrier?.leave(entry.at);
  }

  /**
   * Passes all requests to another carrier. With `doubtful`, the previous carrier may have carried out some of them.
   */
  moveTo(carrier, doubtful) {
    const old = this.#carrier;
    this.#carrier = carrier;
    this.#refusal = undefined;
    this.#isOver = false;
    // Results of the previous carrier are ignored from now on.
    old?.close();
    for (const [n, call] of [...this.#calls]) {
      call.doubtful ||= call.given && doubtful;
      this.#give(n, call);
    }
    for (const [n, entry] of [...this.#streams]) {
      entry.at = undefined;
      if (!entry.over) this.#open(n, entry);
    }
  }

  /** Refuses every call until a carrier takes requests again. Streams wait for that. */
  pause(error) {
    this.#refusal = error;
    for (const [n, { given, settle }] of [...this.#calls]) {
      this.#calls.delete(n);
      settle(new GatewayError({ ...plain(error), outcome: given ? "unknown" : "not_sent" }));
    }
  }

  /** Refuses every call and ends every stream. */
  finish(error = closedByApp()) {
    this.#isOver = true;
    this.pause(error);
    for (const [n, { stream, over, timer }] of [...this.#streams]) {
      this.#streams.delete(n);
      clearTimeout(timer);
      if (!over) stream.ended(error);
    }
  }

  #give(n, call) {
    const carrier = this.#usable();
    if (!carrier) return;
    call.given = true;
    const { kind, type, fields, doubtful } = call;
    call.forget = carrier.call(kind, type, fields, rest(call.until), doubtful, (error, message) => {
      if (carrier === this.#carrier && this.#calls.delete(n)) call.settle(error, message);
    });
  }

  #open(n, entry) {
    clearTimeout(entry.timer);
    const { stream, type, position, until, positions } = entry;
    const fields = positions ? JSON.stringify({ positions: [...positions.values()] }) : entry.fields;
    const carrier = this.#usable();
    if (!carrier) {
      // While no core has the request, its timeout has to be counted here.
      const late = () => {
        this.leave(n);
        stream.subscribed(undefined, timedOut(this.#refusal));
      };
      if (rest(until) < MAX_DELAY) entry.timer = setTimeout(late, rest(until));
      return;
    }
    const ours = then => (...values) => carrier === this.#carrier && this.#streams.get(n) === entry && then(...values);
    const listener = {
      subscribed: ours((position, error) => {
        if (hasStopped(error)) return;
        entry.over = Boolean(error);
        // A confirmed subscription has no timeout.
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
    entry.at = carrier.subscribe(listener, type, fields, position, rest(until), this.#bufferSize);
    // The app may already wait for an item.
    stream.ready();
  }

  #usable() {
    if (!this.#refusal) return this.#carrier;
    // Asynchronously, because the caller has not finished.
    queueMicrotask(() => this.#refusal && (this.#isOver ? this.finish(this.#refusal) : this.pause(this.#refusal)));
    return undefined;
  }
}

/** Records the position of a stream, or that of one topic of a stream of several. */
function keepPosition(entry, { position, event: { service, topic } }) {
  if (!entry.positions) entry.position = position;
  else entry.positions.set(`${service} ${topic}`, `${service} ${topic} ${position.offset} ${position.epoch}`);
}

const rest = until => Math.max(0, until - Date.now());

/** Returns whether the client has stopped for a reason other than `close` of the app. Streams wait then. */
const hasStopped = error => error?.closeCode !== undefined && error.closeCode !== 1000;

/**
 * Returns whether the app gets a notification for the first time. A new leader receives all unacknowledged ones again.
 */
function isFirst(seen, { type, id }) {
  if (!seen || type !== "notification") return true;
  if (seen.has(id)) return false;
  seen.add(id);
  if (seen.size > MAX_SEEN) seen.delete(seen.values().next().value);
  return true;
}
