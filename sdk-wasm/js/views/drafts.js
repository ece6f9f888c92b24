// What the user has sent and the gateway has not confirmed, in the order in which it was sent.

import { named, statusOf } from "./result.js";

export class Drafts {
  #drafts = new Map();
  #list;

  /** Returns the items that a component shows. It is the same array until one changes. */
  list() {
    return (this.#list ??= Array.from(this.#drafts.values(), draft => draft.item));
  }

  get isEmpty() {
    return this.#drafts.size === 0;
  }

  /**
   * Sends something. `send(clientMessageId)` returns the `Sending` of the SDK. `item` has the fields to show, without those
   * that are made here. Returns the `clientMessageId`.
   */
  send(item, send, clientMessageId) {
    const sending = send(clientMessageId);
    const id = sending.clientMessageId;
    // The app may repeat by itself, with the id of a draft.
    const wasUnknown = this.#drafts.get(id)?.wasUnknown ?? false;
    const shown = { ...item, key: keyOf(id), clientMessageId: id, status: "pending" };
    this.#set(id, { item: shown, content: item, send, wasUnknown });
    return sending;
  }

  /** Sends a draft that was not confirmed again, under the same id. Returns undefined if there is none. */
  repeat(key) {
    const draft = this.#find(key);
    return draft && draft.item.status !== "pending"
      ? this.send(draft.content, draft.send, draft.item.clientMessageId)
      : undefined;
  }

  /** Records that a draft could not be sent. */
  failed(clientMessageId, error) {
    const draft = this.#drafts.get(clientMessageId);
    if (!draft) return;
    const status = statusOf(error, draft.wasUnknown);
    const item = { ...draft.item, status, error: named(error) };
    this.#set(clientMessageId, { ...draft, item, wasUnknown: status === "unknown" });
  }

  /** Removes a draft that is confirmed, and returns what was shown of it. */
  take(clientMessageId) {
    const draft = this.#drafts.get(clientMessageId);
    if (this.#drafts.delete(clientMessageId)) this.#list = undefined;
    return draft?.item;
  }

  /** Removes a draft that the user gives up. One that is being sent stays. */
  discard(key) {
    const draft = this.#find(key);
    if (draft && draft.item.status !== "pending") this.take(draft.item.clientMessageId);
  }

  clear() {
    this.#drafts.clear();
    this.#list = undefined;
  }

  #find(key) {
    return [...this.#drafts.values()].find(draft => draft.item.key === key);
  }

  #set(id, draft) {
    this.#drafts.set(id, { ...draft, item: Object.freeze(draft.item) });
    this.#list = undefined;
  }
}

/** The key of an own message. It stays the same when the message is confirmed. */
const keyOf = clientMessageId => `sent ${clientMessageId}`;
