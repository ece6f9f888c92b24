// One user of this page: a client of the SDK from its first connect to its end, and the line under it.

import { fetchToken, socketUrl } from "./gateway.js";
import { Line } from "./line.js";

/** A name for this browser's devices, the same in all tabs, so that those share a connection. */
const profile = (() => {
  const fresh = [...crypto.getRandomValues(new Uint8Array(4))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  try {
    return (localStorage.gatewayDemo ??= fresh);
  } catch {
    // A page that may store nothing is a device of its own.
    return fresh;
  }
})();

export class Person {
  #sdk;
  #on;
  #client;
  #line = new Line();
  #life = new AbortController();
  /** The line of this user may be in another tab, which has the connection of all. */
  #otherTabs;

  /** `on` has `state(state)`, `frame(frame)`, `acknowledged(ids)` and `connected()`; `sdk` is the SDK's module. */
  constructor(side, sdk, on) {
    this.#sdk = sdk;
    this.#on = on;
    // The left user and the right one never take each other's place as one device.
    this.deviceId = `demo-${side}-${profile}`;
  }

  /** The user's id as the gateway confirmed it, or else as it was asked for. */
  userId = "";

  /** Begins a new life as this user: with a pasted token, or with fresh ones from the gateway. */
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
    // How it ends stands in the state.
    client.connect({ signal: life.signal, timeoutMs: 60_000 }).catch(() => {});
    this.#on.connected();
  }

  /** Says goodbye. */
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

  /** Cuts the line without a goodbye; the SDK is left to notice, and to come back. */
  drop(milliseconds) {
    this.#line.cut(milliseconds);
    this.#otherTabs.postMessage(milliseconds);
  }

  /** Whether the line is dead because somebody here cut it. */
  get isCut() {
    return this.#line.isDead;
  }

  /** Whether a client is there, connected or not. */
  get isAlive() {
    return this.#client !== undefined;
  }

  /** Ends with this life of the client. */
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
}
