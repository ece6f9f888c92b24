// The lock of a group of tabs (Web Locks API). The tab that holds it leads, and waiting tabs get it in their order.

export class Election {
  #name;
  #own;
  #on;
  #waiting = new AbortController();
  #resign;
  #die;

  /** `on` has the callbacks `elected()` and `deposed()`. */
  constructor(name, id, on) {
    this.#name = name;
    this.#own = name + id;
    this.#on = on;
  }

  /**
   * Holds a lock of this tab, whose release shows the leader that the tab is gone. A browser may release it while the
   * page is in the back/forward cache. Then this method acquires the lock again.
   */
  live() {
    return new Promise((done, failed) => {
      // If the lock is not available, this tab holds it already.
      const held = lock => {
        done();
        return lock && new Promise(resolve => (this.#die = resolve));
      };
      navigator.locks.request(this.#own, { ifAvailable: true }, held).catch(failed);
    });
  }

  /** Waits for the lock of the group. */
  queue() {
    this.#waiting.abort();
    this.#waiting = new AbortController();
    this.#hold({ signal: this.#waiting.signal });
  }

  /** Takes the lock from a leader that does not answer. */
  steal() {
    if (this.#resign) return;
    this.#waiting.abort();
    this.#hold({ steal: true });
  }

  #hold(options) {
    let resign;
    const term = new Promise(resolve => (resign = resolve));
    const lead = () => {
      this.#resign = resign;
      this.#on.elected();
      return term;
    };
    navigator.locks.request(this.#name, options, lead).catch(() => {
      // Another tab has stolen the lock, or this tab has stopped waiting for it.
      if (this.#resign !== resign) return;
      this.#resign = undefined;
      this.#on.deposed();
    });
  }

  /**
   * Returns whether this tab holds the lock now. A tab that was frozen or is restored from the browser's back/forward
   * cache may have lost it without an event.
   */
  async leads() {
    // A query fails while the page is in the back/forward cache.
    const { held } = await navigator.locks.query().catch(() => ({ held: [] }));
    const holder = name => held.find(lock => lock.name === name)?.clientId;
    return Boolean(this.#resign) && holder(this.#own) !== undefined && holder(this.#own) === holder(this.#name);
  }

  /** Calls `gone` when another tab does not exist any more. */
  until(id, signal, gone) {
    navigator.locks.request(this.#name + id, { signal }, gone).catch(() => {});
  }

  /** Releases the lock of the group, and stops waiting for it. */
  resign() {
    this.#waiting.abort();
    this.#resign?.();
    this.#resign = undefined;
  }

  /** Releases all locks. */
  leave() {
    this.resign();
    this.#die?.();
  }
}
