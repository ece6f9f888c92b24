// One user of this page: a client of the SDK from connect to close, and its connection.

import { fetchToken, socketUrl } from "./gateway.js";
import { Line } from "./line.js";

/** A random name of this browser, the same in all tabs, so that they share a connection. */
const profile = (() => {
  const fresh = [...crypto.getRandomValues(new Uint8Array(4))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  try {
    return (localStorage.gatewayDemo ??= fresh);
  } catch {
    // A page that may not store data counts as a separate device.
    return fresh;
  }
})();

export class Person {
  #sdk;
  #on;
  #client;
  #line = new Line();
  #life = new AbortController();
  /** Reaches the other tabs of this user: one of them has the shared connection. */
  #otherTabs;

  /** `on` has `state(state)`, `frame(frame)`, `acknowledged(ids)` and `connected()`; `sdk` is the SDK's module. */
  constructor(side, sdk, on) {
    this.#sdk = sdk;
    this.#on = on;
    // Different devices, so that the left and the right user never replace each other.
    this.deviceId = `demo-${side}-${profile}`;
  }

  /** The user's id as confirmed by the gateway, or else as requested. */
  userId = "";

  /** Starts a new client for this user, with a pasted token or with fresh ones from the gateway. */
  connect({ userId, clans, token }) {
    this.#end();
    this.userId = userId;
    const { deviceId } = this;
    const life = (this.#life = new AbortController());
    this.#otherTabs = new BroadcastChannel(`line of ${userId} on ${deviceId}`);
    this.#otherTabs.onmessage = ({ data }) => this.#line.cut(data);
    const client = new this.#sdk.GatewayClient({
      url: socketUrl,
      token: token ? token : ({ signal }) => fetchToken({ userId, clans, deviceId }, signal),
      deviceId,
      webSocket: this.#line.WebSocket,
      onFrame: (frame) => this.#on.frame(frame),
    });
    this.#client = client;
    client.on("state", (state) => {
      if (life.signal.aborted) return;
      if (state.session) this.userId = state.session.userId;
      this.#on.state(state);
    }, { signal: life.signal });
    client.on("notification_acked", ({ notificationIds }) => this.#on.acknowledged(notificationIds), { signal: life.signal });
    // The state reports how this ends.
    client.connect({ signal: life.signal, timeoutMs: 60_000 }).catch(() => {});
    this.#on.connected();
  }

  /** Closes the connection. */
  disconnect() {
    this.#end();
    this.#on.state({ status: "closed" });
  }

  #end() {
    this.#life.abort();
    this.#client?.close();
    this.#client = undefined;
    this.#otherTabs?.close();
  }

  /** Cuts the connection without a close frame; the SDK has to detect it and reconnect. */
  drop(milliseconds) {
    this.#line.cut(milliseconds);
    this.#otherTabs.postMessage(milliseconds);
  }

  /** Whether the connection is down because of a cut on this page. */
  get isCut() {
    return this.#line.isDead;
  }

  /** Whether there is a client, connected or not. */
  get isAlive() {
    return this.#client !== undefined;
  }

  /** Aborted when this client is closed. */
  get signal() {
    return this.#life.signal;
  }

  /** A clan's chat. */
  clanChat(clanId) {
    return this.#client.clanChat(clanId);
  }

  /** The user's notifications. */
  notifications() {
    return this.#client.notifications();
  }

  /** A topic of a declared service. */
  topic(service, topic) {
    return this.#client.topic(service, topic);
  }

  /** Calls the backend of a declared service. */
  call(service, method, data) {
    return this.#client.call(service, method, data, { signal: this.signal });
  }
}
