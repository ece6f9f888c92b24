// A follower's look after its leader: it asks for a sign of life now and then, and counts how long none comes.

/** How often it asks, and a quarter of how long it waits for an answer, in milliseconds. A page that is shown is first. */
const SHOWN = { beat: 2_000, quarter: 250 };
const HIDDEN = { beat: 10_000, quarter: 2_500 };

/** A worker is never hidden, and its timers run on time. */
const pace = () => ((globalThis.document?.visibilityState ?? "visible") === "visible" ? SHOWN : HIDDEN);

export class Lookout {
  #ask;
  #missed;
  #beat;
  #countdown;
  #heard = 0;

  /** `ask()` asks for a sign of life; where none comes in time, `missed()` is called. */
  constructor(ask, missed) {
    this.#ask = ask;
    this.#missed = missed;
  }

  /** Asks now; and again now and then, until stopped. */
  look(woken) {
    clearTimeout(this.#beat);
    this.#beat = setTimeout(() => this.look(), pace().beat);
    this.#ask(woken);
    if (this.#countdown === undefined) this.#wait(4);
  }

  /** Somebody waits for the leader: asks now, unless it was heard just now. */
  hurry() {
    if (Date.now() - this.#heard > 4 * SHOWN.quarter) this.look();
  }

  /** It was heard. */
  heard() {
    this.#heard = Date.now();
    clearTimeout(this.#countdown);
    this.#countdown = undefined;
  }

  stop() {
    this.heard();
    clearTimeout(this.#beat);
  }

  /** Counts and does not measure: a page that stood still has not waited, and hears first what was said meanwhile. */
  #wait(quarters) {
    this.#countdown = setTimeout(() => {
      if (quarters > 1) return this.#wait(quarters - 1);
      this.#countdown = undefined;
      this.#missed();
    }, pace().quarter);
  }
}
