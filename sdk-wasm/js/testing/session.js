// One connection to a fake gateway: answers commands, and sends the messages of its subscriptions.

import { checked, readCommand } from "./frames.js";
import { clean, key, place } from "./log.js";

/** The commands that are allowed before authentication. */
const OPEN = ["authenticate", "ping"];

export class Session {
  userId;
  instance;
  subscriptions = new Map();
  #gateway;
  #line;
  #claims;
  #gone = false;
  #turn = Promise.resolve();

  constructor(gateway, line) {
    this.#gateway = gateway;
    this.#line = line;
  }

  /** Handles a frame. Frames of one connection take effect in their order, even if one has to wait. */
  receive(text) {
    const { message, requestId, refusal } = readCommand(text);
    this.#turn = this.#turn.then(async () => {
      if (this.#gone) return;
      if (refusal) return this.push({ type: "error", ...refusal });
      const { type } = message;
      const { token, requestId: _, ...shown } = message;
      if (!this.userId && !OPEN.includes(type)) {
        return this.#refuse(message, requestId, { code: "unauthorized", message: "Authenticate first." });
      }
      const command = { userId: this.userId, message: shown };
      this.#gateway.commands.push(command);
      this.#gateway.script.came(command);
      await this.#gateway.script.held(type);
      if (this.#gone) return;
      const planned = this.#gateway.script.refusal(type);
      if (planned) return this.#refuse(message, requestId, planned);
      // The command has taken effect; only the reply is lost.
      const lost = this.#gateway.script.loses(type);
      this.#carryOut(message, reply => lost || this.push({ ...reply, requestId }), fault => this.#refuse(message, requestId, fault));
      if (lost) this.close(1006);
    });
  }

  #carryOut(message, reply, refuse) {
    const { type, clanId, service, topic } = message;
    const about = clanId !== undefined ? ["clan_chat", clanId] : [service, topic];
    if (type === "call" && this.#gateway.services.includes(service)) return this.#call(message, reply, refuse);
    const problem = type === "authenticate" || type === "notification_ack" ? undefined : this.#problem(...about);
    if (problem) return refuse(problem);
    switch (type) {
      case "authenticate":
        return this.#authenticate(message, reply);
      case "ping":
        return reply({ type: "pong", timestamp: this.#gateway.now() });
      case "subscribe_notifications":
        return this.#subscribeNotifications(reply);
      case "subscribe_clan_chat":
      case "subscribe":
        return this.#subscribe(...about, message, reply);
      case "unsubscribe_notifications":
        return this.#unsubscribe("notifications", undefined, reply);
      case "unsubscribe_clan_chat":
      case "unsubscribe":
        return this.#unsubscribe(...about, reply);
      case "chat":
      case "publish":
        return this.#send(...about, message, reply);
      case "typing":
        return this.#gateway.typing(clanId, this.userId, message.isTyping);
      case "chat_history":
        return reply(this.#history("clan_chat", clanId, message));
      case "topic_history":
        if (this.#gateway.keepsHistory(service, topic)) return reply(this.#history(service, topic, message));
        return refuse({ code: "invalid_message", message: "topic: this topic has no history", details: { field: "topic" } });
      case "presence":
      case "topic_presence":
        return reply(this.#gateway.roster(...about));
      case "notification_ack": {
        const { notificationId, notificationIds = [] } = message;
        const ids = [...(notificationId === undefined ? [] : [notificationId]), ...notificationIds];
        this.#gateway.acknowledge(this, ids);
        return reply({ type: "ack_confirmed", notificationIds: ids });
      }
    }
  }

  /** Returns the reason why this user may not use a topic, or undefined. */
  #problem(service, topic) {
    if (service === undefined) return undefined;
    const permitted = (service === "clan_chat" ? this.#claims?.clans : this.#claims?.topics?.[service]) ?? ["*"];
    if (service !== "clan_chat" && !this.#gateway.services.includes(service)) {
      return { code: "unknown_service", message: `There is no service ${service}.` };
    }
    return permitted.includes("*") || permitted.includes(topic) ? undefined : { code: "forbidden", message: "This is not permitted." };
  }

  #authenticate({ token, client }, reply) {
    const identity = this.#gateway.authenticate(token);
    const isOther = this.userId !== undefined && identity.claims && identity.claims.sub !== this.userId;
    if (!identity.claims || isOther) {
      const { code = "unauthorized", message = "The token is another user's." } = identity;
      reply({ type: "error", code, message, inReplyTo: "authenticate" });
      return this.close(4401, message);
    }
    const { claims, expiresAt } = identity;
    this.#claims = claims;
    if (this.userId !== undefined) return reply({ type: "authenticated", userId: this.userId, expiresAt });
    this.userId = claims.sub;
    this.instance = client?.instance;
    this.#gateway.admit(this);
    reply({
      type: "connected", userId: this.userId, message: "Connected to a fake gateway", sessionId: this.#gateway.id("s"),
      protocolVersion: 1, features: [], services: ["notifications", "clan_chat", ...this.#gateway.services], expiresAt,
      heartbeatIntervalMs: 25_000, maxMessageBytes: 65_536, serverTime: this.#gateway.now(),
      limits: { messagesPerSecond: 1_000, burst: 1_000, subscriptions: 1_000 },
    });
  }

  #subscribe(service, topic, { recover, history = 0, presence, presenceData }, reply) {
    const log = this.#gateway.log(service, topic);
    const recovered = recover !== undefined && recover.epoch === this.#gateway.epoch && log.reaches(recover.offset);
    const { epoch } = this.#gateway;
    const keeps = this.#gateway.keepsHistory(service, topic);
    const position = keeps ? { offset: log.head, epoch, recovered } : {};
    reply({ type: "subscription_confirmed", ...place(service, topic), status: "subscribed", ...position });
    const past = !keeps ? [] : recovered ? log.after(recover.offset) : history > 0 ? log.entries.slice(-history) : [];
    for (const entry of past) this.push(entry);
    const begin = () => this.subscriptions.set(key(service, topic), { service, topic, presence });
    this.#gateway.changesPresence(service, topic, this.userId, begin, presenceData);
    if (presence) this.push(this.#gateway.roster(service, topic));
  }

  #subscribeNotifications(reply) {
    const { pending, log, given } = this.#gateway.notifications(this.userId);
    this.subscriptions.set(key("notifications"), { service: "notifications" });
    const { epoch } = this.#gateway;
    reply({
      type: "subscription_confirmed", service: "notifications", status: "subscribed", offset: log.head, epoch, recovered: true,
      pending: pending.size,
    });
    for (const entry of pending.values()) this.notification(entry, given.has(entry.id));
  }

  #unsubscribe(service, topic, reply) {
    const end = () => this.subscriptions.delete(key(service, topic));
    if (service === "notifications") end();
    else this.#gateway.changesPresence(service, topic, this.userId, end);
    reply({ type: "subscription_confirmed", ...place(service, topic), status: "unsubscribed" });
  }

  #send(service, topic, message, reply) {
    const { clientMessageId, content, messageType = "TEXT", data } = message;
    const sent = { userId: this.userId, clientMessageId };
    if (!this.#gateway.keepsHistory(service, topic)) {
      this.#gateway.publish(service, topic, data, sent);
      return reply(clean({ type: "publish_accepted", service, topic, clientMessageId }));
    }
    const log = this.#gateway.log(service, topic);
    const before = log.sent(this.userId, clientMessageId);
    const entry = before ?? (service === "clan_chat"
      ? this.#gateway.chat(topic, { ...sent, content, messageType, data })
      : this.#gateway.publish(service, topic, data, sent));
    log.remember(this.userId, clientMessageId, entry);
    const about = service === "clan_chat" ? { clanId: topic } : { service, topic };
    reply(clean({
      type: "message_sent", messageId: entry.messageId ?? `${topic}-${entry.offset}`, ...about, offset: entry.offset, clientMessageId,
      duplicate: before ? true : undefined,
    }));
  }

  /** Answers a call by the handler of the test. Like those of a backend, answers may come in any order. */
  async #call({ service, method, data, callId }, reply, refuse) {
    const handler = this.#gateway.handler(service, method);
    if (!handler) return refuse({ code: "unknown_method", message: "The service has no such call." });
    try {
      const result = await handler(data, { userId: this.userId, callId });
      reply(clean({ type: "call_result", service, method, data: result ?? null, callId }));
    } catch ({ code = "call_failed", message, details }) {
      refuse(clean({ code, message, details }));
    }
  }

  #history(service, topic, { type, before, after, limit = 50 }) {
    const log = this.#gateway.log(service, topic);
    const all = service === "clan_chat" ? this.#gateway.messages(topic) : log.entries;
    const within = all.filter(({ offset }) => (before === undefined || offset < before) && (after === undefined || offset > after));
    const page = after === undefined ? within.slice(-limit) : within.slice(0, limit);
    const entries = page.map(({ type, ...entry }) => entry);
    const isTrimmed = after !== undefined && after < log.floor - 1;
    const { epoch } = this.#gateway;
    const about = service === "clan_chat" ? { clanId: topic, messages: entries } : { service, topic, events: entries };
    return clean({ type, ...about, epoch, hasMore: page.length < within.length, trimmed: isTrimmed || undefined });
  }

  #refuse(message, requestId, fault) {
    const { type, clanId, topic, method } = message;
    const service = method === undefined ? undefined : message.service;
    this.push({ type: "error", ...fault, inReplyTo: type, clanId, topic, service, method, requestId });
  }

  // Pushes.

  push(message) {
    if (!this.#gone) this.#line.send(JSON.stringify(checked(message)));
  }

  entry(name, entry) {
    if (this.subscriptions.has(name)) this.push(entry);
  }

  notification(entry, redelivered = false) {
    if (!this.subscriptions.has(key("notifications"))) return;
    this.#gateway.notifications(this.userId).given.add(entry.id);
    this.push(redelivered ? { ...entry, redelivered } : entry);
  }

  acknowledged(notificationIds) {
    if (this.subscriptions.has(key("notifications"))) this.push({ type: "notification_acked", notificationIds });
  }

  ephemeral(clanId, message) {
    if (this.subscriptions.has(key("clan_chat", clanId))) this.push(message);
  }

  presenceChanged(place, message) {
    if (this.subscriptions.get(place)?.presence) this.push(message);
  }

  end(where, code, message) {
    const { service, clanId, topic = clanId } = where;
    if (this.subscriptions.delete(key(service, topic))) this.push({ type: "subscription_ended", ...where, code, message });
  }

  reset(reason) {
    const { epoch } = this.#gateway;
    for (const { service, topic } of this.subscriptions.values()) {
      if (service === "notifications") continue;
      const offset = this.#gateway.log(service, topic).head;
      this.push({ type: "subscription_reset", ...place(service, topic), epoch, offset, reason });
    }
  }

  unauthorized(message) {
    this.push({ type: "error", code: "unauthorized", message });
    this.close(4401, message);
  }

  close(code, reason) {
    this.#line.close(code, reason);
    this.gone();
  }

  gone() {
    if (this.#gone) return;
    this.#gone = true;
    this.#gateway.dismiss(this);
  }
}
