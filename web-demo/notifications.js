// One user's notifications: pending and new ones, acknowledging them, and sending one to a user.

import { errorCard } from "./codes.js";
import { el, field, time, uniqueName } from "./dom.js";
import { sendNotification } from "./gateway.js";

/** The maximum number shown; acknowledged ones are removed first. */
const MOST = 20;

export class Notifications {
  #person;
  #items = new Map();
  #stop;
  #badge = el("span", { class: "badge", hidden: true });
  #list = el("ul", { class: "notes", "aria-live": "polite" });
  #empty = el("p", { class: "muted empty" }, "None yet.");
  #switch = el("button", { type: "button", class: "button quiet small", disabled: true, onclick: () => this.#toggle() }, "Subscribe");
  #error = el("div", { role: "alert" });

  constructor(person, defaultTo) {
    this.#person = person;
    const id = uniqueName("notifications");
    this.#list.setAttribute("aria-labelledby", id);
    this.element = el("section", { class: "notifications", "aria-labelledby": id },
      el("div", { class: "row between" }, el("h3", { id }, "Notifications ", this.#badge), this.#switch),
      this.#empty, this.#list, this.#error, this.#sender(defaultTo));
  }

  #sender(defaultTo) {
    const to = field("To", { value: defaultTo, required: true, maxLength: 128 });
    const title = field("Title", { value: "The gate is open", required: true, maxLength: 200 });
    const message = field("Message", { value: "Come and see.", required: true });
    const result = el("p", { class: "muted", role: "status" });
    this.sendTo = (userId) => (to.input.value = userId);
    const form = el("form", { class: "send-note", onsubmit: async (event) => {
      event.preventDefault();
      this.#error.replaceChildren();
      try {
        await sendNotification({ userId: to.input.value.trim(), title: title.input.value, message: message.input.value });
        result.textContent = `Stored for ${to.input.value.trim()}: kept until the user acknowledges it.`;
      } catch (error) {
        result.textContent = "";
        this.#fail(error);
      }
    } }, to.wrap, title.wrap, message.wrap, el("button", { type: "submit", class: "button" }, "Send notification"), result);
    return el("details", { class: "fold" }, el("summary", {}, "Send a notification to a user"), form);
  }

  /** Subscribes until the person's client is closed. */
  start() {
    this.stop();
    const ends = (this.#stop = new AbortController());
    const signal = AbortSignal.any([ends.signal, this.#person.signal]);
    this.#switch.disabled = false;
    this.#switch.textContent = "Unsubscribe";
    this.#error.replaceChildren();
    this.#person.notifications().subscribe({
      signal,
      onPending: (count) => this.#pending(count),
      onNotification: (notification) => this.#show(notification),
      onError: (error) => signal.aborted || this.#fail(error),
    });
  }

  /** Ends the subscription. */
  stop() {
    this.#stop?.abort();
    this.#stop = undefined;
    this.#switch.textContent = "Subscribe";
    this.#switch.disabled = !this.#person.isAlive;
  }

  #toggle() {
    if (this.#stop) this.stop();
    else this.start();
  }

  /** Removes everything, because another user connects here. */
  clear() {
    this.stop();
    this.#items.clear();
    this.#list.replaceChildren();
    this.#error.replaceChildren();
    this.#empty.hidden = false;
    this.#pending(0);
  }

  #pending(count) {
    this.#badge.hidden = count === 0;
    this.#badge.textContent = `${count} waiting`;
  }

  #show(notification) {
    // Delivery is at least once; the id identifies duplicates.
    if (this.#items.has(notification.id)) return;
    this.#empty.hidden = true;
    const button = el("button", { type: "button", class: "button small", "aria-label": `Acknowledge: ${notification.title}` }, "Acknowledge");
    const item = el("li", { class: "note-item" },
      el("div", {}, el("strong", {}, notification.title), el("p", {}, notification.message),
        el("p", { class: "meta" }, time(notification.createdAt), notification.redelivered && " · delivered again")),
      button);
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        await notification.ack({ signal: this.#person.signal });
        this.acknowledged([notification.id]);
      } catch (error) {
        button.disabled = false;
        this.#fail(error);
      }
    });
    item.button = button;
    this.#items.set(notification.id, item);
    this.#list.prepend(item);
    while (this.#list.childElementCount > MOST) (this.#list.querySelector(".acknowledged") ?? this.#list.lastElementChild).remove();
  }

  /** Marks notifications that were acknowledged here, in another tab, or on another device. */
  acknowledged(ids) {
    for (const item of ids.map((id) => this.#items.get(id)).filter(Boolean)) {
      item.classList.add("acknowledged");
      item.button.replaceWith(el("span", { class: "muted" }, "✓ acknowledged"));
    }
  }

  #fail(error) {
    if (error?.name === "AbortError") return;
    this.#error.replaceChildren(errorCard(error.code ?? "failed", error.message, { onDismiss: () => this.#error.replaceChildren() }));
  }
}
