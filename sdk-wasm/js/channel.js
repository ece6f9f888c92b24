// Messages between tabs: a BroadcastChannel for the group, and one for each tab, so that a frozen tab queues only its
// own messages.

export class Channel {
  #name;
  #id;
  #group;
  #own;
  #others = new Map();

  /** `receive(message)` is called with messages to all tabs and to this tab. */
  constructor(name, id, receive) {
    this.#name = name;
    this.#id = id;
    this.#group = new BroadcastChannel(name);
    this.#own = new BroadcastChannel(name + id);
    this.#group.onmessage = this.#own.onmessage = ({ data }) => receive(data);
  }

  /** Sends a message to one tab, or to all other tabs without `to`. */
  send(message, to) {
    if (!this.#group) return;
    if (to && !this.#others.has(to)) this.#others.set(to, new BroadcastChannel(this.#name + to));
    (to ? this.#others.get(to) : this.#group).postMessage({ ...message, from: this.#id });
  }

  /** Closes the channel to a tab that does not exist any more. */
  forget(to) {
    this.#others.get(to)?.close();
    this.#others.delete(to);
  }

  /** Closes all channels. Nothing is received or sent after this. */
  close() {
    this.#group?.close();
    this.#own.close();
    this.#group = undefined;
    for (const to of [...this.#others.keys()]) this.forget(to);
  }
}
