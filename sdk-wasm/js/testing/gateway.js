// A gateway in memory for unit tests of apps. Clients connect to it as to a real gateway, and the test scripts its
// behaviour.

import { checked } from "./frames.js";
import { Log, clean, key, place } from "./log.js";
import { Presence } from "./presence.js";
import { Script } from "./script.js";
import { Session } from "./session.js";
import { socketClass } from "./socket.js";
import { claimsOf, makeToken } from "./token.js";

export class FakeGateway {
  /** The class for the client option `webSocket`. */
  WebSocket = socketClass(this);
  url = "ws://gateway.fake/ws";
  /** All accepted commands with their senders, oldest first, without tokens. */
  commands = [];
  #options;
  #sessions = new Set();
  #logs = new Map();
  #pending = new Map();
  #presence = new Presence(() => this.#sessions);
  /** The answers to calls, by service and method. */
  #handlers = new Map();
  #script = new Script();
  #revoked = new Set();
  #offline = false;
  #ids = 0;
  #epochs = 1;

  constructor(options = {}) {
    this.#options = { services: [], sessionsPerUser: 1, keepsHistory: () => true, ...options };
  }

  /** Returns the options for a client of this user. */
  clientOptions(userId, options = {}) {
    const { claims, ...rest } = options;
    const token = () => makeToken(userId, claims);
    return { url: this.url, token, webSocket: this.WebSocket, shareTabs: false, reconnect: { minMs: 0, maxMs: 20 }, ...rest };
  }

  token(userId, claims) {
    return makeToken(userId, claims);
  }

  // Actions of backend services and of other users.

  notify(userId, { title, message, data, id = this.id("n") }) {
    const { pending, log } = this.#notifications(userId);
    if (pending.has(id)) return pending.get(id);
    const entry = log.append(offset => checked(clean({ type: "notification", id, title, message, data, createdAt: now(), offset })));
    pending.set(id, entry);
    for (const session of this.#of(userId)) session.notification(entry);
    return entry;
  }

  chat(clanId, { userId = "system", content, messageType = userId === "system" ? "SYSTEM" : "TEXT", data, clientMessageId }) {
    return this.#append("clan_chat", clanId, offset => clean({
      type: "chat", userId, content, clanId, messageId: this.id("m"), messageType, data, sentAt: now(), offset, clientMessageId,
    }));
  }

  deleteChat(clanId, messageId) {
    const log = this.log("clan_chat", clanId);
    log.entries = log.entries.filter(entry => entry.messageId !== messageId);
    return this.#append("clan_chat", clanId, offset => ({ type: "chat_deleted", clanId, messageId, offset }));
  }

  publish(service, topic, data, { userId, clientMessageId } = {}) {
    const event = { service, topic, data, publishedAt: now(), userId, clientMessageId };
    if (this.keepsHistory(service, topic)) return this.#append(service, topic, offset => clean({ type: "event", ...event, offset }));
    const message = checked(clean({ type: "ephemeral_event", ...event }));
    for (const session of this.#sessions) session.entry(key(service, topic), message);
    return message;
  }

  answer(service, method, handler) {
    this.#handlers.set(key(service, method), handler);
  }

  handler(service, method) {
    return this.#handlers.get(key(service, method));
  }

  typing(clanId, userId, isTyping = true) {
    const message = checked({ type: "typing", userId, clanId, isTyping });
    for (const session of this.#sessions) if (session.userId !== userId) session.ephemeral(clanId, message);
  }

  /** Makes a user without a client in this test present in a clan. */
  join(clanId, userId) {
    this.#presence.join("clan_chat", clanId, userId);
  }

  leave(clanId, userId) {
    this.#presence.leave("clan_chat", clanId, userId);
  }

  messages(clanId) {
    return this.log("clan_chat", clanId).entries.filter(({ type }) => type === "chat");
  }

  pending(userId) {
    return [...this.#notifications(userId).pending.values()];
  }

  presence(clanId) {
    return this.roster("clan_chat", clanId);
  }

  roster(service, topic) {
    return this.#presence.roster(service, topic);
  }

  // Faults.

  /** Drops all connections, or those of one user. */
  disconnect({ userId, code = 1006, reason = "" } = {}) {
    for (const session of userId === undefined ? [...this.#sessions] : this.#of(userId)) session.close(code, reason);
  }

  goOffline() {
    this.#offline = true;
    this.disconnect();
  }

  goOnline() {
    this.#offline = false;
  }

  refuse(type, fault, options) {
    this.#script.refuse(type, fault, options);
  }

  loseReply(type) {
    this.#script.loseReply(type);
  }

  hold(type) {
    return this.#script.hold(type);
  }

  received(type) {
    return this.#script.received(type);
  }

  /** Asks clients to connect again, as a gateway does that shuts down. */
  drain({ reason = "draining", afterMs = 0 } = {}) {
    for (const session of this.#sessions) session.push({ type: "reconnect", reason, afterMs });
  }

  /** Expires the token of a user, so that the client has to send a fresh one. */
  expireToken(userId) {
    for (const session of this.#of(userId)) {
      session.push({ type: "error", code: "token_expired", message: "The token has expired." });
    }
  }

  /** Refuses the tokens of a user until `allow`. */
  revoke(userId) {
    this.#revoked.add(userId);
    for (const session of this.#of(userId)) session.unauthorized("The token was revoked.");
  }

  allow(userId) {
    this.#revoked.delete(userId);
  }

  /** Ends subscriptions, as if a permission was withdrawn. */
  endSubscription(userId, { service, topic, clanId }, { code = "forbidden", message = "The permission was withdrawn." } = {}) {
    for (const session of this.#of(userId)) session.end(place(service ?? (clanId ? "clan_chat" : "notifications"), topic ?? clanId), code, message);
  }

  /** Loses confirmed entries, as if the store was replaced. */
  loseStore() {
    this.#epochs += 1;
    this.#logs.clear();
    for (const session of this.#sessions) session.reset("epoch_changed");
  }

  /** Keeps only the newest messages of a clan, or entries of a topic. */
  trim({ clanId, service = "clan_chat", topic = clanId }, keep = 0) {
    this.log(service, topic).keep(keep);
  }

  /** Closes all connections. A test calls it at its end. */
  close() {
    this.goOffline();
  }

  // The interface for sessions.

  get epoch() {
    return `epoch-${this.#epochs}`;
  }

  get services() {
    return this.#options.services;
  }

  keepsHistory(service, topic) {
    return service === "clan_chat" || this.#options.keepsHistory(service, topic);
  }

  get script() {
    return this.#script;
  }

  id(prefix) {
    this.#ids += 1;
    return `${prefix}${this.#ids}`;
  }

  now() {
    return now();
  }

  log(service, topic) {
    const name = key(service, topic);
    if (!this.#logs.has(name)) this.#logs.set(name, new Log());
    return this.#logs.get(name);
  }

  accept(line) {
    return this.#offline ? undefined : new Session(this, line);
  }

  /** Returns the identity and the expiry of a token, or the reason why it is refused. */
  authenticate(token) {
    const claims = claimsOf(token);
    if (!claims) return { code: "unauthorized", message: "The token cannot be read." };
    if (this.#revoked.has(claims.sub)) return { code: "unauthorized", message: "The token was revoked." };
    const expiresAt = new Date((claims.exp ?? Math.floor(Date.now() / 1_000) + 3_600) * 1_000);
    if (expiresAt <= new Date()) return { code: "token_expired", message: "The token has expired." };
    return { claims, expiresAt: expiresAt.toISOString() };
  }

  /** Admits an authenticated session, and evicts the oldest sessions of its user. */
  admit(session) {
    const others = this.#of(session.userId);
    const own = session.instance !== undefined ? others.filter(({ instance }) => instance === session.instance) : [];
    for (const before of own) before.close(4409, "replaced");
    const left = others.filter(other => !own.includes(other));
    const tooMany = left.length + 1 - this.#options.sessionsPerUser;
    for (const oldest of left.slice(0, Math.max(0, tooMany))) oldest.close(4409, "replaced");
    this.#sessions.add(session);
  }

  dismiss(session) {
    if (!this.#sessions.has(session)) return;
    const left = [...session.subscriptions.values()].filter(({ service }) => service !== "notifications");
    // The streams end first, and then others are notified.
    const places = left.map(({ service, topic }) => [service, topic]);
    this.#presence.change(places, session.userId, () => this.#sessions.delete(session));
  }

  acknowledge(session, ids) {
    const { pending } = this.#notifications(session.userId);
    const gone = ids.filter(id => pending.delete(id));
    for (const other of this.#of(session.userId)) {
      if (other !== session && gone.length > 0) other.acknowledged(gone);
    }
  }

  notifications(userId) {
    return this.#notifications(userId);
  }

  /** Runs an action that may change the presence of a user in a clan or topic, and notifies watchers. */
  changesPresence(service, topic, userId, action, data) {
    this.#presence.change([[service, topic]], userId, action, data);
  }

  #append(service, topic, make) {
    const entry = this.log(service, topic).append(offset => checked(make(offset)));
    for (const session of this.#sessions) session.entry(key(service, topic), entry);
    return entry;
  }

  #notifications(userId) {
    if (!this.#pending.has(userId)) this.#pending.set(userId, { pending: new Map(), log: new Log(), given: new Set() });
    return this.#pending.get(userId);
  }

  #of(userId) {
    return [...this.#sessions].filter(session => session.userId === userId);
  }
}

const now = () => new Date().toISOString();
