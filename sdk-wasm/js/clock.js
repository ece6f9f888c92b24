// A clock that never runs backwards and continues while the device sleeps, and the timer of a client.

/** The longest delay of a timer, in milliseconds. */
export const MAX_DELAY = 2 ** 31 - 1;
/** A timer that is late by more than this means that the device slept, in milliseconds. */
const MIN_SLEEP = 5_000;

export class Clock {
  #last = Date.now();
  #elapsed = 0;
  #timer;
  #onTick;

  /** Calls `onTick(slept)` when the deadline has passed. */
  constructor(onTick) {
    this.#onTick = onTick;
  }

  /** Returns the milliseconds since this clock was created. */
  now() {
    const now = Date.now();
    // The wall clock may be set back; this clock must not run backwards.
    this.#elapsed += Math.max(0, now - this.#last);
    this.#last = now;
    return this.#elapsed;
  }

  /** Sets the deadline. A negative value clears it. */
  wake(deadline) {
    clearTimeout(this.#timer);
    if (deadline < 0) return;
    const wait = Math.min(Math.max(0, deadline - this.now()), MAX_DELAY);
    this.#timer = setTimeout(() => {
      // The timers of a hidden tab are throttled, so being late means nothing there.
      const slept = this.now() - deadline > MIN_SLEEP && globalThis.document?.visibilityState !== "hidden";
      this.#onTick(slept);
    }, Math.ceil(wait));
  }
}

/** Calls `callback` when the page becomes visible or the device is online again. Returns a function that stops this. */
export function onWake(callback) {
  const { document } = globalThis;
  const shown = () => document.visibilityState === "visible" && callback();
  document?.addEventListener?.("visibilitychange", shown);
  // Workers receive this event too.
  globalThis.addEventListener?.("online", callback);
  return () => {
    document?.removeEventListener?.("visibilitychange", shown);
    globalThis.removeEventListener?.("online", callback);
  };
}
