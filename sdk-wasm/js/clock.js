// A clock that never goes back and goes on while the device sleeps, and the one timer of a client.

/** A timer cannot wait longer, in milliseconds. */
export const LONGEST = 2 ** 31 - 1;
/** A timer that comes later than this was not slow: the device slept. */
const SLEPT = 5_000;

export class Clock {
  #last = Date.now();
  #elapsed = 0;
  #timer;
  #onTick;

  /** `onTick(slept)` comes when the deadline has. */
  constructor(onTick) {
    this.#onTick = onTick;
  }

  /** Milliseconds since this clock was made. */
  now() {
    const now = Date.now();
    // Somebody may set the clock back.
    this.#elapsed += Math.max(0, now - this.#last);
    this.#last = now;
    return this.#elapsed;
  }

  /** Sets the deadline; a negative one is none. */
  wake(deadline) {
    clearTimeout(this.#timer);
    if (deadline < 0) return;
    const wait = Math.min(Math.max(0, deadline - this.now()), LONGEST);
    this.#timer = setTimeout(() => {
      // The timers of a hidden tab are slow without any sleep.
      const slept = this.now() - deadline > SLEPT && globalThis.document?.visibilityState !== "hidden";
      this.#onTick(slept);
    }, Math.ceil(wait));
  }
}

/** Calls back when the page is shown again or the device has a network again; the returned function stops that. */
export function onWake(callback) {
  const { document } = globalThis;
  const shown = () => document.visibilityState === "visible" && callback();
  document?.addEventListener?.("visibilitychange", shown);
  // A worker is told too.
  globalThis.addEventListener?.("online", callback);
  return () => {
    document?.removeEventListener?.("visibilitychange", shown);
    globalThis.removeEventListener?.("online", callback);
  };
}
