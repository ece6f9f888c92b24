// The iterator of one subscription: it takes from the core's buffer whenever somebody waits.

const DONE = Object.freeze({ done: true, value: undefined });

export class Stream {
  position;
  ready;
  /** Settles once it has ended, however that came. */
  over;
  #asked;
  #number;
  #dress;
  #waiting = [];
  #over = false;
  #tellOver;
  #end;
  #confirm;
  #deny;
  #signal;
  #onAbort = () => void this.return();

  /** Vue's proxies leave it as it is: they could not reach private fields. */
  get __v_skip() {
    return true;
  }

  /** `dress` makes the app's event of the frame. */
  constructor(asked, type, fields, { signal, timeoutMs = Infinity }, dress) {
    this.#asked = asked;
    this.#dress = dress;
    this.#signal = signal;
    this.ready = new Promise((confirm, deny) => ([this.#confirm, this.#deny] = [confirm, deny]));
    // Whoever does not look at it learns of the refusal from the iterator.
    this.ready.catch(() => {});
    this.over = new Promise(resolve => (this.#tellOver = resolve));
    if (signal?.aborted) {
      this.#over = true;
      this.#confirm();
      this.#tellOver();
      return;
    }
    signal?.addEventListener("abort", this.#onAbort, { once: true });
    const listener = {
      subscribed: (position, error) => {
        if (error) return this.#ended(error);
        this.position = position;
        this.#confirm();
      },
      ready: () => this.#serve(),
      ended: error => this.#ended(error),
    };
    this.#number = asked.subscribe(listener, type, JSON.stringify(fields), timeoutMs);
  }

  next() {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#serve();
    });
  }

  async return() {
    this.#finish();
    return DONE;
  }

  async throw(error) {
    this.#finish();
    throw error;
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  /** Gives those who wait what there is. */
  #serve() {
    while (this.#waiting.length > 0) {
      const item = this.#over ? undefined : this.#asked.take(this.#number);
      if (item === undefined) break;
      if (item.position) this.position = item.position;
      this.#waiting.shift().resolve({ done: false, value: this.#dress(item.event) });
    }
    if (this.#end && !this.#over && this.#waiting.length > 0) {
      const { error } = this.#end;
      // The error is told once; what the app itself has closed ends without one.
      if (error.code !== "closed" || error.closeCode !== 1000) this.#waiting.shift().reject(error);
      this.#finish();
    }
    if (this.#over) for (const { resolve } of this.#waiting.splice(0)) resolve(DONE);
  }

  #ended(error) {
    this.#end = { error };
    this.#tellOver();
    this.#deny(error);
    this.#serve();
  }

  #finish() {
    if (!this.#over) {
      this.#over = true;
      this.#signal?.removeEventListener("abort", this.#onAbort);
      if (this.#number !== undefined) this.#asked.leave(this.#number);
      this.#confirm();
      this.#tellOver();
    }
    this.#serve();
  }
}
