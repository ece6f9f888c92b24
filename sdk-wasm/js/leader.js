// The leading tab's service to the others: it gives what they ask to its engine, and sends them what comes of it.

import { plain } from "./error.js";
import { userOf } from "./group.js";

/** So much may be on its way to a tab: one that is frozen gets no more pushes, and is told the state when it is back. */
const MOST = 1_000;
/** How long the token provider of a tab may take before another's is asked, in milliseconds. */
export const PATIENCE = 5_000;

export class Leader {
  #engine;
  #user;
  #say;
  #welcome;
  #watch;
  #tabs = new Map();
  #answered = () => {};

  /**
   * `say(to, message)` brings a message to a tab, `watch(id, signal, gone)` tells of its end, and `welcome()` makes
   * what a tab that comes is to know.
   */
  constructor(engine, user, { say, watch, welcome }) {
    this.#engine = engine;
    this.#user = user;
    this.#say = say;
    this.#watch = watch;
    this.#welcome = welcome;
  }

  /** What a tab says. */
  hear({ say, from, turn, i, n, ...message }) {
    if (say === "hello") return this.#hello(from, turn, message);
    const tab = this.#tabs.get(from);
    if (tab?.turn !== turn || i !== tab.heard + 1) {
      // It was taken for gone, or something got lost: it has to ask for everything anew.
      this.#forget(from);
      return this.#say(from, { say: "who", turn });
    }
    tab.heard = i;
    switch (say) {
      case "ping":
        Object.assign(tab, { got: message.got, tapped: message.tapped });
        if (tab.late && tab.got === tab.sent) tab.late = !this.#tell(tab, { say: "welcome", ...this.#welcome() });
        else this.#tell(tab, { say: "pong" });
        // A page that is shown has timers that run on time, and this one may have none.
        return message.woken ? this.#engine.woken() : this.#engine.tick();
      case "call": {
        const { kind, type, fields, timeoutMs } = message;
        const done = (error, message) => this.#tell(tab, { say: "done", n, error: plain(error), message });
        const forget = this.#engine[kind](type, fields, timeoutMs, done);
        // It has no answer.
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
        return this.#answered(from, message.token);
    }
  }

  #subscribe(tab, n, { type, fields, timeoutMs, bufferSize }) {
    const say = message => this.#tell(tab, { n, ...message });
    const entry = { wanted: false, at: undefined };
    const take = () => this.#engine.take(entry.at);
    entry.give = () => {
      if (!entry.wanted) return;
      // Taking may itself make more ready, which is not wanted yet.
      entry.wanted = false;
      const item = take();
      if (item) say({ say: "items", items: [item] });
      else entry.wanted = true;
    };
    tab.streams.set(n, entry);
    entry.at = this.#engine.subscribe({
      subscribed: (position, error) => say({ say: "subscribed", position, error: plain(error) }),
      ready: entry.give,
      ended: error => {
        // All that is left goes along: by the time it is read there may be no leader to ask.
        const items = [];
        for (let item = take(); item; item = take()) items.push(item);
        say({ say: "ended", items, error: plain(error) });
      },
    }, type, fields, timeoutMs, bufferSize);
  }

  #hello(id, turn, { tapped }) {
    this.#forget(id);
    const gone = new AbortController();
    const tab = { id, turn, tapped, gone, heard: 1, got: 0, sent: 0, late: false, streams: new Map() };
    this.#tabs.set(id, tab);
    this.#watch(id, gone.signal, () => this.#forget(id));
    this.#tell(tab, { say: "welcome", ...this.#welcome() });
  }

  #forget(id) {
    const tab = this.#tabs.get(id);
    if (!tab) return;
    this.#tabs.delete(id);
    tab.gone.abort();
    for (const { at } of tab.streams.values()) this.#engine.leave(at);
    this.#answered(id);
  }

  /** Says something to a tab, unless that is gone. */
  #tell(tab, message) {
    if (this.#tabs.get(tab.id) !== tab) return false;
    tab.sent += 1;
    this.#say(tab.id, { ...message, turn: tab.turn, i: tab.sent });
    return true;
  }

  /** Tells every tab, or every one that wants to see frames. */
  push(message) {
    for (const tab of this.#tabs.values()) {
      if (message.say === "frame" && !tab.tapped) continue;
      tab.late ||= tab.sent - tab.got >= MOST;
      if (!tab.late) this.#tell(tab, message);
    }
  }

  /** A token of this user from the first tab whose provider gives one; nothing where none does. */
  async askOthers() {
    for (const tab of [...this.#tabs.values()]) {
      const token = await new Promise(resolve => {
        this.#answered = (from, token) => from === tab.id && resolve(token);
        setTimeout(resolve, PATIENCE);
        if (!this.#tell(tab, { say: "ask" })) resolve();
      });
      if (userOf(token) === this.#user) return token;
    }
    return undefined;
  }

  /** Serves nobody any longer. */
  stop() {
    for (const { gone } of this.#tabs.values()) gone.abort();
    this.#tabs.clear();
  }
}
