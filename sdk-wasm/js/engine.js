// Runs one core: gives it what happens, and does what it orders, in order. Decides nothing by itself.

import { Clock, LONGEST, onWake } from "./clock.js";
import { GatewayError, closedByApp, fault, isSignedOut, timedOut, trap } from "./error.js";
import { loadCore } from "./load.js";
import { Sockets } from "./sockets.js";

export const VERSION = "__VERSION__";
/** The longest first wait before the WebAssembly is loaded again, in milliseconds, as the core has it for connections. */
const BASE = 500;

export class Engine {
  #options;
  #events;
  #core;
  #loading = false;
  /** When it is loaded again, how often that has failed, and why. */
  #reload;
  #failures = 0;
  #trouble;
  /** What was asked before the core was there. */
  #early = new Set();
  #orders = [];
  #working = false;
  /** Why this engine is of no more use. */
  #dead;
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

  /** `events` receives `state(state)`, `frame(frame)`, `pending(count)` and `acknowledged(ids)`. */
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
      impossible: (code, why) => this.#fail(fault(code, why)),
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

  /** What keeps it from being connected, where nothing has failed yet. */
  get waitsFor() {
    if (!this.#core) return fault("load_failed", "the SDK's WebAssembly is not here yet", { retryable: true });
    if (this.#question) return fault("token", "the token provider has not answered yet", { retryable: true });
    return fault("connection", "the gateway has not answered yet", { retryable: true });
  }

  /** The device woke up, or has a network again. */
  woken() {
    if (this.#reload !== undefined) this.#load();
    this.#tell(core => core.woken(this.#clock.now()));
  }

  /** Does what is due: whoever's timers run on time may call it for a page whose do not. */
  tick() {
    this.#tell(core => core.tick(this.#clock.now()));
  }

  /** Ends everything; the engine is of no more use. */
  close() {
    this.#dead = closedByApp();
    this.#tell(core => core.close(this.#clock.now()));
    const core = this.#core;
    this.#stop();
    core?.free();
    // Those that a listener's call to this has left over.
    this.#refuse();
  }

  /** Begins a call; `settle` hears of its end, `settle(error, message)`. Returns how to forget it. */
  call(type, fields, timeoutMs, settle) {
    return this.#begin("call", type, fields, timeoutMs, settle);
  }

  request(type, fields, timeoutMs, settle) {
    return this.#begin("request", type, fields, timeoutMs, settle);
  }

  /** Begins a stream, which hears `subscribed(position, error)`, `ready()` and `ended(error)`. Returns its number. */
  subscribe(stream, type, fields, timeoutMs, bufferSize = this.#options.bufferSize ?? 1_000) {
    const number = ++this.#last;
    this.#streams.set(number, stream);
    const late = error => {
      this.#streams.delete(number);
      stream.subscribed(undefined, error);
    };
    this.#ask((core, rest) => {
      // It may have been let go before the core was there.
      if (!this.#streams.has(number)) return "[]";
      return core.subscribe(this.#clock.now(), number, rest, bufferSize, type, fields);
    }, timeoutMs, late);
    return number;
  }

  /** The next thing of a stream. */
  take(number) {
    if (!this.#core || !this.#streams.has(number)) return undefined;
    let text;
    try {
      text = this.#core.take(number);
    } catch (error) {
      this.#fail(trap(error));
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

  #begin(kind, type, fields, timeoutMs, settle) {
    const ticket = ++this.#last;
    this.#calls.set(ticket, settle);
    const start = (core, rest) => core[kind](this.#clock.now(), ticket, rest, type, fields);
    this.#ask(start, timeoutMs, error => this.#settle(ticket, error));
    return () => this.#calls.delete(ticket);
  }

  /** Asks the core for something; loads it where it is not here yet, and calls `late` where that takes too long. */
  #ask(what, timeoutMs = Infinity, late) {
    if (this.#dead) return queueMicrotask(() => this.#refuse());
    if (this.#core) return this.#tell(core => what(core, timeoutMs));
    const since = this.#clock.now();
    const early = { what: core => what(core, Math.max(0, timeoutMs - (this.#clock.now() - since))) };
    this.#early.add(early);
    const expire = () => {
      this.#early.delete(early);
      late(timedOut(this.#trouble ?? this.waitsFor));
    };
    if (timeoutMs <= LONGEST) early.timer = setTimeout(expire, timeoutMs);
    if (!this.#loading) this.#load();
  }

  #load() {
    this.#loading = true;
    clearTimeout(this.#reload);
    this.#reload = undefined;
    const problem = this.#sockets.problem();
    if (problem) return queueMicrotask(() => this.#fail(fault("invalid", problem)));
    this.#stopWaking ??= onWake(() => this.woken());
    // It is no longer waited for.
    if (this.#trouble) this.#tellLoading();
    loadCore(this.#options.wasmUrl).then(Core => this.#start(Core), error => this.#notLoaded(error));
  }

  #notLoaded(error) {
    if (this.#dead) return;
    if (error.retryable === false) return this.#fail(error);
    const message = `the SDK's WebAssembly could not be loaded: ${error?.message ?? error}`;
    this.#trouble = fault("load_failed", message, { retryable: true, cause: error });
    const { minMs, maxMs } = this.#options.reconnect;
    const ceiling = Math.min(maxMs, Math.max(BASE, minMs) * 2 ** this.#failures++);
    const wait = minMs + Math.random() * Math.max(0, ceiling - minMs);
    this.#reload = setTimeout(() => this.#load(), wait);
    this.#tellLoading({ cause: this.#trouble, nextAttemptAt: Math.round(Date.now() + wait) });
  }

  #tellLoading(more) {
    const status = this.#succession?.[2] ? "reconnecting" : "connecting";
    guard(() => this.#events.state({ status, ...more }));
  }

  #start(Core) {
    if (this.#dead) return;
    const seed = Array.from(crypto.getRandomValues(new Uint32Array(4)));
    const { deviceId, reconnect } = this.#options;
    const config = { seed, deviceId, name: "realtime-gateway-js", version: VERSION, reconnect: [reconnect.minMs, reconnect.maxMs] };
    try {
      this.#core = new Core(JSON.stringify(config));
      if (this.#succession) this.#core.succeed(...this.#succession);
    } catch (error) {
      return this.#fail(trap(error));
    }
    const early = [...this.#early];
    this.#early.clear();
    for (const { what, timer } of early) {
      clearTimeout(timer);
      this.#tell(what);
    }
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
      return this.#fail(trap(error));
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
        if (order.next !== undefined) state.nextAttemptAt = Date.now() + order.next - this.#clock.now();
        return guard(() => this.#events.state(state));
      }
      case "pending":
        return guard(() => this.#events.pending(order.count));
      case "acknowledged":
        return guard(() => this.#events.acknowledged(order.ids));
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
    const failed = error => {
      if (!current()) return;
      this.#question = undefined;
      this.#tell(core => core.tokenFailed(this.#clock.now(), String(error?.message ?? error), isSignedOut(error)));
    };
    answer.then(
      token => {
        if (!current()) return;
        if (typeof token !== "string") return failed("it gave no string");
        this.#question = undefined;
        this.#tell(core => core.token(this.#clock.now(), token));
      },
    ).catch(failed);
  }

  #tap(direction, connection, text) {
    guard(() => this.#events.frame({ direction, text: masked(text), connection: connection - this.#earlier, at: Date.now() }));
  }

  /** Something that cannot be overcome: the engine is of no more use. */
  #fail(cause) {
    if (this.#dead) return;
    this.#dead = cause;
    this.#stop();
    this.#refuse();
    guard(() => this.#events.state({ status: "failed", cause }));
  }

  #stop() {
    this.#core = undefined;
    clearTimeout(this.#reload);
    for (const { timer } of this.#early) clearTimeout(timer);
    this.#clock.wake(-1);
    this.#stopWaking?.();
    this.#sockets.shutAll();
    this.#question?.abort();
    this.#question = undefined;
    this.#orders.length = 0;
    this.#early.clear();
  }

  #refuse() {
    for (const ticket of [...this.#calls.keys()]) this.#settle(ticket, this.#dead);
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
