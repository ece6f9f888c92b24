// A view of a subscription. It subscribes with its first component, shares the subscription between all, and ends it a
// moment after the last one.

import { View } from "./view.js";
import { DONE, named } from "./result.js";

/** How long a view remains after its last component, in ms: long enough for a component that is mounted again. */
const LINGER_MS = 1_000;

export class SubscribedView extends View {
  /** `loading`, `live`, `failed` or `closed`. */
  status = "loading";
  error;
  /** The user of the last session. */
  userId;
  #client;
  #forget;
  #holders = new Set();
  #lingering;
  /** Whether components show the view, or have until a moment ago. */
  #isShown = false;
  #stream;
  #stopListening;

  constructor(initial, client, forget) {
    super(initial);
    this.#client = client;
    this.#forget = forget;
    this.userId = client.state.session?.userId;
    this.#stopListening = client.on("state", state => this.#stateChanged(state));
    this.#linger();
  }

  // A subclass has `open()`, which returns the stream that continues where the view is, `begun(stream)`,
  // `received(event, position)`, `wanted()` for a further component, `stopped()` for the end of the stream, `rest()`, which
  // forgets what can be loaded again, `clear()`, which forgets everything, and `isNeeded`, whether something is left that
  // cannot be loaded again.

  /** Follows the subscription for a component, until the returned function is called. */
  hold(listener, wants = {}) {
    clearTimeout(this.#lingering);
    const holder = { wants };
    const stopListening = this.subscribe(listener);
    this.#holders.add(holder);
    // Components that are mounted together are all known before the subscription begins.
    queueMicrotask(() => this.#update());
    return () => {
      stopListening();
      if (this.#holders.delete(holder) && this.#holders.size === 0) this.#linger();
    };
  }

  /** What the components want together. */
  get wants() {
    return [...this.#holders].map(holder => holder.wants);
  }

  get client() {
    return this.#client;
  }

  /** Subscribes again after the gateway has refused or ended the subscription. */
  async retry() {
    if (this.status === "failed" && this.#holders.size > 0) this.#restart();
    return DONE;
  }

  /** Subscribes again from where the view is, for a component that wants more. */
  reopen() {
    const old = this.#stream;
    if (!old) return;
    // The new stream begins before the old one ends, so that the subscription at the gateway continues.
    void this.#follow();
    void old.return();
  }

  /** Ends a view that no component shows, unless it has something to keep. */
  release() {
    if (this.#isShown || this.#holders.size > 0 || this.isNeeded) return;
    this.#stopListening();
    this.#forget();
  }

  #linger() {
    clearTimeout(this.#lingering);
    this.#lingering = setTimeout(() => {
      this.#isShown = false;
      this.#leave();
      this.rest();
      this.release();
    }, LINGER_MS);
    // Node.js does not have to wait for it.
    this.#lingering.unref?.();
  }

  #update() {
    if (this.#holders.size === 0) return;
    if (this.#isShown) return this.wanted();
    this.#isShown = true;
    this.#restart();
  }

  #restart() {
    this.#leave();
    this.status = "loading";
    this.error = undefined;
    void this.#follow();
    this.changed();
  }

  #leave() {
    const stream = this.#stream;
    this.#stream = undefined;
    void stream?.return();
  }

  async #follow() {
    const stream = (this.#stream = this.open());
    try {
      await stream.ready;
      if (stream === this.#stream) this.begun(stream);
      for await (const event of stream) {
        // The stream that has taken its place delivers the event again.
        if (stream !== this.#stream) return;
        this.received(event, stream.position);
      }
      if (stream === this.#stream) this.#ended("closed");
    } catch (error) {
      if (stream === this.#stream) this.#ended(error.code === "closed" ? "closed" : "failed", error);
    }
  }

  #ended(status, error) {
    this.#stream = undefined;
    this.stopped();
    this.status = status;
    this.error = status === "failed" ? named(error) : undefined;
    this.changed();
  }

  #stateChanged({ status, session }) {
    const isOther = session !== undefined && this.userId !== undefined && session.userId !== this.userId;
    this.userId = session?.userId ?? this.userId;
    // When the user has signed out, nothing of that user stays on the screen.
    if (status === "closed" || isOther) {
      this.#leave();
      this.clear();
    }
    if (!this.#isShown) this.release();
    else if (status === "closed") this.#ended("closed");
    else if (isOther || this.status === "closed") this.#restart();
  }
}
