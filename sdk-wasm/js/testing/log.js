// The logs of a fake gateway: the kept entries by offset, and the messages by their idempotency keys.

export class Log {
  entries = [];
  head = 0;
  /** The offset of the oldest entry that can still be read. */
  floor = 1;
  #sent = new Map();

  /** Adds the entry that `make(offset)` returns. */
  append(make) {
    const entry = make(this.head + 1);
    this.head += 1;
    this.entries.push(entry);
    return entry;
  }

  /** Returns the earlier message of this user with this idempotency key. */
  sent(userId, clientMessageId) {
    return clientMessageId === undefined ? undefined : this.#sent.get(JSON.stringify([userId, clientMessageId]));
  }

  remember(userId, clientMessageId, entry) {
    if (clientMessageId !== undefined) this.#sent.set(JSON.stringify([userId, clientMessageId]), entry);
  }

  after(offset) {
    return this.entries.filter(entry => entry.offset > offset);
  }

  /** Returns whether all entries after a position can still be read. */
  reaches(offset) {
    return offset >= this.floor - 1 && offset <= this.head;
  }

  /** Removes all but the newest entries. */
  keep(count) {
    this.entries = count > 0 ? this.entries.slice(-count) : [];
    this.floor = this.entries[0]?.offset ?? this.head + 1;
  }
}

/** Returns the key of a topic's log and of subscriptions to it. */
export const key = (service, topic = "") => `${service}/${topic}`;

/** Returns the fields by which messages name a topic. */
export function place(service, topic) {
  if (service === "notifications") return { service };
  return service === "clan_chat" ? { service, clanId: topic } : { service, topic };
}

/** Returns the object without undefined fields. */
export const clean = object => Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
