// The client that an app holds.

import { ClanChat, Notifications, ServiceTopic } from "./services.js";
import { Engine, guard } from "./engine.js";
import { GatewayError, closedByApp } from "./error.js";
import { canShare } from "./group.js";
import { Tab } from "./tab.js";

const ENDED = ["replaced", "unauthorized", "failed", "closed"];

export class GatewayClient {
  #options;
  #engine;
  #state = { status: "idle" };
  #listeners = { state: new Set(), frame: new Set() };
  /** Who wants to know how many notifications wait, and the number that was told last. */
  #badges = new Set();
  #pending;

  constructor(options) {
    if (!options?.url || !options?.token) throw new TypeError("a client needs a url and a token");
    this.#options = { timeoutMs: 10_000, ...options };
    if (options.onFrame) this.on("frame", options.onFrame);
    this.#engine = this.#makeEngine();
  }

  get state() {
    return this.#state;
  }

  on(event, listener, { signal } = {}) {
    const listeners = this.#listeners[event];
    if (!listeners) throw new TypeError(`there is no event ${event}`);
    // A wrapper, so that the same function may listen twice.
    const entry = value => listener(value);
    const off = () => {
      listeners.delete(entry);
      signal?.removeEventListener("abort", off);
    };
    if (signal?.aborted) return off;
    listeners.add(entry);
    if (event === "frame") this.#engine?.tapped?.();
    signal?.addEventListener("abort", off, { once: true });
    return off;
  }

  connect({ signal, timeoutMs } = {}) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      if (ENDED.includes(this.#state.status)) this.#restart();
      if (this.#state.status === "online") return resolve();
      const done = settle => {
        off();
        clearTimeout(timer);
        signal?.removeEventListener("abort", aborted);
        settle();
      };
      const aborted = () => done(() => reject(signal.reason));
      const late = () => new GatewayError({ code: "timed_out", message: "no connection in time", outcome: "not_sent", retryable: true });
      const timer = timeoutMs === undefined ? undefined : setTimeout(() => done(() => reject(late())), timeoutMs);
      const off = this.on("state", ({ status, cause }) => {
        if (status === "online") done(resolve);
        else if (ENDED.includes(status)) done(() => reject(cause ?? closedByApp()));
      });
      signal?.addEventListener("abort", aborted, { once: true });
      this.#engine.connect();
    });
  }

  notifications() {
    return new Notifications(this.#inside());
  }

  clanChat(clanId) {
    return new ClanChat(this.#inside(), clanId);
  }

  topic(service, topic) {
    return new ServiceTopic(this.#inside(), service, topic);
  }

  request(type, fields = {}, options = {}) {
    return this.#call("request", type, fields, options);
  }

  close() {
    if (this.#state.status === "closed") return;
    this.#engine.close();
    this.#become({ status: "closed" });
  }

  signOut() {
    this.#engine.signOut?.();
    this.close();
  }

  /** What the services may use. */
  #inside() {
    return {
      engine: () => this.#engine,
      call: (type, fields, options) => this.#call("call", type, fields, options),
      badge: listener => {
        this.#badges.add(listener);
        if (this.#pending !== undefined) guard(() => listener(this.#pending));
        return () => this.#badges.delete(listener);
      },
    };
  }

  #call(kind, type, fields, { signal, timeoutMs = this.#options.timeoutMs } = {}) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const aborted = () => {
        forget();
        reject(signal.reason);
      };
      const forget = this.#engine[kind](type, JSON.stringify(fields), timeoutMs, (error, message) => {
        signal?.removeEventListener("abort", aborted);
        if (error) reject(error);
        else resolve(message);
      });
      signal?.addEventListener("abort", aborted, { once: true });
    });
  }

  #makeEngine() {
    const engine = new (canShare(this.#options) ? Tab : Engine)(this.#options, {
      state: state => engine === this.#engine && this.#become(state),
      frame: frame => this.#emit("frame", frame),
      tapped: () => this.#listeners.frame.size > 0,
      pending: count => {
        this.#pending = count;
        for (const listener of [...this.#badges]) guard(() => listener(count));
      },
    });
    return engine;
  }

  #restart() {
    this.#engine.close();
    this.#pending = undefined;
    this.#state = { status: "idle" };
    this.#engine = this.#makeEngine();
  }

  #become(state) {
    // Closing says so itself, at once; and the next attempt is no news while there is none of its cause.
    if (this.#state.status === state.status && (state.status === "closed" || !(state.cause || state.session))) return;
    this.#state = state;
    this.#emit("state", state);
  }

  #emit(event, value) {
    for (const listener of [...this.#listeners[event]]) guard(() => listener(value));
  }
}
