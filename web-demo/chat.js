// The chat of one clan for one user: the log, the state of the user's own messages, and the input field.

import { errorCard } from "./codes.js";
import { el, field, time } from "./dom.js";
import { Presence } from "./presence.js";

/** The states of a message that this user sends. */
const FATES = {
  sending: ["○", "sending"],
  confirmed: ["✓", "confirmed"],
  delivered: ["✓✓", "confirmed and delivered back"],
  unknown: ["?", "unknown whether it was stored"],
  failed: ["✕", "not sent"],
};

export class Chat {
  #person;
  #clan;
  #bubbles = new Map();
  #log = el("ol", { class: "messages" });
  #scroller;
  #end;
  #error = el("div", { role: "alert" });
  #stop;
  #send;

  constructor(clanId, person, onUnread) {
    this.clanId = clanId;
    this.#person = person;
    this.onUnread = onUnread;
    this.presence = new Presence(clanId, () => person.userId);
    this.#scroller = el("div", { class: "log", role: "log", "aria-live": "polite", "aria-label": `Messages in ${clanId}`, tabIndex: 0,
      onscroll: () => this.#follow() }, this.#log);
    this.#end = el("button", { type: "button", class: "to-end", hidden: true, onclick: () => this.#toEnd() }, "New messages ↓");
    this.element = el("div", { class: "chat" }, this.presence.element,
      el("div", { class: "log-wrap" }, this.#scroller, this.#end), this.presence.typingElement, this.#error, this.#composer());
    this.#hint("Connect to see the conversation.");
  }

  #composer() {
    const { wrap, input } = field(`Message to ${this.clanId}`, { placeholder: `Message to ${this.clanId}`, maxLength: 4_000,
      disabled: true, oninput: () => this.#clan?.typing(input.value !== "") }, "field bare");
    const button = el("button", { type: "submit", class: "button primary", disabled: true }, "Send");
    this.#send = [input, button];
    return el("form", { class: "composer", onsubmit: (event) => {
      event.preventDefault();
      const text = input.value.trim();
      if (text === "" || !this.#clan) return;
      input.value = "";
      this.#clan.typing(false);
      this.#sendText(text);
    } }, wrap, button);
  }

  /** Subscribes until the person's client is closed. */
  async start() {
    this.stop();
    const ends = new AbortController();
    this.#stop = ends;
    const signal = AbortSignal.any([ends.signal, this.#person.signal]);
    this.#clan = this.#person.clanChat(this.clanId);
    for (const control of this.#send) control.disabled = false;
    this.#error.replaceChildren();
    this.#removeHints();
    this.#scroller.setAttribute("aria-busy", "true");
    try {
      const events = this.#clan.subscribe({ signal, history: 50, presence: true });
      events.ready.then(() => this.#settled(), () => this.#settled());
      for await (const event of events) this.#take(event);
    } catch (error) {
      if (!signal.aborted) this.#fail(error);
    }
  }

  #settled() {
    this.#scroller.removeAttribute("aria-busy");
    if (this.#log.childElementCount === 0) this.#hint("No messages yet. Write the first one.");
  }

  /** Ends the subscription; the messages stay visible. */
  stop() {
    this.#stop?.abort();
    this.#clan = undefined;
    this.presence.clear();
    for (const control of this.#send) control.disabled = true;
  }

  /** Removes everything, because another user connects here. */
  clear() {
    this.stop();
    this.#bubbles.clear();
    this.#log.replaceChildren();
    this.#error.replaceChildren();
  }

  /** Adds a line of the page itself to the messages. */
  note(text) {
    this.#add(el("li", { class: "note" }, text));
  }

  /** Adds a note that the first message replaces. */
  #hint(text) {
    this.#add(el("li", { class: "note hint" }, text));
  }

  #removeHints() {
    for (const hint of this.#log.querySelectorAll(".hint")) hint.remove();
  }

  #take(event) {
    this.presence.take(event);
    if (event.type === "chat") {
      this.#show(event);
    } else if (event.type === "chat_deleted") {
      const bubble = [...this.#bubbles.values()].find((it) => it.messageId === event.messageId);
      bubble?.text.replaceChildren(el("em", {}, "This message was deleted."));
    } else if (event.type === "gap") {
      this.#fillGap(event);
    }
  }

  async #fillGap(gap) {
    this.note(`Some messages are missing here (${gap.reason}); the latest are shown instead.`);
    try {
      for (const message of await gap.history({ signal: this.#stop?.signal })) this.#show(message);
    } catch (error) {
      if (!this.#stop?.signal.aborted) this.#fail(error);
    }
  }

  #show(message) {
    const isOwn = message.userId === this.#person.userId;
    const key = isOwn && message.clientMessageId ? message.clientMessageId : message.messageId;
    let bubble = this.#bubbles.get(key);
    if (!bubble) {
      this.#removeHints();
      bubble = this.#bubble(key, message.userId, message.content, isOwn);
      if (message.messageType === "SYSTEM") bubble.item.classList.add("system");
      if (!isOwn) this.onUnread();
    }
    bubble.messageId = message.messageId;
    bubble.time.replaceChildren(time(message.sentAt));
    if (isOwn) this.#fate(bubble, "delivered");
    this.#place(bubble, message.offset);
  }

  /** Moves a message to its place in the gateway's order; messages appear before they are confirmed. */
  #place(bubble, offset) {
    bubble.item.dataset.offset = String(offset);
    const atEnd = this.#isAtEnd();
    const others = [...this.#log.children].filter((item) => item !== bubble.item && item.dataset.offset);
    const later = others.find((item) => Number(item.dataset.offset) > offset);
    const earlier = others.findLast((item) => Number(item.dataset.offset) < offset);
    // A message that is in the right place is not moved: screen readers would read it again.
    if (later && follows(later, bubble.item)) later.before(bubble.item);
    else if (earlier && follows(bubble.item, earlier)) earlier.after(bubble.item);
    this.#regroup();
    if (atEnd) this.#toEnd();
  }

  #regroup() {
    let before;
    for (const item of this.#log.children) {
      item.classList.toggle("grouped", item.dataset.user !== undefined && item.dataset.user === before);
      before = item.dataset.user;
    }
  }

  #bubble(key, userId, content, isOwn) {
    const bubble = { text: el("p", { class: "text" }, content), time: el("span"), fate: el("span", { class: "fate" }), extra: el("span") };
    bubble.item = el("li", { class: isOwn ? "message own" : "message" },
      el("span", { class: "sender" }, isOwn ? `${userId} (you)` : userId),
      bubble.text,
      el("span", { class: "meta" }, bubble.time, bubble.fate, bubble.extra));
    bubble.item.dataset.user = userId;
    this.#bubbles.set(key, bubble);
    this.#add(bubble.item);
    return bubble;
  }

  #fate(bubble, fate) {
    // Confirmation and delivery may arrive in either order; delivered is final.
    if (bubble.item.dataset.fate === "delivered") return;
    const [sign, words] = FATES[fate];
    bubble.item.dataset.fate = fate;
    bubble.fate.replaceChildren(el("span", { "aria-hidden": "true" }, `${sign} `), words);
    if (fate !== "failed" && fate !== "unknown") bubble.extra.replaceChildren();
  }

  #sendText(text, again) {
    const clan = this.#clan;
    const sending = clan.send(text, { timeoutMs: 30_000, clientMessageId: again, signal: this.#person.signal });
    let bubble = this.#bubbles.get(sending.clientMessageId);
    if (!bubble) {
      this.#removeHints();
      bubble = this.#bubble(sending.clientMessageId, this.#person.userId, text, true);
      this.#regroup();
    }
    bubble.time.replaceChildren(time(Date.now()));
    this.#fate(bubble, "sending");
    this.#toEnd();
    const { signal } = this.#person;
    sending.then(() => this.#fate(bubble, "confirmed"), (error) => {
      if (signal.aborted && bubble.item.dataset.fate === "sending") this.#fate(bubble, "unknown");
      if (signal.aborted) return;
      this.#fate(bubble, error.outcome === "unknown" ? "unknown" : "failed");
      bubble.extra.replaceChildren(el("button", { type: "button", class: "button quiet small",
        onclick: () => this.#clan && this.#sendText(text, sending.clientMessageId) }, "Send again"));
      this.#fail(error);
    });
  }

  #fail(error) {
    this.#scroller.removeAttribute("aria-busy");
    this.#error.replaceChildren(errorCard(error.code ?? "failed", error.message, { onDismiss: () => this.#error.replaceChildren() }));
  }

  #add(item) {
    const atEnd = this.#isAtEnd();
    this.#log.append(item);
    if (atEnd) this.#toEnd();
    else this.#end.hidden = false;
  }

  #isAtEnd() {
    return this.#scroller.scrollHeight - this.#scroller.scrollTop - this.#scroller.clientHeight < 60;
  }

  #toEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#end.hidden = true;
  }

  #follow() {
    if (this.#isAtEnd()) this.#end.hidden = true;
  }

  /** Scrolls to the newest message when the chat becomes visible. */
  shown() {
    this.#toEnd();
  }
}

/** Whether the second element follows the first in the document. */
function follows(first, second) {
  return Boolean(first.compareDocumentPosition(second) & Node.DOCUMENT_POSITION_FOLLOWING);
}
