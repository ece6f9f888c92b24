// Where components find their views. Views of one client and key are shared, and exist only while something needs them.

import { invalid, refusal } from "./result.js";

/** The views of each client, by key. */
const views = new WeakMap();

/** What a component shows: a view that exists or that will be made when it is needed. */
export class Source {
  #client;
  #key;
  #make;
  #initial;

  /** `make` makes the view, and gets a function that forgets it. `initial` is the snapshot while there is none. */
  constructor(client, key, make, initial) {
    this.#client = client;
    this.#key = key;
    this.#make = make;
    this.#initial = initial;
  }

  /** Reads the fields. Makes no view: rendering has no effects, and on a server nothing else happens. */
  snapshot() {
    return views.get(this.#client)?.get(this.#key)?.snapshot() ?? this.#initial;
  }

  /** Subscribes, with what the component wants from the view. Returns a function that ends it. */
  subscribe(listener, wants) {
    return this.view().hold(listener, wants);
  }

  /** Returns the view for an action. */
  view() {
    if (!views.has(this.#client)) views.set(this.#client, new Map());
    const own = views.get(this.#client);
    if (!own.has(this.#key)) {
      const view = this.#make(() => own.get(this.#key) === view && own.delete(this.#key));
      own.set(this.#key, view);
    }
    return own.get(this.#key);
  }
}

/** The source of a component that has nothing to show yet, such as a chat whose clan is not known. */
export class NoSource {
  #initial;

  constructor(initial) {
    this.#initial = initial;
  }

  snapshot() {
    return this.#initial;
  }

  subscribe() {
    return () => {};
  }

  view() {
    const refuse = async () => refusal(invalid("there is no topic yet: the hook was called without one"));
    return new Proxy({}, { get: () => refuse });
  }
}
