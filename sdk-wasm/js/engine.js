// Runs one core: gives it what happens, and does what it orders, in order. Decides nothing by itself.

import { Clock, onWake } from "./clock.js";
import { GatewayError, closedByApp, trap } from "./error.js";
import { loadCore } from "./load.js";
import { Sockets } from "./sockets.js";

export const VERSION = "__VERSION__";

export class Engine {
  #options;
  #events;
  #core;
  #loading;
  /** What was asked before the core was there. */
  #early = [];
  #orders = [];
  #working = false;
  #closed = false;
  #last = 0;
  #calls = new Map();
  #streams = new Map();
  #sockets;
  #clock = new Clock(slept => this.#tick(slept));
  #stopWaking;
  #question;
  /** Whose successor this is, and how many attempts were made so far; those before this engine's own. */
  #succession;
  #earlier = 0;

  /** `events` hears `state(state)`, `frame(frame)` and `pending(count)`. */
  constructor(options, events) {
    this.#options = options;
    this.#events = events;
    this.#sockets = new Sockets(options, {
      opened: attempt => this.#tell(core => core.opened(this.#clock.now(), attempt)),
      frame: (attempt, text) => {
        this.#tap("in", attempt, text);
        this.#tell(core => core.frame(this.#clock.now(), attempt, text));
      },
      closed: (attempt, code) => this.#tell(core => core.closed(this.#clock.now(), attempt, code)),
      openFailed: (attempt, why) => this.#tell(core => core.openFailed(this.#clock.now(), attempt, why)),
    });
  }

  connect() {
    this.#ask(core => core.connect(this.#clock.now()));
  }

  /** Goes on as this instance, which has made at most so many attempts elsewhere. */
  succeed(...succession) {
    this.#succession = succession;
    [, this.#earlier] = succession;
    this.#core?.succeed(...succession);
  }

  /** The device woke up, or has a network again. */
  woken() {
    this.#tell(core => core.woken(this.#clock.now()));
  }

  /** Does what is due: whoever's timers run on time may call it for a page whose do not. */
  tick() {
    this.#tell(core => core.tick(this.#clock.now()));
  }

  /** Ends everything; the engine is of no more use. */
  close() {
    this.#closed = true;
    this.#tell(core => core.close(this.#clock.now()));
    const core = this.#core;
    this.#core = undefined;
    this.#stop();
    core?.free();
    // Those that a listener's call to this has left over.
    this.#end(closedByApp());
  }

  /** Begins a call; `settle` hears of its end, `settle(error, message)`. Returns how to forget it. */
  call(type, fields, timeoutMs, settle) {
    return this.#begin(settle, (core, ticket) => core.call(this.#clock.now(), ticket, timeoutMs, type, fields));
  }

  request(type, fields, timeoutMs, settle) {
    return this.#begin(settle, (core, ticket) => core.request(this.#clock.now(), ticket, timeoutMs, type, fields));
  }

  /** Begins a stream, which hears `subscribed(position, error)`, `ready()` and `ended(error)`. Returns its number. */
  subscribe(stream, type, fields, timeoutMs, bufferSize = this.#options.bufferSize ?? 1_000) {
    const number = ++this.#last;
    this.#streams.set(number, stream);
    this.#ask(core => {
      // It may have been let go before the core was there.
      if (!this.#streams.has(number)) return "[]";
      return core.subscribe(this.#clock.now(), number, timeoutMs, bufferSize, type, fields);
    });
    return number;
  }

  /** The next thing of a stream. */
  take(number) {
    if (!this.#core || !this.#streams.has(number)) return undefined;
    let text;
    try {
      text = this.#core.take(number);
    } catch (error) {
      this.#trapped(error);
      return undefined;
    }
    if (text === "") return undefined;
    const item = JSON.parse(text);
    if (item.drained) this.#tell(core => core.drained(this.#clock.now(), number));
    return item;
  }

  leave(number) {
    if (this.#streams.delete(number)) this.#tell(core => core.leave(this.#clock.now(), number));
  }

  #begin(settle, start) {
    const ticket = ++this.#last;
    this.#calls.set(ticket, settle);
    this.#ask(core => start(core, ticket));
    return () => this.#calls.delete(ticket);
  }

  /** Asks the core for something; loads it where it is not here yet. */
  #ask(what) {
    if (this.#closed) return queueMicrotask(() => this.#end(closedByApp()));
    if (this.#core) return this.#tell(what);
    this.#early.push(what);
    this.#loading ??= loadCore(this.#options.wasmUrl).then(Core => this.#start(Core), error => this.#trapped(error));
  }

  #start(Core) {
    if (this.#closed) return;
    const seed = Array.from(crypto.getRandomValues(new Uint32Array(4)));
    const { deviceId } = this.#options;
    try {
      this.#core = new Core(JSON.stringify({ seed, deviceId, name: "realtime-gateway-js", version: VERSION }));
      if (this.#succession) this.#core.succeed(...this.#succession);
    } catch (error) {
      return this.#trapped(error);
    }
    this.#stopWaking = onWake(() => this.woken());
    for (const what of this.#early.splice(0)) this.#tell(what);
  }

  #tick(slept) {
    if (slept) this.woken();
    this.tick();
  }

  /** Gives the core something, and carries out its orders: those of a listener's own calls after those before them. */
  #tell(what) {
    if (!this.#core) return;
    try {
      this.#orders.push(...JSON.parse(what(this.#core)));
      this.#clock.wake(this.#core.deadline());
    } catch (error) {
      return this.#trapped(error);
    }
    if (this.#working) return;
    this.#working = true;
    try {
      for (let order = this.#orders.shift(); order; order = this.#orders.shift()) this.#carryOut(order);
    } finally {
      this.#working = false;
    }
  }

  #carryOut(order) {
    const error = order.error && new GatewayError(order.error);
    switch (order.type) {
      case "open":
        // A fresh core after a trap goes on from here.
        if (this.#succession) this.#succession[1] = order.attempt;
        return this.#sockets.open(order.attempt);
      case "send":
        this.#tap("out", order.attempt, order.text);
        return this.#sockets.send(order.attempt, order.text);
      case "shut":
        return this.#sockets.shut(order.attempt, order.code);
      case "askToken":
        return this.#askToken();
      case "subscribed":
        return this.#streams.get(order.stream)?.subscribed(order.position, error);
      case "ready":
        return this.#streams.get(order.stream)?.ready();
      case "ended":
        return this.#streams.get(order.stream)?.ended(error);
      case "resolve":
        return this.#settle(order.ticket, error, order.message);
      case "state": {
        const state = { status: order.status };
        if (order.session) state.session = order.session;
        if (order.cause) state.cause = new GatewayError(order.cause);
        return guard(() => this.#events.state(state));
      }
      case "pending":
        return guard(() => this.#events.pending(order.count));
    }
  }

  #settle(ticket, error, message) {
    const settle = this.#calls.get(ticket);
    this.#calls.delete(ticket);
    settle?.(error, message);
  }

  #askToken() {
    this.#question?.abort();
    const question = (this.#question = new AbortController());
    const { token } = this.#options;
    const answer = new Promise(resolve => resolve(typeof token === "function" ? token({ signal: question.signal }) : token));
    const current = () => this.#question === question;
    answer.then(
      token => {
        if (!current()) return;
        if (typeof token === "string") this.#tell(core => core.token(this.#clock.now(), token));
        else this.#tell(core => core.tokenFailed(this.#clock.now(), "the token provider gave no string"));
      },
      error => {
        if (current()) this.#tell(core => core.tokenFailed(this.#clock.now(), String(error?.message ?? error)));
      },
    );
  }

  #tap(direction, connection, text) {
    guard(() => this.#events.frame({ direction, text: masked(text), connection: connection - this.#earlier, at: Date.now() }));
  }

  /** The WebAssembly has failed: everybody is told, and the next call makes a fresh instance. */
  #trapped(problem) {
    this.#core = undefined;
    this.#loading = undefined;
    this.#stop();
    const cause = trap(problem);
    this.#end(cause);
    guard(() => this.#events.state({ status: "failed", cause }));
  }

  #stop() {
    this.#clock.wake(-1);
    this.#stopWaking?.();
    this.#sockets.shutAll();
    this.#question?.abort();
    this.#question = undefined;
    this.#orders.length = 0;
    this.#early.length = 0;
  }

  #end(error) {
    for (const ticket of [...this.#calls.keys()]) this.#settle(ticket, error);
    for (const stream of [...this.#streams.values()]) stream.ended(error);
  }
}

/** A frame without the token that stands in it. */
function masked(text) {
  if (!text.includes('"authenticate"')) return text;
  const message = JSON.parse(text);
  return message.type === "authenticate" ? JSON.stringify({ ...message, token: "…" }) : text;
}

/** What a listener throws is the app's affair, and stops nothing here. */
export function guard(call) {
  try {
    call();
  } catch (error) {
    if (globalThis.reportError) globalThis.reportError(error);
    else queueMicrotask(() => { throw error; });
  }
}
