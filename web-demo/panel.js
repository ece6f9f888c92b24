// One user's half of the page: identity, connection, clans and notifications.

import { Chat } from "./chat.js";
import { errorCard } from "./codes.js";
import { el, field, time, uniqueName } from "./dom.js";
import { readToken } from "./gateway.js";
import { Notifications } from "./notifications.js";
import { Orders } from "./orders.js";
import { Person } from "./person.js";

/** The label and the style of each status. */
const STATUSES = {
  idle: ["Not connected", ""], connecting: ["Connecting …", "warn"], online: ["Online", "good"],
  reconnecting: ["Reconnecting …", "warn"], replaced: ["Replaced by another session", "bad"],
  unauthorized: ["Token refused", "bad"], failed: ["Ended", "bad"], closed: ["Disconnected", ""],
};

/** The duration of the longer cut. */
const CUT_MS = 8_000;

const split = (text) => [...new Set(text.split(/[\s,]+/).filter(Boolean))];

export class Panel {
  #person;
  #chats = new Map();
  #shown;
  #status = "idle";
  #lostAt;
  #title;
  #pill = el("p", { class: "pill", role: "status" });
  #session = el("p", { class: "session muted" });
  #error = el("div", { role: "alert" });
  #tabs = el("div", { class: "tabs", role: "tablist", "aria-label": "Clans" });
  #rooms = el("div", { class: "rooms" });
  #buttons = {};
  #identity;
  #lastUser;
  #sdk;

  /**
   * `frames` receives frames; `troubled()` is called for problems that the set-up check may explain, `changed()` for
   * every new state.
   */
  constructor({ side, label, userId, otherId, sdk, frames, troubled, changed }) {
    this.changed = changed;
    this.#sdk = sdk;
    this.troubled = troubled;
    this.#title = el("h2", { id: `title-${side}` }, userId);
    this.#person = new Person(side, sdk, {
      state: (state) => this.#state(state),
      frame: (frame) => frames.add(side, this.#person.userId, frame),
      acknowledged: (ids) => this.notifications.acknowledged(ids),
      connected: () => this.#begin(),
    });
    this.#person.userId = userId;
    this.notifications = new Notifications(this.#person, otherId);
    this.orders = new Orders(this.#person);
    this.element = el("section", { class: `person card ${side}`, id: `person-${side}`, "aria-labelledby": `title-${side}` },
      el("div", { class: "person-head" },
        el("span", { class: "avatar", "aria-hidden": "true" }, userId[0].toUpperCase()),
        el("div", { class: "who" }, el("p", { class: "eyebrow" }, label), this.#title),
        this.#pill),
      this.#session, this.#actions(), this.#identityForm(userId), this.#error,
      el("div", { class: "clan-bar" }, this.#tabs, this.#joinForm()), this.#rooms,
      this.orders.element, this.notifications.element);
    this.#state({ status: "idle" });
    for (const clan of this.clans) this.#addClan(clan);
  }

  get avatar() {
    return this.element.querySelector(".avatar");
  }

  #actions() {
    const button = (name, text, className, onclick, label) => {
      this.#buttons[name] = el("button", { type: "button", class: `button ${className}`, onclick, "aria-label": label }, text);
      return this.#buttons[name];
    };
    return el("div", { class: "actions", role: "group", "aria-label": "Connection" },
      button("connect", "Connect", "primary", () => this.connect()),
      button("drop", "Drop", "danger", () => this.#drop(0), "Drop the connection without a close frame"),
      button("cut", `Drop for ${CUT_MS / 1_000} s`, "danger", () => this.#drop(CUT_MS), `Drop for ${CUT_MS / 1_000} s: the line stays dead meanwhile`),
      button("disconnect", "Disconnect", "", () => this.disconnect()));
  }

  #identityForm(userId) {
    const users = uniqueName("users");
    const user = field("User", { value: userId, maxLength: 128, list: users });
    const clans = field("Clans in the token", { value: "wolves, ravens" });
    const tokenId = uniqueName("token");
    const token = el("textarea", { id: tokenId, rows: 3, spellcheck: false, autocomplete: "off", placeholder: "eyJ…" });
    this.#identity = { user: user.input, clans: clans.input, token };
    return el("details", { class: "fold identity", open: true }, el("summary", {}, "Identity"),
      el("form", { onsubmit: (event) => { event.preventDefault(); this.connect(); } },
        el("datalist", { id: users }, ...["alice", "bob", "carol", "dave"].map((value) => el("option", { value }))),
        el("div", { class: "pair" }, user.wrap, clans.wrap),
        el("p", { class: "muted hint" }, "The page requests a fresh token from ", el("code", {}, "POST /dev/token"), " whenever the client needs one."),
        el("details", { class: "fold inner" }, el("summary", {}, "Paste a token instead"),
          el("div", { class: "field" }, el("label", { for: tokenId }, "Token (JWT); empty to pick a user"), token)),
        el("button", { type: "submit", class: "visually-hidden", tabIndex: -1 }, "Connect as this user")));
  }

  #joinForm() {
    const { wrap, input } = field("Join another clan", { placeholder: "Join a clan", maxLength: 128, required: true }, "field bare");
    return el("form", { class: "join", onsubmit: (event) => {
      event.preventDefault();
      const [clan] = split(input.value);
      input.value = "";
      if (!clan) return;
      this.#addClan(clan);
      this.#select(clan);
    } }, wrap, el("button", { type: "submit", class: "button small" }, "Join"));
  }

  get clans() {
    return split(this.#identity.clans.value).filter((clan) => clan !== "*");
  }

  /** The pasted token, or an empty string. */
  get pastedToken() {
    return this.#identity.token.value.trim();
  }

  /** Whether the client is connected or connecting. */
  get isLive() {
    return ["connecting", "online", "reconnecting"].includes(this.#status);
  }

  /** Connects as the user of the form. */
  connect() {
    if (!this.#sdk) {
      this.#fail("no_sdk");
      return;
    }
    const token = this.pastedToken;
    const claims = token ? readToken(token) : undefined;
    const userId = claims?.sub ?? this.#identity.user.value.trim();
    if (!userId) {
      this.#fail("invalid", "the user name is empty");
      return;
    }
    if (userId !== this.#lastUser) {
      this.notifications.clear();
      this.orders.clear();
      for (const chat of this.#chats.values()) chat.clear();
    }
    this.#lastUser = userId;
    this.#showClans((claims?.clans ?? this.clans).filter((clan) => clan !== "*"));
    this.#name(userId);
    this.#person.connect({ userId, clans: split(this.#identity.clans.value), token });
  }

  #name(userId) {
    this.#title.textContent = userId;
    this.avatar.textContent = [...userId][0].toUpperCase();
  }

  #begin() {
    this.#error.replaceChildren();
    this.#lostAt = undefined;
    for (const chat of this.#chats.values()) chat.start();
    this.notifications.start();
    this.orders.start();
  }

  #drop(milliseconds) {
    this.#person.drop(milliseconds);
  }

  #state({ status, session, cause }) {
    const before = this.#status;
    this.#status = status;
    const [words, look] = STATUSES[status] ?? [status, ""];
    this.#pill.className = `pill ${look}`;
    this.#pill.replaceChildren(el("span", { class: "dot" }), el("span", {}, words));
    if (status === "online") this.#online(session);
    else this.#session.replaceChildren();
    if (status === "reconnecting" && before === "online") {
      this.#lostAt = performance.now();
      this.#noteAll("Connection lost. Reconnecting …");
    }
    const { isCut } = this.#person;
    if (cause && isCut) this.#fail("cut", "", "warn");
    else if (cause) this.#fail(cause.closeCode ?? cause.code, cause.message, this.isLive ? "warn" : "");
    else if (status === "online" || status === "closed") this.#error.replaceChildren();
    if (cause && !isCut && status !== "replaced" && before !== "online") this.troubled();
    const { isLive } = this;
    this.#buttons.connect.hidden = isLive;
    for (const name of ["drop", "cut", "disconnect"]) this.#buttons[name].hidden = !isLive;
    this.#buttons.drop.disabled = this.#buttons.cut.disabled = status !== "online";
    const identity = this.element?.querySelector(".identity");
    if (identity && status === "online") identity.open = false;
    else if (identity && status === "closed") identity.open = true;
    if (!isLive && before !== status) {
      for (const chat of this.#chats.values()) chat.stop();
      this.notifications?.stop();
      this.orders?.stop();
    }
    this.changed();
  }

  /** Closes the connection. */
  disconnect() {
    this.#person.disconnect();
  }

  #online(session) {
    if (!session) return;
    this.orders.offer(session.services);
    this.#name(session.userId);
    this.#session.replaceChildren("Session ", el("code", { title: session.sessionId }, session.sessionId.slice(-8)), " · token until ", time(session.expiresAt));
    if (this.#lostAt !== undefined) {
      const seconds = ((performance.now() - this.#lostAt) / 1_000).toFixed(1);
      this.#noteAll(`Reconnected after ${seconds} s. Missed messages follow.`);
      this.#lostAt = undefined;
    }
  }

  #noteAll(text) {
    for (const chat of this.#chats.values()) chat.note(text);
  }

  #fail(code, message, look) {
    this.#error.replaceChildren(errorCard(code, message, { look }));
  }

  /** Replaces the clans by those of a new identity. */
  #showClans(clanIds) {
    for (const clanId of [...this.#chats.keys()]) if (clanIds.length > 0 && !clanIds.includes(clanId)) this.#removeClan(clanId);
    for (const clanId of clanIds) this.#addClan(clanId);
  }

  #addClan(clanId) {
    if (this.#chats.has(clanId)) return;
    const tabId = uniqueName("tab");
    const roomId = uniqueName("room");
    const unread = el("span", { class: "unread", hidden: true });
    const tab = el("button", { type: "button", role: "tab", id: tabId, "aria-controls": roomId, class: "tab",
      onclick: () => this.#select(clanId), onkeydown: (event) => this.#tabKey(event, clanId) }, clanId, unread);
    const chat = new Chat(clanId, this.#person, () => {
      if (this.#shown === clanId) return;
      unread.hidden = false;
      unread.textContent = String(Number(unread.textContent || 0) + 1);
    });
    const leave = el("button", { type: "button", class: "button quiet small leave", onclick: () => this.#leave(clanId) }, `Leave ${clanId}`);
    chat.presence.element.append(leave);
    Object.assign(chat, { tab, unread, room: el("div", { role: "tabpanel", id: roomId, "aria-labelledby": tabId, hidden: true }, chat.element) });
    this.#chats.set(clanId, chat);
    this.#tabs.append(tab);
    this.#rooms.append(chat.room);
    if (this.#person.isAlive) chat.start();
    this.#select(this.#shown ?? clanId);
  }

  #leave(clanId) {
    this.#removeClan(clanId);
    this.#chats.get(this.#shown)?.tab.focus();
  }

  #removeClan(clanId) {
    const chat = this.#chats.get(clanId);
    chat.stop();
    chat.tab.remove();
    chat.room.remove();
    this.#chats.delete(clanId);
    if (this.#shown !== clanId) return;
    [this.#shown] = this.#chats.keys();
    if (this.#shown) this.#select(this.#shown);
  }

  #select(clanId) {
    this.#shown = clanId;
    for (const [id, chat] of this.#chats) {
      const isShown = id === clanId;
      chat.room.hidden = !isShown;
      chat.tab.setAttribute("aria-selected", String(isShown));
      chat.tab.tabIndex = isShown ? 0 : -1;
      if (isShown) {
        chat.unread.hidden = true;
        chat.unread.textContent = "";
        chat.shown();
      }
    }
  }

  #tabKey(event, clanId) {
    const ids = [...this.#chats.keys()];
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = ids[(ids.indexOf(clanId) + step + ids.length) % ids.length];
    this.#select(next);
    this.#chats.get(next).tab.focus();
  }
}
