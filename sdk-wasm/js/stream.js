// The iterator of one subscription. It takes items from the core's buffer when the app waits for one.

const DONE = Object.freeze({ done: true, value: undefined });

export class Stream {
  position;
  ready;
  /** Settles when the stream has ended, for any reason. */
  over;
  #requests;
  #number;
  #dress;
  #waiting = [];
  #over = false;
  #settleOver;
  #end;
  #confirm;
  #deny;
  #signal;
  #onAbort = () => void this.return();

  /** Excludes the object from Vue's proxies, which cannot access private fields. */
  get __v_skip() {
    return true;
  }

  /** `dress` converts a frame to the event for the app. */
  constructor(requests, type, fields, { signal, timeoutMs = Infinity }, dress) {
    this.#requests = requests;
    this.#dress = dress;
    this.#signal = signal;
    this.ready = new Promise((confirm, deny) => ([this.#confirm, this.#deny] = [confirm, deny]));
    // An app that does not use this promise gets the error from the iterator, so it must not be an unhandled rejection.
    this.ready.catch(() => {});
    this.over = new Promise(resolve => (this.#settleOver = resolve));
    if (signal?.aborted) {
      this.#over = true;
      this.#confirm();
      this.#settleOver();
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
    this.#number = requests.subscribe(listener, type, JSON.stringify(fields), timeoutMs);
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

  /** Resolves waiting calls of `next` with available items. */
  #serve() {
    while (this.#waiting.length > 0) {
      const item = this.#over ? undefined : this.#requests.take(this.#number);
      if (item === undefined) break;
      if (item.position) this.position = item.position;
      this.#waiting.shift().resolve({ done: false, value: this.#dress(item.event) });
    }
    if (this.#end && !this.#over && this.#waiting.length > 0) {
      const { error } = this.#end;
      // The error is thrown once; a client that the app has closed ends without one.
      if (error.code !== "closed" || error.closeCode !== 1000) this.#waiting.shift().reject(error);
      this.#finish();
    }
    if (this.#over) for (const { resolve } of this.#waiting.splice(0)) resolve(DONE);
  }

  #ended(error) {
    this.#end = { error };
    this.#settleOver();
    this.#deny(error);
    this.#serve();
  }

  #finish() {
    if (!this.#over) {
      this.#over = true;
      this.#signal?.removeEventListener("abort", this.#onAbort);
      if (this.#number !== undefined) this.#requests.leave(this.#number);
      this.#confirm();
      this.#settleOver();
    }
    this.#serve();
  }
}
