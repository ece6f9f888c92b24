// The services of a client: clan chat, notifications, topics of declared services.

import { guard } from "./engine.js";
import { makeId } from "./id.js";
import { Stream } from "./stream.js";

export class ClanChat {
  #internals;

  /** Excludes the object from Vue's proxies, which cannot access private fields. */
  get __v_skip() {
    return true;
  }

  constructor(internals, clanId) {
    this.#internals = internals;
    this.clanId = clanId;
  }

  subscribe({ history, from, presence, ...options } = {}) {
    const fields = { clanId: this.clanId, history, recover: from, presence };
    return new Stream(this.#internals.requests(), "subscribe_clan_chat", fields, options, event => {
      if (event.type === "gap") {
        // Gaps end where the stream continues: the iterator returns later messages.
        hide(event, "history", ({ limit, ...options } = {}) =>
          this.history({ ...options, limit, before: event.after.offset + 1 }).then(page => page.messages));
      }
      return event;
    });
  }

  send(content, { messageType, data, clientMessageId = makeId(), ...options } = {}) {
    const fields = { clanId: this.clanId, content, messageType, data, clientMessageId };
    return sending(clientMessageId, this.#internals.call("chat", fields, options));
  }

  typing(isTyping = true) {
    // Typing has no reply, and is useless later, so errors are ignored.
    this.#internals.requests().call("call", "typing", JSON.stringify({ clanId: this.clanId, isTyping }), 0, () => {})();
  }

  history({ before, after, limit, ...options } = {}) {
    const page = this.#internals.call("chat_history", { clanId: this.clanId, before, after, limit }, options);
    // The same shape as the items of an iterator, so that a view can show both in the same way.
    return page.then(page => ({ ...page, messages: page.messages.map(chat => ({ type: "chat", ...chat })) }));
  }

  presence(options) {
    return this.#internals.call("presence", { clanId: this.clanId }, options);
  }
}

export class Notifications {
  #internals;

  /** Excludes the object from Vue's proxies, which cannot access private fields. */
  get __v_skip() {
    return true;
  }

  constructor(internals) {
    this.#internals = internals;
  }

  subscribe({ onNotification, onPending, onError, ...options } = {}) {
    const stream = new Stream(this.#internals.requests(), "subscribe_notifications", {}, options, event =>
      hide(event, "ack", options => this.ack(event.id, options)));
    if (onPending) {
      const off = options.signal?.aborted ? undefined : this.#internals.badge(onPending);
      stream.over.then(off);
    }
    if (onNotification) void hand(stream, onNotification, onError);
    return stream;
  }

  async ack(ids, options) {
    const notificationIds = [ids].flat();
    if (notificationIds.length > 0) await this.#internals.call("notification_ack", { notificationIds }, options);
  }
}

export class ServiceTopic {
  #internals;

  /** Excludes the object from Vue's proxies, which cannot access private fields. */
  get __v_skip() {
    return true;
  }

  constructor(internals, service, topic) {
    this.#internals = internals;
    this.service = service;
    this.topic = topic;
  }

  get gateway() {
    return this.#internals.client;
  }

  subscribe({ history, from, presence, presenceData, ...options } = {}) {
    const fields = { service: this.service, topic: this.topic, history, recover: from, presence, presenceData };
    return new Stream(this.#internals.requests(), "subscribe", fields, options, event => event);
  }

  publish(data, { clientMessageId = makeId(), ...options } = {}) {
    const fields = { service: this.service, topic: this.topic, data, clientMessageId };
    return sending(clientMessageId, this.#internals.call("publish", fields, options));
  }

  history({ before, after, limit, ...options } = {}) {
    const fields = { service: this.service, topic: this.topic, before, after, limit };
    const page = this.#internals.call("topic_history", fields, options);
    return page.then(page => ({ ...page, events: page.events.map(event => ({ type: "event", ...event })) }));
  }

  presence(options) {
    return this.#internals.call("topic_presence", { service: this.service, topic: this.topic }, options);
  }
}

/** Opens the stream of all subscriptions that the server makes. */
export function serverSubscriptions(internals, { signal } = {}) {
  return new Stream(internals.requests(), "server_subscriptions", {}, { signal }, event => event);
}

/**
 * Passes each notification to the callback without waiting for its end, so that a slow acknowledgement delays no other
 * notification.
 */
async function hand(stream, onNotification, onError) {
  const failed = error => guard(() => {
    if (onError) onError(error);
    else throw error;
  });
  try {
    for await (const notification of stream) {
      new Promise(resolve => resolve(onNotification(notification))).catch(failed);
    }
  } catch (error) {
    failed(error);
  }
}

/** Adds a method that is not enumerable, so that copies and comparisons of the object ignore it. */
function hide(object, name, method) {
  return Object.defineProperty(object, name, { value: method, configurable: true });
}

function sending(clientMessageId, promise) {
  const named = promise.catch(error => {
    if (error?.name === "GatewayError") error.clientMessageId = clientMessageId;
    throw error;
  });
  return Object.assign(named, { clientMessageId });
}
