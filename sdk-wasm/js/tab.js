// One tab of those that share a connection: it leads, and has the connection, or follows the tab that does. How they
// agree stands in docs/sdk-typescript.md under "How the tabs agree".

import { onWake } from "./clock.js";
import { Election } from "./election.js";
import { Engine } from "./engine.js";
import { GatewayError, isSignedOut, plain } from "./error.js";
import { Follower } from "./follower.js";
import { groupName, makeId, userOf } from "./group.js";
import { Leader, PATIENCE } from "./leader.js";
import { Link } from "./link.js";
import { Lookout } from "./lookout.js";

const ENDED = ["replaced", "unauthorized", "failed", "closed"];

/** Leads to an `Engine`, in this tab or in another; a worker counts as a tab. */
export class Tab {
  #options;
  #events;
  #id = makeId();
  #asked;
  #user;
  #joining;
  /** Lets the token go to the engine that waits for it, once this tab leads. */
  #begin = () => {};
  #election;
  #link;
  #left = false;
  /** While this tab leads. */
  #leader;
  /** The tab that leads, where it is another. */
  #follows;
  /** The newest reign that is known; 0 before there was one. */
  #reign = 0;
  /** What the gateway knows the connections of all reigns by. */
  #instance;
  #state = { status: "idle" };
  #pending;
  /** How many connections the app has seen, and how many of them before this reign. */
  #connections = { all: 0, before: 0 };
  /** Says something to the leader, in this turn: a turn begins with a hello, and again where something got lost. */
  #say;
  #turn = 0;
  /** How many messages of this turn have come from the leader. */
  #got = 0;
  #lookout = new Lookout(woken => this.#ask(woken), () => this.#election.steal());
  #frozen = false;
  #life = new AbortController();

  /** `asked` is what the app wants, which outlives this. */
  constructor(options, events, asked) {
    this.#options = options;
    this.#events = events;
    this.#asked = asked;
    asked.hurry = () => this.#hurry();
    asked.ask(this.#makeEngine(), true);
  }

  connect() {
    this.#asked.via?.connect();
  }

  /** Frames are looked at from now on. */
  tapped() {
    if (this.#follows) this.#look();
  }

  /** Ends this tab's part; another leads from now on. */
  close() {
    this.#leader?.stop();
    this.#asked.via?.close();
    this.#leave();
  }

  /** The same, while what this tab has asked waits for another of its kind. */
  detach() {
    this.#leave();
  }

  /** Ends every tab's part. One that has not connected asks its token whose tabs are meant. */
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
    const ours = event => value => engine === this.#asked.via && this.#happened(event, value);
    const options = { ...this.#options, token: ({ signal }) => this.#token(signal), fence: () => this.#fence() };
    const listeners = ["state", "frame", "pending", "acknowledged"].map(event => [event, ours(event)]);
    const engine = new Engine(options, Object.fromEntries(listeners));
    return engine;
  }

  /** The token for this tab's engine; with the first it is known whose tab this is. */
  async #token(signal) {
    const own = this.#ownToken(signal);
    if (this.#leader) return this.#anyToken(own);
    const token = await own;
    // One that cannot be read is not shared, now or later.
    this.#user ??= userOf(token) ?? "";
    if (this.#user !== "") await (this.#joining ??= this.#join());
    return token;
  }

  #ownToken(signal = new AbortController().signal) {
    const { token } = this.#options;
    return new Promise(resolve => resolve(typeof token === "function" ? token({ signal }) : token));
  }

  /** This tab's token, or else that of another tab. */
  async #anyToken(own) {
    const mine = own.then(token => {
      if (userOf(token) === this.#user) return token;
      throw new Error(`the token provider gave ${typeof token === "string" ? "another user's token" : "no string"}`);
    });
    const late = new Promise(resolve => setTimeout(resolve, PATIENCE));
    // Who is signed out here is signed out everywhere.
    const failed = error => {
      if (isSignedOut(error)) throw error;
    };
    return (await Promise.race([mine.catch(failed), late])) ?? (await this.#leader?.askOthers()) ?? mine;
  }

  /** Comes to the others. Ends once this tab leads; the engine of one that follows is let go. */
  async #join() {
    const name = groupName(this.#options, this.#user);
    const election = new Election(name, this.#id, {
      elected: () => void this.#elected(),
      deposed: () => this.#deposed(),
    });
    // Where a page may have no locks, it shares nothing.
    if (!(await election.live().then(() => true, () => false))) return;
    this.#election = election;
    if (this.#left) return election.leave();
    this.#link = new Link(name, this.#id, message => this.#hear(message));
    const woken = () => (this.#leader ? void this.#fence() : this.#look(true));
    const { signal } = this.#life;
    signal.addEventListener("abort", onWake(woken));
    // A worker stands still without a word.
    globalThis.document?.addEventListener("freeze", () => this.#freeze(), { signal });
    globalThis.document?.addEventListener("resume", () => this.#resume(), { signal });
    election.queue();
    this.#look();
    await new Promise(resolve => (this.#begin = resolve));
  }

  /** Whether this tab's engine may open a socket, or believe that one was closed. */
  async #fence() {
    if (!this.#election) return true;
    const leads = await this.#election.leads();
    if (!leads && this.#leader) this.#deposed();
    return leads;
  }

  async #elected() {
    // What was said before this, such as that all are signed out, has been heard after this.
    await this.#election.live();
    const leads = await this.#election.leads();
    if (this.#left) return;
    if (this.#frozen) return this.#election.resign();
    if (!leads) return this.#deposed();
    const { status } = this.#state;
    const isFirst = this.#reign === 0;
    const engine = isFirst ? this.#asked.via : this.#makeEngine();
    this.#enter(Math.max(Date.now(), this.#reign + 1), this.#instance ?? makeId());
    engine.succeed(this.#instance, this.#reign, status === "online" || status === "reconnecting");
    this.#leader = new Leader(engine, this.#user, {
      say: (to, message) => this.#link.post(to, { ...message, reign: this.#reign }),
      watch: (id, signal, gone) => this.#election.until(id, signal, () => {
        gone();
        this.#link.forget(id);
      }),
      welcome: () => ({ state: packed(this.#state), pending: this.#pending }),
    });
    this.#link.tell({ say: "lead", reign: this.#reign, instance: this.#instance });
    if (!isFirst) this.#asked.ask(engine, true);
    engine.connect();
    this.#begin();
  }

  /** Another tab leads, or will. */
  #deposed() {
    if (this.#leader) {
      this.#leader.stop();
      this.#leader = undefined;
      this.#asked.ask(undefined, true);
    }
    if (this.#left) return;
    this.#election.resign();
    if (!this.#frozen) this.#election.queue();
    this.#look();
  }

  /**
   * The browser freezes this page: it may still hear other tabs, but neither its socket nor a timer. So it leads no
   * longer than until another wants something, and is not elected.
   */
  #freeze() {
    this.#frozen = true;
    if (!this.#leader) this.#election.resign();
  }

  #resume() {
    this.#frozen = false;
    if (this.#leader) void this.#fence();
    else this.#election.queue();
    this.#look(true);
  }

  /** Follows this leader, from the beginning of a turn. */
  #adopt({ from, reign, instance }) {
    if (this.#leader) this.#deposed();
    const doubtful = this.#reign > 0;
    this.#enter(reign, instance);
    this.#follows = from;
    this.#got = 0;
    const turn = ++this.#turn;
    let i = 0;
    this.#say = message => this.#link.post(from, { ...message, reign, turn, i: ++i });
    this.#say({ say: "hello", tapped: this.#events.tapped() });
    this.#asked.ask(new Follower(this.#say), doubtful);
    this.#look();
  }

  /** A reign begins. */
  #enter(reign, instance) {
    this.#lookout.stop();
    this.#follows = undefined;
    if (reign !== this.#reign) this.#connections.before = this.#connections.all;
    this.#reign = reign;
    this.#instance = instance;
  }

  #hear(message) {
    const { say, from, reign } = message;
    if (say === "out") {
      this.close();
      return this.#events.state({ status: "closed" });
    }
    if (reign > this.#reign) {
      if (say === "lead") return this.#adopt(message);
      // Somebody knows of a leader after this one.
      if (this.#leader) this.#deposed();
    }
    if (!this.#leader) return from === this.#follows && message.turn === this.#turn && this.#obey(message);
    if (this.#frozen) return this.#deposed();
    if (say !== "seek") return reign === this.#reign && this.#leader.hear(message);
    // A tab that has ended keeps the others from coming back by themselves, until one comes that was told to.
    if (reign === 0 && isEnd(this.#state)) return this.#leave();
    return this.#link.post(from, { say: "lead", reign: this.#reign, instance: this.#instance });
  }

  /** What the leader says. */
  #obey({ say, i, ...message }) {
    this.#lookout.heard();
    this.#got += 1;
    // It takes this tab for gone, or something got lost: a page that a debugger holds loses what it is told.
    if (say === "who" || i !== this.#got) return this.#again();
    switch (say) {
      case "pong":
        return undefined;
      case "ask":
        return this.#answer();
      case "welcome":
        if (message.pending !== undefined) this.#happened("pending", message.pending);
        return isNews(message.state, this.#state) && this.#happened("state", unpacked(message.state));
      case "state":
        return this.#happened(say, unpacked(message.value));
      case "frame":
      case "pending":
      case "acknowledged":
        return this.#happened(say, message.value);
      default:
        return this.#asked.via.hear({ say, ...message });
    }
  }

  async #again() {
    const leader = { from: this.#follows, reign: this.#reign, instance: this.#instance };
    const turn = this.#turn;
    await this.#election.live();
    if (this.#follows && turn === this.#turn && !this.#left) this.#adopt(leader);
  }

  async #answer() {
    const say = this.#say;
    say({ say: "token", token: await this.#ownToken().catch(() => {}) });
  }

  #hurry() {
    if (this.#follows && !this.#left) this.#lookout.hurry();
  }

  /** Looks after the leader, or for one. */
  #look(woken) {
    if (this.#link && !this.#leader && !this.#left) this.#lookout.look(woken);
  }

  #ask(woken = false) {
    if (this.#follows) this.#say({ say: "ping", got: this.#got, tapped: this.#events.tapped(), woken });
    else this.#link.tell({ say: "seek", reign: this.#reign });
  }

  /** Something that the app is to know, from this tab's engine or from the leader. */
  #happened(event, value) {
    if (event === "state") this.#state = value;
    if (event === "pending") this.#pending = value;
    this.#leader?.push({ say: event, value: event === "state" ? packed(value) : value });
    if (event === "frame") {
      const connection = this.#connections.before + value.connection;
      this.#connections.all = Math.max(this.#connections.all, connection);
      return this.#events.frame({ ...value, connection });
    }
    if (event === "state" && this.#follows && isEnd(value)) this.#leave();
    this.#events[event](value);
  }

  /** Has no more to do with the others. */
  #leave() {
    this.#left = true;
    this.#leader?.stop();
    this.#leader = undefined;
    this.#lookout.stop();
    this.#life.abort();
    this.#election?.leave();
    this.#link?.close();
  }
}

/** Whether all is over until the app connects again. */
const isEnd = ({ status }) => ENDED.includes(status);

function isNews({ status, session, cause }, before) {
  return cause || status !== before.status || session?.sessionId !== before.session?.sessionId;
}

const packed = state => (state.cause ? { ...state, cause: plain(state.cause) } : state);
const unpacked = state => (state.cause ? { ...state, cause: new GatewayError(state.cause) } : state);
