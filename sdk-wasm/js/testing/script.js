// The scripted behaviour for commands of a test, and the commands for which the test waits.

export class Script {
  #refusals = [];
  #losses = [];
  #holds = [];
  #waiters = [];
  #unread = [];

  refuse(type, { code, message = `refused by the test: ${code}`, ...fault }, { times = 1 } = {}) {
    for (let time = 0; time < times; time += 1) this.#refusals.push({ type, fault: { code, message, ...fault } });
  }

  loseReply(type) {
    this.#losses.push({ type });
  }

  /** Delays commands of this type, and later ones of the same connection, until the returned function is called. */
  hold(type) {
    let release;
    const hold = { type, released: new Promise(resolve => (release = resolve)) };
    this.#holds.push(hold);
    return () => {
      this.#holds = this.#holds.filter(other => other !== hold);
      release();
    };
  }

  /** Resolves with the first command of this type that no earlier call has returned. Waits if there is none yet. */
  received(type) {
    const at = this.#unread.findIndex(command => command.message.type === type);
    if (at >= 0) return Promise.resolve(...this.#unread.splice(at, 1));
    return new Promise(resolve => this.#waiters.push({ type, resolve }));
  }

  came(command) {
    const waiter = this.#take("waiters", command.message.type);
    if (waiter) waiter.resolve(command);
    else this.#unread.push(command);
  }

  /** Returns the refusal that is scripted for a command. */
  refusal(type) {
    return this.#take("refusals", type)?.fault;
  }

  /** Returns whether the reply to a command has to be lost. */
  loses(type) {
    return Boolean(this.#take("losses", type));
  }

  /** Returns the promise for which a command has to wait. */
  held(type) {
    return this.#holds.find(hold => hold.type === type)?.released;
  }

  #take(which, type) {
    const list = { waiters: this.#waiters, refusals: this.#refusals, losses: this.#losses }[which];
    const at = list.findIndex(entry => entry.type === type);
    return at < 0 ? undefined : list.splice(at, 1)[0];
  }
}
