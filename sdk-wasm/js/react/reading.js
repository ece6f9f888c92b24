// What one component has read of a source. Fields that it has not read do not render it again.

export class Reading {
  #source;
  #names;
  #used;
  #actions;
  /** The values that the component shows. A new object stands for a new rendering. */
  #values;

  /** `initial` has all fields. `actions` are the names of the methods. `used` collects the fields that were read. */
  constructor(source, initial, actions, used) {
    this.#source = source;
    this.#names = Object.keys(initial);
    this.#used = used;
    const action = name => (...values) => source.view()[name](...values);
    this.#actions = Object.fromEntries(actions.map(name => [name, action(name)]));
    this.read = () => this.#take(source.snapshot());
    this.readOnServer = () => (this.#values ??= { fields: initial });
  }

  /** Returns the object for the component. */
  shown(values) {
    const getters = this.#names.map(name => [name, {
      get: () => {
        this.#used.add(name);
        return values.fields[name];
      },
      enumerable: true,
    }]);
    return Object.defineProperties({ ...this.#actions }, Object.fromEntries(getters));
  }

  #take(fields) {
    const old = this.#values?.fields;
    const isSame = old && [...this.#used].every(name => Object.is(fields[name], old[name]));
    // Fields that were not read are replaced without a new rendering, so that a later read gets their present values.
    if (isSame) this.#values.fields = fields;
    else this.#values = { fields };
    return this.#values;
  }
}
