// Who is typing in a clan.

/** Typing that is not repeated has ended; the protocol says so. */
const EXPIRES_MS = 6_000;
const NO_USERS = Object.freeze([]);

export class Typists {
  #timers = new Map();
  #list = NO_USERS;
  #changed;

  /** `changed` is called when typing expires. */
  constructor(changed) {
    this.#changed = changed;
  }

  /** Returns the ids of the users. It is the same array until one changes. */
  list() {
    return this.#list;
  }

  receive({ userId, isTyping }) {
    if (!isTyping) return this.stop(userId);
    clearTimeout(this.#timers.get(userId));
    const timer = setTimeout(() => {
      this.stop(userId);
      this.#changed();
    }, EXPIRES_MS);
    timer.unref?.();
    const isNew = !this.#timers.has(userId);
    this.#timers.set(userId, timer);
    if (isNew) this.#list = [...this.#timers.keys()];
  }

  stop(userId) {
    clearTimeout(this.#timers.get(userId));
    if (this.#timers.delete(userId)) this.#list = this.#timers.size > 0 ? [...this.#timers.keys()] : NO_USERS;
  }

  clear() {
    for (const userId of [...this.#timers.keys()]) this.stop(userId);
  }
}
