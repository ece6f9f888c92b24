// Who leads a group, by Web Locks: whoever holds its lock. Those who wait for it are the next, in their order.

export class Election {
  #name;
  #own;
  #on;
  #waiting = new AbortController();
  #resign;
  #die;

  /** `on` hears `elected()` and `deposed()`. */
  constructor(name, id, on) {
    this.#name = name;
    this.#own = name + id;
    this.#on = on;
  }

  /**
   * Holds a lock of this tab's own, whose end tells the leader that the tab is gone. A browser may end it while the page
   * is in the back/forward cache: then this holds it again.
   */
  live() {
    return new Promise((done, failed) => {
      // Not available is our own: it is held already.
      const held = lock => {
        done();
        return lock && new Promise(resolve => (this.#die = resolve));
      };
      navigator.locks.request(this.#own, { ifAvailable: true }, held).catch(failed);
    });
  }

  /** Waits to be the next leader. */
  queue() {
    this.#waiting.abort();
    this.#waiting = new AbortController();
    this.#hold({ signal: this.#waiting.signal });
  }

  /** Takes over from a leader that does not answer. */
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
      // Somebody has stolen it, or this tab no longer waits for it.
      if (this.#resign !== resign) return;
      this.#resign = undefined;
      this.#on.deposed();
    });
  }

  /**
   * Whether this tab leads at this moment. One that was frozen, or comes out of the browser's back/forward cache, may
   * not have heard yet that it does no longer; what it has heard by the time of the answer is heard.
   */
  async leads() {
    // A page in the back/forward cache may not ask.
    const { held } = await navigator.locks.query().catch(() => ({ held: [] }));
    const holder = name => held.find(lock => lock.name === name)?.clientId;
    return Boolean(this.#resign) && holder(this.#own) !== undefined && holder(this.#own) === holder(this.#name);
  }

  /** Tells when another tab is gone. */
  until(id, signal, gone) {
    navigator.locks.request(this.#name + id, { signal }, gone).catch(() => {});
  }

  /** Neither leads nor waits any longer. */
  resign() {
    this.#waiting.abort();
    this.#resign?.();
    this.#resign = undefined;
  }

  /** Takes part no longer. */
  leave() {
    this.resign();
    this.#die?.();
  }
}
