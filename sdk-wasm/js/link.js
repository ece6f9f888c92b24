// How tabs talk: a channel that all of a group hear, and an inbox for each, so that a frozen tab gathers only its own.

export class Link {
  #name;
  #id;
  #group;
  #inbox;
  #inboxes = new Map();

  /** `hear(message)` gets what is said to all, and to this tab. */
  constructor(name, id, hear) {
    this.#name = name;
    this.#id = id;
    this.#group = new BroadcastChannel(name);
    this.#inbox = new BroadcastChannel(name + id);
    this.#group.onmessage = this.#inbox.onmessage = ({ data }) => hear(data);
  }

  /** Says something to all others. */
  tell(message) {
    this.#group?.postMessage({ ...message, from: this.#id });
  }

  /** Says something to one of them. */
  post(to, message) {
    if (!this.#group) return;
    if (!this.#inboxes.has(to)) this.#inboxes.set(to, new BroadcastChannel(this.#name + to));
    this.#inboxes.get(to).postMessage({ ...message, from: this.#id });
  }

  /** One of them is gone. */
  forget(to) {
    this.#inboxes.get(to)?.close();
    this.#inboxes.delete(to);
  }

  /** Neither hears nor says anything more. */
  close() {
    this.#group?.close();
    this.#inbox.close();
    this.#group = undefined;
    for (const to of [...this.#inboxes.keys()]) this.forget(to);
  }
}
