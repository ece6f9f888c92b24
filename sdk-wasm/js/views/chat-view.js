// The view of a clan's chat.

import { LogView } from "./log-view.js";
import { Source } from "./sources.js";
import { Typists } from "./typists.js";

const NONE = Object.freeze([]);

/** The fields before there is a subscription. */
export const NO_CHAT = Object.freeze({
  status: "loading", error: undefined, messages: NONE, hasOlder: false, isLoadingOlder: false, online: NONE, onlineCount: 0,
  typing: NONE,
});

/** Returns the source of a clan's chat. */
export const chatSource = (client, clanId) =>
  new Source(client, JSON.stringify(["chat", clanId]), forget => new ChatView(client, clanId, forget), NO_CHAT);

class ChatView extends LogView {
  #typists = new Typists(() => this.changed());

  constructor(client, clanId, forget) {
    super(NO_CHAT, client, forget);
    this.handle = client.clanChat(clanId);
  }

  fields() {
    return { ...super.fields(), messages: this.items(), typing: this.#typists.list() };
  }

  entryOf(chat) {
    return { ...chat, key: chat.messageId, status: "sent" };
  }

  /** Returns what the confirmation of a message says about it. */
  stamp({ messageId, offset }) {
    return { type: "chat", clanId: this.handle.clanId, messageId, offset, sentAt: new Date().toISOString() };
  }

  async page(options) {
    const { messages, hasMore } = await this.handle.history(options);
    return { entries: messages, hasMore };
  }

  receivedEntry(event) {
    switch (event.type) {
      case "chat":
        this.#typists.stop(event.userId);
        return this.add(event, this.isOwn(event));
      case "chat_deleted":
        return this.delete(entry => entry.messageId === event.messageId, event.messageId);
      case "typing":
        return this.#typists.receive(event);
    }
  }

  send(content, { clientMessageId, messageType = "TEXT", data, timeoutMs } = {}) {
    const item = { content, messageType, ...(data !== undefined && { data }) };
    const send = clientMessageId => this.handle.send(content, { clientMessageId, messageType, data, timeoutMs });
    return this.submit(item, send, clientMessageId);
  }

  setTyping(isTyping = true) {
    this.handle.typing(isTyping);
  }

  stopped() {
    super.stopped();
    this.#typists.clear();
  }
}
