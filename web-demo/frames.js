// The log of every frame in both directions, with filters and a pause.

import { el, field, time, uniqueName } from "./dom.js";

/** How many frames are kept. */
const MOST = 500;

export class Frames {
  #entries = [];
  #waiting = [];
  #isPaused = false;
  #list = el("ol", { class: "frame-list", tabIndex: 0, "aria-label": "Frames, newest last" });
  #empty = el("p", { class: "muted empty" }, "Nothing yet. Connect a user.");
  #count = el("span", { class: "muted", role: "status" });
  #pause;
  #filter;

  constructor() {
    const text = field("Filter by text", { type: "search", placeholder: "Filter: chat, ack, offset …", oninput: () => this.#refilter() }, "field bare grow");
    const select = (label, options) => {
      const id = uniqueName("field");
      const input = el("select", { id, onchange: () => this.#refilter() }, ...options.map(([value, words]) => el("option", { value }, words)));
      return { wrap: el("div", { class: "field bare" }, el("label", { for: id }, label), input), input };
    };
    const who = select("User", [["", "Both users"], ["left", "Left user"], ["right", "Right user"]]);
    const direction = select("Direction", [["", "Both directions"], ["out", "Sent"], ["in", "Received"]]);
    const pingId = uniqueName("field");
    const pings = el("input", { type: "checkbox", id: pingId, checked: true, onchange: () => this.#refilter() });
    this.#filter = { text: text.input, who: who.input, direction: direction.input, pings };
    this.#pause = el("button", { type: "button", class: "button small", "aria-pressed": "false", onclick: () => this.#togglePause() }, "Pause");
    const clear = el("button", { type: "button", class: "button small quiet", onclick: () => this.#clear() }, "Clear");
    this.element = el("div", {},
      el("div", { class: "frame-tools" }, text.wrap, who.wrap, direction.wrap,
        el("div", { class: "check" }, pings, el("label", { for: pingId }, "Hide pings")), this.#pause, clear, this.#count),
      this.#empty, this.#list);
  }

  /** Adds a frame of one of the users. */
  add(side, userId, frame) {
    const entry = { side, userId, ...frame, type: typeOf(frame.text) };
    if (this.#isPaused) {
      this.#waiting.push(entry);
      if (this.#waiting.length > MOST) this.#waiting.shift();
      this.#pause.textContent = `Resume (${this.#waiting.length} waiting)`;
      return;
    }
    this.#show([entry]);
  }

  #show(entries) {
    this.#empty.hidden = true;
    const atEnd = this.#list.scrollHeight - this.#list.scrollTop - this.#list.clientHeight < 60;
    for (const entry of entries) {
      entry.element = row(entry);
      entry.element.hidden = !this.#passes(entry);
      this.#entries.push(entry);
      this.#list.append(entry.element);
    }
    while (this.#entries.length > MOST) this.#entries.shift().element.remove();
    if (atEnd) this.#list.scrollTop = this.#list.scrollHeight;
    this.#tell();
  }

  #passes(entry) {
    const { text, who, direction, pings } = this.#filter;
    return (!who.value || who.value === entry.side) && (!direction.value || direction.value === entry.direction)
      && !(pings.checked && ["ping", "pong"].includes(entry.type))
      && entry.text.toLowerCase().includes(text.value.trim().toLowerCase());
  }

  #refilter() {
    for (const entry of this.#entries) entry.element.hidden = !this.#passes(entry);
    this.#tell();
  }

  #tell() {
    const shown = this.#entries.filter((entry) => !entry.element.hidden).length;
    this.#count.textContent = shown === this.#entries.length ? `${shown} frames` : `${shown} of ${this.#entries.length} frames`;
  }

  #togglePause() {
    this.#isPaused = !this.#isPaused;
    this.#pause.setAttribute("aria-pressed", String(this.#isPaused));
    this.#pause.textContent = this.#isPaused ? "Resume" : "Pause";
    if (!this.#isPaused) this.#show(this.#waiting.splice(0));
  }

  #clear() {
    this.#entries = [];
    this.#waiting = [];
    this.#list.replaceChildren();
    this.#empty.hidden = false;
    this.#tell();
  }
}

function row({ side, userId, direction, text, type, at, connection }) {
  const isOut = direction === "out";
  const body = el("pre", {});
  return el("li", { class: `frame ${side} ${isOut ? "out" : "in"}${type === "error" ? " is-error" : ""}` },
    el("details", { ontoggle: () => { body.textContent ||= pretty(text); } },
      el("summary", {},
        el("span", { class: "frame-time" }, time(at)),
        el("span", { class: "frame-who" }, userId),
        el("span", { class: "frame-arrow" }, el("span", { "aria-hidden": "true" }, isOut ? "↑" : "↓"), el("span", { class: "visually-hidden" }, isOut ? " sent " : " received ")),
        el("span", { class: "frame-type" }, type),
        el("code", { class: "frame-text" }, hideToken(text)),
        el("span", { class: "frame-size muted" }, `${new Blob([text]).size} B`)),
      body, el("p", { class: "muted" }, `Connection ${connection}`)));
}

function typeOf(text) {
  try {
    return String(JSON.parse(text).type);
  } catch {
    return "not JSON";
  }
}

// The SDK hides tokens already. The page hides them as well, so that no screenshot depends on the SDK.
const hideToken = (text) => text.replace(/"token"\s*:\s*"[^"]*"/g, '"token":"…"');

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(hideToken(text)), null, 2);
  } catch {
    return text;
  }
}
