// Reads a subscription, as many items as the kit allows.

import { emit, failure } from "./output.js";

export class Reader {
  #name;
  #subscription;
  #allowed;
  #allow;
  #isOver = false;

  constructor(name, subscription, allowed) {
    this.#name = name;
    this.#subscription = subscription;
    this.#allowed = allowed;
    subscription.over.then(() => (this.#isOver = true));
    void this.#run();
  }

  /** Allows this number of items more. */
  read(count) {
    this.#allowed += count;
    this.#allow?.();
  }

  async leave() {
    await this.#subscription.return();
    this.#allow?.();
  }

  async #run() {
    try {
      for (;;) {
        while (this.#allowed <= 0) {
          const isAllowed = new Promise(resolve => (this.#allow = resolve));
          // A subscription that is not read may end too. What it holds can still be read, if the kit allows it.
          await Promise.race([isAllowed, this.#subscription.over]);
          if (this.#isOver) return emit({ event: "end", stream: this.#name });
        }
        const before = this.#subscription.position;
        const { done, value: item } = await this.#subscription.next();
        if (done) return emit({ event: "end", stream: this.#name });
        this.#allowed -= 1;
        const { position } = this.#subscription;
        emit({ event: "item", stream: this.#name, item, position: position === before ? undefined : position });
      }
    } catch (error) {
      emit({ event: "end", stream: this.#name, error: failure(error) });
    }
  }
}
