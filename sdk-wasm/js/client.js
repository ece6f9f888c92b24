// The client that an app holds.

import { ClanChat, Notifications, ServiceTopic, serverSubscriptions } from "./services.js";
import { Engine, guard } from "./engine.js";
import { Requests } from "./requests.js";
import { closedByApp, fault } from "./error.js";
import { canShare } from "./group.js";
import { makeId } from "./id.js";
import { checked } from "./options.js";
import { Tab } from "./tab.js";

const ENDED = ["replaced", "unauthorized", "failed", "closed"];

export class GatewayClient {
  #options;
  /** The requests of the app, which outlive engines. */
  #requests;
  #engine;
  #state = { status: "idle" };
  #listeners = { state: new Set(), frame: new Set(), notification_acked: new Set() };
  /** The listeners for the number of pending notifications, and the last number. */
  #badges = new Set();
  #pending;

  constructor(options) {
    this.#options = checked(options);
    this.#requests = new Requests(options.bufferSize);
    if (options.onFrame) this.on("frame", options.onFrame);
    this.#makeEngine();
  }

  /** Excludes the object from Vue's proxies, which cannot access private fields. */
  get __v_skip() {
    return true;
  }

  get state() {
    return this.#state;
  }

  on(event, listener, { signal } = {}) {
    const listeners = this.#listeners[event];
    if (!listeners) throw new TypeError(`there is no event ${event}`);
    // Wrapped, so that the same function can be registered twice.
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
      const late = () => {
        const elsewhere = () => fault("connection", "another tab has no connection yet", { retryable: true });
        const cause = this.#state.cause ?? this.#requests.carrier?.waitsFor ?? elsewhere();
        return fault("timed_out", `no connection in time (${cause.message})`, { retryable: true, cause });
      };
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
    return new Notifications(this.#internals());
  }

  clanChat(clanId) {
    return new ClanChat(this.#internals(), clanId);
  }

  serverSubscriptions(options) {
    return serverSubscriptions(this.#internals(), options);
  }

  topic(service, topic) {
    return new ServiceTopic(this.#internals(), service, topic);
  }

  async call(service, method, data, { callId = makeId(), ...options } = {}) {
    const fields = { service, method, data, callId, timeoutMs: options.timeoutMs };
    return (await this.request("call", fields, options)).data;
  }

  request(type, fields = {}, options = {}) {
    return this.#call("request", type, fields, options);
  }

  wake() {
    this.#engine.woken();
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

  /** Returns the internal interface for the services. */
  #internals() {
    return {
      client: this,
      requests: () => this.#working(),
      call: (type, fields, options) => this.#call("call", type, fields, options),
      badge: listener => {
        // Wrapped, so that the same function can be used for two subscriptions.
        const entry = count => listener(count);
        this.#badges.add(entry);
        if (this.#pending !== undefined) guard(() => entry(this.#pending));
        return () => this.#badges.delete(entry);
      },
    };
  }

  /** Returns the requests. If the SDK itself has failed, starts again with a new engine first. */
  #working() {
    if (this.#state.cause?.code === "trap") this.#restart();
    return this.#requests;
  }

  #call(kind, type, fields, { signal, timeoutMs = this.#options.timeoutMs } = {}) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const aborted = () => {
        forget();
        reject(signal.reason);
      };
      const forget = this.#working().call(kind, type, JSON.stringify(fields), timeoutMs, (error, message) => {
        signal?.removeEventListener("abort", aborted);
        if (error) reject(error);
        else resolve(message);
      });
      signal?.addEventListener("abort", aborted, { once: true });
    });
  }

  #makeEngine() {
    const ours = listener => value => engine === this.#engine && listener(value);
    const events = {
      state: ours(state => this.#become(state)),
      frame: ours(frame => this.#emit("frame", frame)),
      tapped: () => this.#listeners.frame.size > 0,
      pending: ours(count => {
        this.#pending = count;
        for (const listener of [...this.#badges]) guard(() => listener(count));
      }),
      acknowledged: ours(notificationIds => this.#emit("notification_acked", { notificationIds })),
    };
    const engine = canShare(this.#options) ? new Tab(this.#options, events, this.#requests) : new Engine(this.#options, events);
    this.#engine = engine;
    if (engine instanceof Engine) this.#requests.moveTo(engine, true);
  }

  /** Starts again after the client has ended. Its streams continue. */
  #restart() {
    this.#engine.detach?.();
    this.#pending = undefined;
    this.#state = { status: "idle" };
    this.#makeEngine();
  }

  #become(state) {
    const { status, cause, session } = state;
    if (status === this.#state.status && !(cause || session)) {
      const { nextAttemptAt, ...old } = this.#state;
      // Closing is reported immediately. The beginning of an attempt is reported only if the app was waiting for one,
      // and the cause of the last failure is kept until an attempt succeeds.
      if (status === "closed" || nextAttemptAt === undefined) return;
      state = old;
    }
    this.#state = state;
    if (status === "closed") this.#requests.finish();
    // An error of the configuration is permanent. Other errors may be temporary.
    else if (cause?.code === "invalid") this.#requests.finish(cause);
    else if (ENDED.includes(status)) this.#requests.pause(cause);
    this.#emit("state", state);
  }

  #emit(event, value) {
    for (const listener of [...this.#listeners[event]]) guard(() => listener(value));
  }
}
