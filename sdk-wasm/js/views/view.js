// A view: what components show. It has a snapshot of its fields, and notifies its listeners of changes.

export class View {
  #snapshot;
  #isChanged = false;
  #listeners = new Set();
  /** Whether the listeners were notified in this turn of the event loop, and whether they have to be again. */
  #isResting = false;
  #isAgain = false;

  /** `initial` is the first snapshot, which all new views of a kind share. */
  constructor(initial) {
    this.#snapshot = initial;
  }

  /** Returns the fields. The object, and the value of each field, is the same one until it changes. */
  snapshot() {
    if (this.#isChanged) {
      this.#isChanged = false;
      const [old, fields] = [this.#snapshot, this.fields()];
      if (Object.keys(fields).some(name => !Object.is(fields[name], old[name]))) this.#snapshot = Object.freeze(fields);
    }
    return this.#snapshot;
  }

  /** Calls the listener after changes, and returns a function that ends this. */
  subscribe(listener) {
    // Wrapped, so that the same function can be registered twice.
    const entry = () => listener();
    this.#listeners.add(entry);
    return () => this.#listeners.delete(entry);
  }

  /** Reports that fields may have changed. */
  changed() {
    this.#isChanged = true;
    if (this.#isResting) this.#isAgain = true;
    else this.#notify();
  }

  /** Reports changes by an action of the app, which finds them shown when it continues. */
  acted() {
    this.#isChanged = true;
    this.#notify();
  }

  /** Notifies immediately and then once for each turn, so that a hundred recovered messages cause few renderings. */
  #notify() {
    this.#isAgain = false;
    if (!this.#isResting) {
      this.#isResting = true;
      setTimeout(() => {
        this.#isResting = false;
        if (this.#isAgain) this.#notify();
      });
    }
    for (const listener of [...this.#listeners]) listener();
  }
}
