// The driver of one core: passes events to the core, and carries out the messages of the core in order. It makes no
// decisions.

import { Clock, MAX_DELAY, onWake } from "./clock.js";
import { GatewayError, closedByApp, fault, isSignedOut, timedOut, trap } from "./error.js";
import { loadCore } from "./load.js";
import { Sockets } from "./sockets.js";

export const VERSION = "__VERSION__";
/** The initial backoff for loading the WebAssembly again, in milliseconds, as the core has it for connections. */
const INITIAL_BACKOFF = 500;

export class Engine {
  #options;
  #events;
  #core;
  #loading = false;
  /** The time of the next attempt to load the core, the number of failed attempts, and the last error. */
  #reload;
  #failures = 0;
  #loadError;
  /** Requests of the app that wait for the core to be loaded. */
  #early = new Set();
  #output = [];
  #working = false;
  /** The error with which this engine has ended, if it has. */
  #dead;
  #last = 0;
  #calls = new Map();
  #streams = new Map();
  #sockets;
  #clock = new Clock(slept => this.#tick(slept));
  #stopWaking;
  #tokenRequest;
  /**
   * The message that makes the core continue the instance of another tab, and the number of connections before its own.
   */
  #succession;

  /** `events` receives `state(state)`, `frame(frame)`, `pending(count)` and `acknowledged(ids)`. */
  constructor(options, events) {
    this.#options = options;
    this.#events = events;
    this.#sockets = new Sockets(options, {
      opened: connection => this.#handle({ type: "opened", connection }),
      frame: (connection, text) => {
        this.#tap("in", connection, text);
        this.#handle({ type: "frame", connection }, text);
      },
      closed: (connection, code) => this.#handle({ type: "closed", connection, code }),
      openFailed: (connection, message, refusal) => this.#handle({ type: "open_failed", connection, message, ...refusal }),
      impossible: (code, why) => this.#fail(fault(code, why)),
    });
  }

  connect() {
    this.#request({ type: "connect" });
  }

  /** Continues an instance that has opened at most `connections` connections in other tabs. */
  succeed(instance, connections, reconnects) {
    this.#succession = { type: "succeed", instance, connections, reconnects };
    this.#handle(this.#succession);
  }

  /** Returns the reason why the engine is not connected, if no attempt has failed yet. */
  get waitsFor() {
    if (!this.#core) return fault("load_failed", "the SDK's WebAssembly is not here yet", { retryable: true });
    if (this.#tokenRequest) return fault("token", "the token provider has not answered yet", { retryable: true });
    return fault("connection", "the gateway has not answered yet", { retryable: true });
  }

  /** Reports that the device woke up, or is online again. */
  woken() {
    if (this.#reload !== undefined) this.#load();
    this.#handle({ type: "woken" });
  }

  /** Handles due timers. A tab whose timers run on time also calls it for a leader whose timers are throttled. */
  tick() {
    this.#handle({ type: "tick" });
  }

  /** Ends the engine permanently, with all calls and streams. */
  close() {
    this.#dead = closedByApp();
    this.#handle({ type: "close" });
    const core = this.#core;
    this.#stop();
    core?.free();
    // Messages that remain if a listener has called `close`.
    this.#refuse();
  }

  /**
   * Starts a call or a request, and calls `settle(error, message)` with the result. Returns a function that forgets it.
   * A `doubtful` call may have been carried out by another engine already.
   */
  call(kind, type, fields, timeoutMs, doubtful, settle) {
    const number = ++this.#last;
    this.#calls.set(number, settle);
    const head = { type: kind, call: number, command: type, doubtful };
    this.#request(head, fields, timeoutMs, error => this.#settle(number, error));
    return () => this.#calls.delete(number);
  }

  /**
   * Starts a stream, an object with `subscribed(position, error)`, `ready()` and `ended(error)`. Returns its number.
   */
  subscribe(stream, type, fields, position, timeoutMs, bufferSize = this.#options.bufferSize ?? 1_000) {
    const number = ++this.#last;
    this.#streams.set(number, stream);
    const late = error => {
      this.#streams.delete(number);
      stream.subscribed(undefined, error);
    };
    const head = { type: "subscribe", stream: number, position, buffer: Math.min(bufferSize, MAX_DELAY), command: type };
    // The app may leave the stream before the core is loaded.
    this.#request(head, fields, timeoutMs, late, () => this.#streams.has(number));
    return number;
  }

  /** Takes the next item of a stream. */
  take(number) {
    if (!this.#core || !this.#streams.has(number)) return undefined;
    let item;
    try {
      item = this.#core.take(number);
    } catch (error) {
      this.#fail(trap(error));
    }
    if (!item) return undefined;
    if (item.due) this.tick();
    return { position: item.position, event: JSON.parse(item.body) };
  }

  leave(number) {
    if (this.#streams.delete(number)) this.#handle({ type: "leave", stream: number });
  }

  /**
   * Passes a request of the app to the core. Loads the core first if necessary, and calls `late` if that takes too
   * long.
   */
  #request(head, body, timeoutMs = Infinity, late, isWanted = () => true) {
    if (this.#dead) return queueMicrotask(() => this.#refuse());
    const until = this.#clock.now() + timeoutMs;
    const give = () => {
      const rest = Math.ceil(Math.max(0, until - this.#clock.now()));
      if (isWanted()) this.#handle({ ...head, timeoutMs: rest < MAX_DELAY ? rest : undefined }, body);
    };
    if (this.#core) return give();
    const early = { give };
    this.#early.add(early);
    const expire = () => {
      this.#early.delete(early);
      late(timedOut(this.#loadError ?? this.waitsFor, head.doubtful));
    };
    if (timeoutMs <= MAX_DELAY) early.timer = setTimeout(expire, timeoutMs);
    if (!this.#loading) this.#load();
  }

  #load() {
    this.#loading = true;
    clearTimeout(this.#reload);
    this.#reload = undefined;
    const problem = this.#sockets.problem();
    if (problem) return queueMicrotask(() => this.#fail(fault("invalid", problem)));
    this.#stopWaking ??= onWake(() => this.woken());
    // Nothing waits for the core any more.
    if (this.#loadError) this.#reportLoading();
    loadCore(this.#options.wasmUrl).then(Core => this.#start(Core), error => this.#notLoaded(error));
  }

  #notLoaded(error) {
    if (this.#dead) return;
    if (error.retryable === false) return this.#fail(error);
    const message = `the SDK's WebAssembly could not be loaded: ${error?.message ?? error}`;
    this.#loadError = fault("load_failed", message, { retryable: true, cause: error });
    const { minMs, maxMs } = this.#options.reconnect;
    const ceiling = Math.min(maxMs, Math.max(INITIAL_BACKOFF, minMs) * 2 ** this.#failures++);
    const wait = minMs + Math.random() * Math.max(0, ceiling - minMs);
    this.#reload = setTimeout(() => this.#load(), wait);
    this.#reportLoading({ cause: this.#loadError, nextAttemptAt: Math.round(Date.now() + wait) });
  }

  #reportLoading(more) {
    const status = this.#succession?.reconnects ? "reconnecting" : "connecting";
    guard(() => this.#events.state({ status, ...more }));
  }

  #start(Core) {
    if (this.#dead) return;
    const seed = Array.from(crypto.getRandomValues(new Uint32Array(4)));
    const { deviceId, reconnect } = this.#options;
    const config = { seed, deviceId, name: "realtime-gateway-js", version: VERSION, reconnect: [reconnect.minMs, reconnect.maxMs] };
    try {
      this.#core = new Core(config);
    } catch (error) {
      return this.#fail(trap(error));
    }
    if (this.#succession) this.#handle(this.#succession);
    const early = [...this.#early];
    this.#early.clear();
    for (const { give, timer } of early) {
      clearTimeout(timer);
      give();
    }
  }

  #tick(slept) {
    if (slept) this.woken();
    this.tick();
  }

  /**
   * Passes a message to the core and carries out the core's messages in order. Messages of a call by a listener come
   * last.
   */
  #handle(head, body) {
    if (!this.#core) return;
    try {
      this.#output.push(...this.#core.handle(this.#clock.now(), head, body));
      this.#clock.wake(this.#core.deadline());
    } catch (error) {
      return this.#fail(trap(error));
    }
    if (this.#working) return;
    this.#working = true;
    try {
      for (let message = this.#output.shift(); message; message = this.#output.shift()) this.#carryOut(message);
    } finally {
      this.#working = false;
    }
  }

  #carryOut({ type, connection, stream, body, ...head }) {
    const error = head.error && new GatewayError(head.error);
    switch (type) {
      case "open":
        return this.#sockets.open(connection);
      case "send":
        this.#tap("out", connection, body);
        return this.#sockets.send(connection, body);
      case "close":
        return this.#sockets.close(connection, head.code);
      case "request_token":
        return this.#requestToken();
      case "subscribed":
        return this.#streams.get(stream)?.subscribed(head.position, error);
      case "ready":
        return this.#streams.get(stream)?.ready();
      case "ended":
        return this.#streams.get(stream)?.ended(error);
      case "result":
        return this.#settle(head.call, error, body ? JSON.parse(body) : undefined);
      case "state": {
        const state = { status: head.status };
        if (body) state.session = JSON.parse(body);
        if (error) state.cause = error;
        if (head.nextAttempt !== undefined) state.nextAttemptAt = Date.now() + head.nextAttempt - this.#clock.now();
        return guard(() => this.#events.state(state));
      }
      case "pending":
        return guard(() => this.#events.pending(head.count));
      case "acknowledged":
        return guard(() => this.#events.acknowledged(head.ids));
    }
  }

  #settle(number, error, message) {
    const settle = this.#calls.get(number);
    this.#calls.delete(number);
    settle?.(error, message);
  }

  #requestToken() {
    this.#tokenRequest?.abort();
    const request = (this.#tokenRequest = new AbortController());
    const { token } = this.#options;
    // The late result of an earlier request is ignored.
    const done = head => {
      if (this.#tokenRequest !== request) return;
      this.#tokenRequest = undefined;
      this.#handle(head);
    };
    const failed = error =>
      done({ type: "token_failed", message: String(error?.message ?? error), signedOut: isSignedOut(error) });
    new Promise(resolve => resolve(typeof token === "function" ? token({ signal: request.signal }) : token))
      .then(token => (typeof token === "string" ? done({ type: "token", token }) : failed("it gave no string")))
      .catch(failed);
  }

  #tap(direction, connection, text) {
    guard(() => this.#events.frame({ direction, text: masked(text), connection: connection - (this.#succession?.connections ?? 0), at: Date.now() }));
  }

  /** Ends the engine after an error that cannot be recovered from. */
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
    this.#sockets.closeAll();
    this.#tokenRequest?.abort();
    this.#tokenRequest = undefined;
    this.#output.length = 0;
    this.#early.clear();
  }

  #refuse() {
    for (const ticket of [...this.#calls.keys()]) this.#settle(ticket, this.#dead);
  }
}

/** Returns a frame with its token masked. */
function masked(text) {
  if (!text.includes('"authenticate"')) return text;
  const message = JSON.parse(text);
  return message.type === "authenticate" ? JSON.stringify({ ...message, token: "…" }) : text;
}

/** Calls a listener. An exception of the listener is reported to the app, and does not interrupt the SDK. */
export function guard(call) {
  try {
    call();
  } catch (error) {
    if (globalThis.reportError) globalThis.reportError(error);
    else queueMicrotask(() => { throw error; });
  }
}
