// What a client does: clan chat, notifications, topics of declared services.

import { guard } from "./engine.js";
import { makeId } from "./group.js";
import { Stream } from "./stream.js";

export class ClanChat {
  #inside;

  /** Vue's proxies leave it as it is: they could not reach private fields. */
  get __v_skip() {
    return true;
  }

  constructor(inside, clanId) {
    this.#inside = inside;
    this.clanId = clanId;
  }

  subscribe({ history, from, presence, ...options } = {}) {
    const fields = { clanId: this.clanId, history, recover: from, presence };
    return new Stream(this.#inside.asked(), "subscribe_clan_chat", fields, options, event => {
      if (event.type === "gap") {
        // Up to where the stream goes on: what comes after it the iterator brings.
        hide(event, "history", ({ limit, ...options } = {}) =>
          this.history({ ...options, limit, before: event.after.offset + 1 }).then(page => page.messages));
      }
      return event;
    });
  }

  send(content, { messageType, data, clientMessageId = makeId(), ...options } = {}) {
    const fields = { clanId: this.clanId, content, messageType, data, clientMessageId };
    return sending(clientMessageId, this.#inside.call("chat", fields, options));
  }

  typing(isTyping = true) {
    // It has no reply, and what cannot be told now is no news later.
    this.#inside.asked().call("call", "typing", JSON.stringify({ clanId: this.clanId, isTyping }), 0, () => {})();
  }

  history({ before, after, limit, ...options } = {}) {
    const asked = this.#inside.call("chat_history", { clanId: this.clanId, before, after, limit }, options);
    // The same shape as what an iterator gives, so that a view needs one way to show it.
    return asked.then(page => ({ ...page, messages: page.messages.map(chat => ({ type: "chat", ...chat })) }));
  }

  presence(options) {
    return this.#inside.call("presence", { clanId: this.clanId }, options);
  }
}

export class Notifications {
  #inside;

  /** Vue's proxies leave it as it is: they could not reach private fields. */
  get __v_skip() {
    return true;
  }

  constructor(inside) {
    this.#inside = inside;
  }

  subscribe({ onNotification, onPending, onError, ...options } = {}) {
    const stream = new Stream(this.#inside.asked(), "subscribe_notifications", {}, options, event =>
      hide(event, "ack", options => this.ack(event.id, options)));
    if (onPending) {
      const off = options.signal?.aborted ? undefined : this.#inside.badge(onPending);
      stream.over.then(off);
    }
    if (onNotification) void hand(stream, onNotification, onError);
    return stream;
  }

  async ack(ids, options) {
    const notificationIds = [ids].flat();
    if (notificationIds.length > 0) await this.#inside.call("notification_ack", { notificationIds }, options);
  }
}

export class ServiceTopic {
  #inside;

  /** Vue's proxies leave it as it is: they could not reach private fields. */
  get __v_skip() {
    return true;
  }

  constructor(inside, service, topic) {
    this.#inside = inside;
    this.service = service;
    this.topic = topic;
  }

  subscribe({ history, from, ...options } = {}) {
    const fields = { service: this.service, topic: this.topic, history, recover: from };
    return new Stream(this.#inside.asked(), "subscribe", fields, options, event => event);
  }

  publish(data, { clientMessageId = makeId(), ...options } = {}) {
    const fields = { service: this.service, topic: this.topic, data, clientMessageId };
    return sending(clientMessageId, this.#inside.call("publish", fields, options));
  }
}

/** Hands each to the callback, and goes on without waiting for it: a slow acknowledgement holds nothing back. */
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

/** A method that a copy or a comparison of the plain object does not see. */
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
