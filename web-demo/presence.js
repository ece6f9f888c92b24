// Who is online in a clan, and who is typing there.

import { el } from "./dom.js";

/** Typing expires after this time (protocol, "Typing and presence"). */
const TYPING_ENDS_MS = 6_000;

export class Presence {
  #online = new Set();
  #count = 0;
  #typing = new Map();
  #self = () => "";
  #list = el("ul", { class: "online-list" });
  #summary = el("span", { class: "online-count" });
  #typingText = el("span");
  /** Who is online, as a row of names. */
  element;
  /** Who is typing, as a sentence. */
  typingElement;

  constructor(clanId, self) {
    this.#self = self;
    this.element = el("div", { class: "online", role: "group", "aria-label": `Who is online in ${clanId}` }, this.#summary, this.#list);
    const dots = el("span", { class: "typing-dots", "aria-hidden": "true" }, el("i"), el("i"), el("i"));
    this.typingElement = el("p", { class: "typing" }, dots, this.#typingText);
    this.clear();
  }

  /** Handles events that concern presence and typing. */
  take(event) {
    if (event.type === "presence") {
      this.#online = new Set(event.users.map((user) => user.userId));
      this.#count = event.count;
    } else if (event.type === "presence_changed") {
      const knew = this.#online.has(event.userId);
      if (event.status === "online" && !knew) this.#change(1, () => this.#online.add(event.userId));
      if (event.status === "offline" && knew) this.#change(-1, () => this.#online.delete(event.userId));
    } else if (event.type === "typing") {
      this.#type(event.userId, event.isTyping);
    } else if (event.type === "chat") {
      this.#type(event.userId, false);
    }
    this.#draw();
  }

  #change(by, change) {
    change();
    this.#count += by;
  }

  #type(userId, isTyping) {
    clearTimeout(this.#typing.get(userId));
    this.#typing.delete(userId);
    if (!isTyping) return;
    this.#typing.set(userId, setTimeout(() => {
      this.#typing.delete(userId);
      this.#draw();
    }, TYPING_ENDS_MS));
  }

  /** Removes all users. */
  clear() {
    this.#online.clear();
    this.#count = 0;
    for (const timer of this.#typing.values()) clearTimeout(timer);
    this.#typing.clear();
    this.#draw();
  }

  #draw() {
    const self = this.#self();
    const names = [...this.#online].sort((a, b) => (b === self) - (a === self) || a.localeCompare(b));
    this.#summary.textContent = this.#count === 0 ? "No one online" : `${this.#count} online`;
    this.#list.replaceChildren(...names.slice(0, 12).map((name) =>
      el("li", {}, el("span", { class: "dot good" }), name === self ? `${name} (you)` : name)));
    const typing = [...this.#typing.keys()];
    this.typingElement.classList.toggle("active", typing.length > 0);
    const verb = typing.length === 1 ? "is typing" : "are typing";
    this.#typingText.textContent = typing.length > 0 ? `${typing.slice(0, 3).join(", ")} ${verb}` : "";
  }
}
