// The logs of a fake gateway: entries by offset, as many as are kept, and what was sent under which name.

export class Log {
  entries = [];
  head = 0;
  /** The offset of the oldest entry that can still be read. */
  floor = 1;
  #sent = new Map();

  /** Adds an entry that `make(offset)` makes. */
  append(make) {
    const entry = make(this.head + 1);
    this.head += 1;
    this.entries.push(entry);
    return entry;
  }

  /** What this user has sent under this name before. */
  sent(userId, clientMessageId) {
    return clientMessageId === undefined ? undefined : this.#sent.get(JSON.stringify([userId, clientMessageId]));
  }

  remember(userId, clientMessageId, entry) {
    if (clientMessageId !== undefined) this.#sent.set(JSON.stringify([userId, clientMessageId]), entry);
  }

  after(offset) {
    return this.entries.filter(entry => entry.offset > offset);
  }

  /** Whether all that came after a position can still be read. */
  reaches(offset) {
    return offset >= this.floor - 1 && offset <= this.head;
  }

  /** Forgets all but the newest entries. */
  keep(count) {
    this.entries = count > 0 ? this.entries.slice(-count) : [];
    this.floor = this.entries[0]?.offset ?? this.head + 1;
  }
}

/** The name of a topic's log, and of a subscription to it. */
export const key = (service, topic = "") => `${service}/${topic}`;

/** How messages say which topic they are about. */
export function place(service, topic) {
  if (service === "notifications") return { service };
  return service === "clan_chat" ? { service, clanId: topic } : { service, topic };
}

/** Without the fields that are absent. */
export const clean = object => Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
