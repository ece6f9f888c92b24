// The example service of `cargo xtask dev`: an order is placed by a call, and its events come live from the backend.

import { errorCard } from "./codes.js";
import { el, field, time, uniqueName } from "./dom.js";

const SERVICE = "orders";

/** What an event says, or undefined for one of a later version of the contract. */
function words({ type, items, totalCents, status, by, text }) {
  switch (type) {
    case "placed":
      return `${items.join(", ")} for ${(totalCents / 100).toFixed(2)} €`;
    case "status":
      return by ? `${status} by ${by}` : status;
    case "comment":
      return `“${text}”`;
    default:
      return undefined;
  }
}

export class Orders {
  #person;
  #stop;
  #orderId;
  #title = el("span", { class: "muted" });
  #list = el("ol", { class: "notes", "aria-live": "polite" });
  #result = el("p", { class: "muted", role: "status" });
  #error = el("div", { role: "alert" });
  #buttons = {};

  constructor(person) {
    this.#person = person;
    const id = uniqueName("orders");
    this.#list.setAttribute("aria-labelledby", id);
    const button = (name, text, onclick, className = "") => {
      this.#buttons[name] = el("button", { type: "button", class: `button small ${className}`, onclick }, text);
      return this.#buttons[name];
    };
    this.element = el("section", { class: "notifications", "aria-labelledby": id, hidden: true },
      el("div", { class: "row between" }, el("h3", { id }, "Order tracking ", this.#title), button("place", "Place an order", () => this.#place(), "primary")),
      el("p", { class: "muted hint" }, "A declared service, with no code in the gateway: ", el("code", {}, "docs/examples/orders"), "."),
      this.#follower(), this.#list,
      el("div", { class: "row" },
        button("comment", "Ask to ring twice", () => this.#attempt(() => this.#topic().publish({ type: "comment", text: "Please ring twice" }))),
        button("cancel", "Cancel the order", () => this.#cancel(), "danger")),
      this.#result, this.#error);
    this.stop();
  }

  #follower() {
    const { wrap, input } = field("Follow an order", { placeholder: "Order number", required: true, maxLength: 100 }, "field bare");
    return el("form", { class: "join", onsubmit: (event) => {
      event.preventDefault();
      this.#follow(input.value.trim());
      input.value = "";
    } }, wrap, el("button", { type: "submit", class: "button small" }, "Follow"));
  }

  /** Shows the section if the gateway has the service. */
  offer(services) {
    this.element.hidden = !services.includes(SERVICE);
  }

  /** Continues with the order that was shown, with the person's new client. */
  start() {
    if (this.#orderId) this.#follow(this.#orderId);
  }

  /** Ends the subscription. */
  stop() {
    this.#stop?.abort();
    this.#stop = undefined;
    for (const name of ["comment", "cancel"]) this.#buttons[name].disabled = true;
  }

  /** Removes everything, because another user connects here. */
  clear() {
    this.stop();
    this.#orderId = undefined;
    for (const part of [this.#title, this.#list, this.#result, this.#error]) part.replaceChildren();
  }

  #topic() {
    return this.#person.topic(SERVICE, `order-${this.#orderId}`);
  }

  #place() {
    return this.#attempt(async () => {
      const { orderId } = await this.#person.call(SERVICE, "place", { items: ["tea", "cups"] });
      this.#follow(orderId);
    });
  }

  #cancel() {
    return this.#attempt(async () => {
      const { refundCents } = await this.#person.call(SERVICE, "cancel", { orderId: this.#orderId });
      this.#result.textContent = `${(refundCents / 100).toFixed(2)} € will be paid back.`;
    });
  }

  #follow(orderId) {
    this.clear();
    this.#orderId = orderId;
    this.#title.textContent = orderId;
    const ends = (this.#stop = new AbortController());
    const signal = AbortSignal.any([ends.signal, this.#person.signal]);
    for (const name of ["comment", "cancel"]) this.#buttons[name].disabled = false;
    return this.#attempt(async () => {
      for await (const event of this.#topic().subscribe({ history: 20, signal })) {
        // Orders are short, so the history has what a gap lacks.
        if (event.type === "gap") return this.#follow(orderId);
        const text = event.type === "event" && words(event.data);
        if (text) this.#list.append(el("li", { class: "note-item" }, el("div", {}, text), el("p", { class: "meta" }, time(event.publishedAt))));
      }
      return undefined;
    });
  }

  /** Shows the error of an action. */
  async #attempt(action) {
    try {
      this.#error.replaceChildren();
      await action();
    } catch (error) {
      if (error?.name === "AbortError") return;
      const message = error.details?.message ?? error.message;
      this.#error.replaceChildren(errorCard(error.details?.code ?? error.code ?? "failed", message, { onDismiss: () => this.#error.replaceChildren() }));
    }
  }
}
