// The part of the leading tab that serves other tabs: passes their requests to its engine, and sends them the results.

import { plain } from "./error.js";
import { userOf } from "./group.js";

/**
 * The maximum number of unconfirmed messages to a tab. A frozen tab gets no further pushes, and the state when it runs
 * again.
 */
const MAX_IN_FLIGHT = 1_000;
/** How long the token provider of a tab may take before that of another tab is called, in milliseconds. */
export const PROVIDER_TIMEOUT = 5_000;

export class Leader {
  #engine;
  #user;
  #send;
  #welcome;
  #watch;
  #tabs = new Map();
  #tokenReceived = () => {};

  /**
   * `send(to, message)` sends a message to a tab, `watch(id, signal, gone)` reports the end of a tab, and `welcome()`
   * creates the first message to a new tab.
   */
  constructor(engine, user, { send, watch, welcome }) {
    this.#engine = engine;
    this.#user = user;
    this.#send = send;
    this.#watch = watch;
    this.#welcome = welcome;
  }

  /** Handles a message of a tab. */
  receive({ say, from, turn, i, n, ...message }) {
    if (say === "hello") return this.#hello(from, turn, message);
    const tab = this.#tabs.get(from);
    if (tab?.turn !== turn || i !== tab.received + 1) {
      // The tab was considered gone, or a message was lost, so the tab has to request everything again.
      this.#forget(from);
      return this.#send(from, { say: "who", turn });
    }
    tab.received = i;
    switch (say) {
      case "ping":
        Object.assign(tab, { got: message.got, tapped: message.tapped });
        if (tab.late && tab.got === tab.sent) tab.late = !this.#sendTo(tab, { say: "welcome", ...this.#welcome() });
        else this.#sendTo(tab, { say: "pong" });
        // The timers of a visible page run on time, and those of this page may be throttled.
        return message.woken ? this.#engine.woken() : this.#engine.tick();
      case "call": {
        const { kind, type, fields, timeoutMs, doubtful } = message;
        const done = (error, message) => this.#sendTo(tab, { say: "done", n, error: plain(error), message });
        const forget = this.#engine.call(kind, type, fields, timeoutMs, doubtful, done);
        // `typing` has no result.
        return type === "typing" ? forget() : undefined;
      }
      case "subscribe":
        return this.#subscribe(tab, n, message);
      case "want": {
        const stream = tab.streams.get(n);
        if (stream) stream.wanted = true;
        return stream?.give();
      }
      case "leave":
        this.#engine.leave(tab.streams.get(n)?.at);
        return tab.streams.delete(n);
      case "token":
        return this.#tokenReceived(from, message.token);
    }
  }

  #subscribe(tab, n, { type, fields, position, timeoutMs, bufferSize }) {
    const send = message => this.#sendTo(tab, { n, ...message });
    const entry = { wanted: false, at: undefined };
    const take = () => this.#engine.take(entry.at);
    entry.give = () => {
      if (!entry.wanted) return;
      // Taking an item may cause `ready` again, which is ignored meanwhile.
      entry.wanted = false;
      const item = take();
      if (item) send({ say: "items", items: [item] });
      else entry.wanted = true;
    };
    tab.streams.set(n, entry);
    entry.at = this.#engine.subscribe({
      subscribed: (position, error) => send({ say: "subscribed", position, error: plain(error) }),
      ready: entry.give,
      ended: error => {
        // All remaining items are sent with the end, because this leader may not exist any more when they are read.
        const items = [];
        for (let item = take(); item; item = take()) items.push(item);
        send({ say: "ended", items, error: plain(error) });
      },
    }, type, fields, position, timeoutMs, bufferSize);
  }

  #hello(id, turn, { tapped }) {
    this.#forget(id);
    const gone = new AbortController();
    const tab = { id, turn, tapped, gone, received: 1, got: 0, sent: 0, late: false, streams: new Map() };
    this.#tabs.set(id, tab);
    this.#watch(id, gone.signal, () => this.#forget(id));
    this.#sendTo(tab, { say: "welcome", ...this.#welcome() });
  }

  #forget(id) {
    const tab = this.#tabs.get(id);
    if (!tab) return;
    this.#tabs.delete(id);
    tab.gone.abort();
    for (const { at } of tab.streams.values()) this.#engine.leave(at);
    this.#tokenReceived(id);
  }

  /** Sends a message to a tab, if the tab still exists. */
  #sendTo(tab, message) {
    if (this.#tabs.get(tab.id) !== tab) return false;
    tab.sent += 1;
    this.#send(tab.id, { ...message, turn: tab.turn, i: tab.sent });
    return true;
  }

  /** Sends a message to all tabs. A frame is sent only to tabs whose apps listen to frames. */
  push(message) {
    for (const tab of this.#tabs.values()) {
      if (message.say === "frame" && !tab.tapped) continue;
      tab.late ||= tab.sent - tab.got >= MAX_IN_FLIGHT;
      if (!tab.late) this.#sendTo(tab, message);
    }
  }

  /** Returns a token of this user from the first tab whose provider returns one, or undefined. */
  async askOthers() {
    for (const tab of [...this.#tabs.values()]) {
      const token = await new Promise(resolve => {
        this.#tokenReceived = (from, token) => from === tab.id && resolve(token);
        setTimeout(resolve, PROVIDER_TIMEOUT);
        if (!this.#sendTo(tab, { say: "ask" })) resolve();
      });
      if (userOf(token) === this.#user) return token;
    }
    return undefined;
  }

  /** Stops serving other tabs. */
  stop() {
    for (const { gone } of this.#tabs.values()) gone.abort();
    this.#tabs.clear();
  }
}
