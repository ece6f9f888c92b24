// What a test has planned for the commands that come, and what it waits for.

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

  /** Commands of this type wait from now on, and those after them of the same connection; until the returned function. */
  hold(type) {
    let release;
    const hold = { type, released: new Promise(resolve => (release = resolve)) };
    this.#holds.push(hold);
    return () => {
      this.#holds = this.#holds.filter(other => other !== hold);
      release();
    };
  }

  /** The first command of this type that no earlier call has returned; it may come later. */
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

  /** The refusal that is planned for a command. */
  refusal(type) {
    return this.#take("refusals", type)?.fault;
  }

  /** Whether the reply to a command is to be lost. */
  loses(type) {
    return Boolean(this.#take("losses", type));
  }

  /** What a command has to wait for. */
  held(type) {
    return this.#holds.find(hold => hold.type === type)?.released;
  }

  #take(which, type) {
    const list = { waiters: this.#waiters, refusals: this.#refusals, losses: this.#losses }[which];
    const at = list.findIndex(entry => entry.type === type);
    return at < 0 ? undefined : list.splice(at, 1)[0];
  }
}
