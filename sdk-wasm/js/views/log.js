// The loaded entries of a topic, in the order of their offsets.

export class Log {
  #entries = [];
  /** The offsets of entries that only their confirmation is known of, until the entry itself arrives. */
  #provisional = new Set();
  #list;

  get size() {
    return this.#entries.length;
  }

  /** The offset of the oldest entry, or undefined. */
  get oldest() {
    return this.#entries[0]?.offset;
  }

  /** The place after all entries, for one without an offset. It is before the next offset, in case the topic has a history again. */
  get next() {
    return (this.#entries.at(-1)?.offset ?? 0) + 2 ** -20;
  }

  /** Returns the entries, oldest first. It is the same array until one changes. */
  list() {
    return (this.#list ??= [...this.#entries]);
  }

  /** Adds an entry, unless it is there. A `provisional` one is replaced by the entry itself, which keeps its key. */
  add(entry, { provisional = false } = {}) {
    const at = this.#place(entry.offset);
    const isThere = this.#entries[at]?.offset === entry.offset;
    if (isThere && !this.#provisional.has(entry.offset)) return;
    const key = isThere ? this.#entries[at].key : entry.key;
    this.#entries.splice(at, isThere ? 1 : 0, { ...entry, key });
    this.#provisional.delete(entry.offset);
    if (provisional) this.#provisional.add(entry.offset);
    this.#list = undefined;
  }

  /** Removes the entries that match. */
  remove(matches) {
    this.#become(this.#entries.filter(entry => !matches(entry)));
  }

  /** Replaces all entries up to an offset by those of the history. Entries that are there already stay the same objects. */
  replaceUpTo(offset, page) {
    const known = new Map(this.#entries.map(entry => [entry.offset, entry]));
    const kept = page.map(entry => {
      const before = known.get(entry.offset);
      if (!before) return entry;
      return this.#provisional.has(entry.offset) ? { ...entry, key: before.key } : before;
    });
    this.#become([...kept, ...this.#entries.filter(entry => entry.offset > offset)]);
    for (const provisional of this.#provisional) if (provisional <= offset) this.#provisional.delete(provisional);
  }

  /** Adds older entries of the history. */
  prepend(page) {
    const { oldest = Infinity } = this;
    this.#become([...page.filter(entry => entry.offset < oldest), ...this.#entries]);
  }

  /** Removes the oldest entries beyond a number, and returns whether there were any. */
  keep(count) {
    if (this.#entries.length <= count) return false;
    this.#become(this.#entries.slice(-count));
    return true;
  }

  clear() {
    this.#provisional.clear();
    this.#become([]);
  }

  #become(entries) {
    const same = entries.length === this.#entries.length && entries.every((entry, at) => entry === this.#entries[at]);
    if (same) return;
    this.#entries = entries;
    this.#list = undefined;
  }

  /** Returns the index of the first entry with this offset or a later one. Most entries are the newest. */
  #place(offset) {
    let at = this.#entries.length;
    while (at > 0 && this.#entries[at - 1].offset >= offset) at -= 1;
    return at;
  }
}
