// One of the tabs that share a connection: it leads and has the connection, or follows the tab that does. This is the
// driver of the core, which decides. docs/sdk-typescript.md has the messages under "How the tabs agree".

import { Clock, onWake } from "./clock.js";
import { Election } from "./election.js";
import { Engine } from "./engine.js";
import { GatewayError, isSignedOut, plain, trap } from "./error.js";
import { Follower } from "./follower.js";
import { groupName, userOf } from "./group.js";
import { makeId } from "./id.js";
import { Leader, PROVIDER_TIMEOUT } from "./leader.js";
import { Channel } from "./channel.js";
import { loadCore } from "./load.js";

const ENDED = ["replaced", "unauthorized", "failed", "closed"];

/** Provides access to an `Engine`, in this tab or in another one. A worker counts as a tab. */
export class Tab {
  #options;
  #events;
  #id = makeId();
  #requests;
  #user;
  #joining;
  /** Resolves the token for the waiting engine, once this tab leads. */
  #begin = () => {};
  #election;
  #channel;
  /** The state machine of the core for a tab, while it is in the group. */
  #core;
  #clock = new Clock(() => this.#decide({ type: "tick" }));
  #actions = [];
  #working = false;
  #left = false;
  /** The `Leader`, while this tab leads. */
  #leader;
  /** The reign of this tab or of its leader; 0 before the first one. */
  #reign = 0;
  #state = { status: "idle" };
  #pending;
  /** The number of connections that the app has seen, and how many of them were before this reign. */
  #connections = { all: 0, before: 0 };
  /** Sends a message of this turn to the leader. */
  #toLeader;
  #life = new AbortController();

  /** `requests` are the requests of the app, which outlive this tab. */
  constructor(options, events, requests) {
    this.#options = options;
    this.#events = events;
    this.#requests = requests;
    requests.onRequest = () => this.#decide({ type: "requested" });
    requests.moveTo(this.#makeEngine(), true);
  }

  woken() {
    this.#decide({ type: "woken" });
  }

  connect() {
    this.#requests.carrier?.connect();
  }

  /** Reports that the app listens to frames from now on. */
  tapped() {
    this.#decide({ type: "changed" });
  }

  /** Leaves the group, so that another tab can lead. */
  close() {
    this.#leader?.stop();
    this.#requests.carrier?.close();
    this.detach();
  }

  /** Leaves the group like `close`, but keeps the requests for a successor of this object. */
  detach() {
    this.#decide({ type: "leave" });
    this.#leave();
  }

  /** Ends all tabs of the user. A tab that has not connected reads the user from its token. */
  signOut() {
    const out = token => {
      const group = new BroadcastChannel(groupName(this.#options, this.#user ?? userOf(token)));
      group.postMessage({ say: "out" });
      group.close();
    };
    if (this.#user !== undefined) out();
    else this.#ownToken().then(out, () => {});
  }

  #makeEngine() {
    const ours = event => value => engine === this.#requests.carrier && this.#emit(event, value);
    const options = { ...this.#options, token: ({ signal }) => this.#token(signal), fence: () => this.#fence() };
    const listeners = ["state", "frame", "pending", "acknowledged"].map(event => [event, ours(event)]);
    const engine = new Engine(options, Object.fromEntries(listeners));
    return engine;
  }

  /** Returns the token for this tab's engine. The first token determines the group of the tab. */
  async #token(signal) {
    const own = this.#ownToken(signal);
    if (this.#leader) return this.#anyToken(own);
    const token = await own;
    // A connection whose token cannot be read is never shared.
    this.#user ??= userOf(token) ?? "";
    if (this.#user !== "") await (this.#joining ??= this.#join());
    return token;
  }

  #ownToken(signal = new AbortController().signal) {
    const { token } = this.#options;
    return new Promise(resolve => resolve(typeof token === "function" ? token({ signal }) : token));
  }

  /** Returns this tab's token, or that of another tab if this tab's provider fails. */
  async #anyToken(own) {
    const mine = own.then(token => {
      if (userOf(token) === this.#user) return token;
      throw new Error(`the token provider gave ${typeof token === "string" ? "another user's token" : "no string"}`);
    });
    const late = new Promise(resolve => setTimeout(resolve, PROVIDER_TIMEOUT));
    // A user who is signed out in this tab is signed out in all tabs.
    const failed = error => {
      if (isSignedOut(error)) throw error;
    };
    return (await Promise.race([mine.catch(failed), late])) ?? (await this.#leader?.askOthers()) ?? mine;
  }

  /** Joins the group. Resolves when this tab leads. The engine of a tab that follows is closed. */
  async #join() {
    const name = groupName(this.#options, this.#user);
    const election = new Election(name, this.#id, {
      elected: () => void this.#elected(),
      deposed: () => this.#decide({ type: "deposed" }),
    });
    // If the page may not use locks, nothing is shared.
    if (!(await election.live().then(() => true, () => false))) return;
    const Core = await loadCore(this.#options.wasmUrl);
    this.#election = election;
    if (this.#left) return election.leave();
    this.#core = new Core({ instance: makeId() }, "gw_open_tab");
    this.#channel = new Channel(name, this.#id, message => this.#receive(message));
    const { signal } = this.#life;
    signal.addEventListener("abort", onWake(() => this.#decide({ type: "woken" })));
    // A worker may be suspended without an event.
    globalThis.document?.addEventListener("freeze", () => this.#decide({ type: "frozen" }), { signal });
    globalThis.document?.addEventListener("resume", () => this.#decide({ type: "resumed" }), { signal });
    this.#decide({ type: "joined" });
    await new Promise(resolve => (this.#begin = resolve));
  }

  /** Returns whether this tab's engine may open a socket, or report the close of one. */
  async #fence() {
    if (!this.#election) return true;
    const leads = await this.#election.leads();
    if (!leads && this.#leader) this.#decide({ type: "deposed" });
    return leads;
  }

  async #elected() {
    // Messages that were sent before this, such as a sign-out, are received first.
    await this.#election.live();
    this.#decide({ type: "elected", holds: await this.#election.leads(), wallClock: Date.now() });
  }

  #receive(message) {
    const { say, from, reign, instance, turn, i } = message;
    this.#decide({ type: "received", kind: say, from, reign, instance, turn, number: i }, message);
  }

  /** Passes an event to the core, and carries out its actions in order. Actions of a nested event come last. */
  #decide(head, message) {
    if (!this.#core) return;
    const hidden = (globalThis.document?.visibilityState ?? "visible") !== "visible";
    try {
      for (const action of this.#core.handle(this.#clock.now(), { ...head, hidden })) this.#actions.push([action, message]);
      this.#clock.wake(this.#core.deadline());
    } catch (error) {
      this.#requests.carrier?.close();
      this.#leave();
      return this.#events.state({ status: "failed", cause: trap(error) });
    }
    if (this.#working) return;
    this.#working = true;
    try {
      for (let next = this.#actions.shift(); next; next = this.#actions.shift()) this.#carryOut(...next);
    } finally {
      this.#working = false;
    }
  }

  #carryOut(action, message) {
    const { type, reign, instance, turn } = action;
    switch (type) {
      case "queue":
      case "steal":
      case "resign":
        return this.#election[type]();
      case "check_lock":
        return void this.#fence();
      case "hold_own_lock":
        return void this.#election.live().then(() => this.#decide({ type: "own_lock_held", turn }));
      case "seek":
        return this.#channel.send({ say: "seek", reign });
      case "announce":
        return this.#channel.send({ say: "lead", reign, instance }, action.to);
      case "ping":
        return this.#toLeader({ say: "ping", got: action.received, tapped: this.#events.tapped(), woken: action.woken });
      case "lead":
        return this.#lead(action);
      case "stop_leading":
        this.#leader.stop();
        this.#leader = undefined;
        return this.#requests.moveTo(undefined, true);
      case "follow":
        return this.#follow(action);
      case "deliver":
        return this.#deliver(message);
      case "serve":
        return this.#leader.receive(message);
      case "signed_out":
        this.#leader?.stop();
        this.#requests.carrier?.close();
        return this.#events.state({ status: "closed" });
      case "leave":
        return this.#leave();
    }
  }

  #lead({ reign, instance, first }) {
    const { status } = this.#state;
    const engine = first ? this.#requests.carrier : this.#makeEngine();
    this.#enter(reign);
    engine.succeed(instance, reign, status === "online" || status === "reconnecting");
    this.#leader = new Leader(engine, this.#user, {
      send: (to, message) => this.#channel.send({ ...message, reign }, to),
      watch: (id, signal, gone) => this.#election.until(id, signal, () => {
        gone();
        this.#channel.forget(id);
      }),
      welcome: () => ({ state: packed(this.#state), pending: this.#pending }),
    });
    if (!first) this.#requests.moveTo(engine, true);
    engine.connect();
    this.#begin();
  }

  #follow({ leader, reign, turn, doubtful }) {
    this.#enter(reign);
    let i = 0;
    this.#toLeader = message => this.#channel.send({ ...message, reign, turn, i: ++i }, leader);
    this.#toLeader({ say: "hello", tapped: this.#events.tapped() });
    this.#requests.moveTo(new Follower(this.#toLeader), doubtful);
  }

  /** Records the beginning of a reign. */
  #enter(reign) {
    if (reign !== this.#reign) this.#connections.before = this.#connections.all;
    this.#reign = reign;
  }

  /** Handles a message of the leader. */
  #deliver({ say, ...message }) {
    switch (say) {
      case "ask":
        return this.#sendToken();
      case "welcome":
        if (message.pending !== undefined) this.#emit("pending", message.pending);
        return isChange(message.state, this.#state) && this.#emit("state", unpacked(message.state));
      case "state":
        return this.#emit(say, unpacked(message.value));
      case "frame":
      case "pending":
      case "acknowledged":
        return this.#emit(say, message.value);
      default:
        return this.#requests.carrier.receive({ say, ...message });
    }
  }

  async #sendToken() {
    const send = this.#toLeader;
    send({ say: "token", token: await this.#ownToken().catch(() => {}) });
  }

  /** Handles an event for the app, from this tab's engine or from the leader. */
  #emit(event, value) {
    if (event === "state") this.#state = value;
    if (event === "pending") this.#pending = value;
    this.#leader?.push({ say: event, value: event === "state" ? packed(value) : value });
    if (event === "frame") {
      const connection = this.#connections.before + value.connection;
      this.#connections.all = Math.max(this.#connections.all, connection);
      return this.#events.frame({ ...value, connection });
    }
    if (event === "state") this.#decide({ type: "ended", ended: ENDED.includes(value.status) });
    this.#events[event](value);
  }

  /** Releases the locks and closes the channels. */
  #leave() {
    this.#left = true;
    this.#core = undefined;
    this.#leader?.stop();
    this.#leader = undefined;
    this.#clock.wake(-1);
    this.#life.abort();
    this.#election?.leave();
    this.#channel?.close();
  }
}

function isChange({ status, session, cause }, before) {
  return cause || status !== before.status || session?.sessionId !== before.session?.sessionId;
}

const packed = state => (state.cause ? { ...state, cause: plain(state.cause) } : state);
const unpacked = state => (state.cause ? { ...state, cause: new GatewayError(state.cause) } : state);
