// A view of a clan's chat or of a topic: its entries, what the user has sent, and who is there.

import { SubscribedView } from "./subscribed-view.js";
import { Drafts } from "./drafts.js";
import { Log } from "./log.js";
import { DONE, attempt, invalid, named, refusal } from "./result.js";
import { Roster } from "./roster.js";

/** The number of past entries with which a view begins. */
const HISTORY = 50;
/** The number of entries that a view keeps. Loading older ones raises it. */
const LIMIT = 1_000;
/** The largest page of the history. */
const PAGE = 100;
/** The number of entries that a view loads after a gap, at most. */
const MAX_RELOAD = 500;
/** The wait before the history is requested again, if the gateway names none, in ms. */
const RETRY_MS = 1_000;

const NO_ENTRIES = Object.freeze([]);

/** Returns the wants that meet those of all components. */
function merged(all) {
  const longest = (name, usual) => Math.max(...all.map(wants => wants[name] ?? usual), all.length > 0 ? 0 : usual);
  const presenceData = all.map(wants => wants.presenceData).filter(data => data !== undefined).pop();
  const presence = presenceData !== undefined || all.some(wants => wants.presence) || undefined;
  return { history: longest("history", HISTORY), limit: longest("limit", LIMIT), presence, presenceData };
}

export class LogView extends SubscribedView {
  log = new Log();
  roster = new Roster();
  #drafts = new Drafts();
  #items = NO_ENTRIES;
  #parts = [];
  /** The position of the last entry, from which another stream continues. */
  #position;
  /** What the components want together. */
  #want = merged([]);
  /** Entries from this offset on are loaded, as far as they exist. */
  #loadedFrom = 1;
  /** A reload of the entries goes back to this offset at most. */
  #beginsAfter = 0;
  #hasLost = false;
  #hasOlder = false;
  #isLoadingOlder = false;
  #extra = 0;
  /** Ends a reload when the view is reset, or has to begin another one. */
  #reload;
  /** Ids of entries that were deleted while a page of the history was on its way. */
  #deleted = new Set();

  /** The position after which the view begins, instead of with the newest entries. */
  from;

  // A subclass has `handle`, the clan or topic of the SDK, `page(options)`, which returns `{entries, hasMore}` of its
  // history, and `entryOf(event)`, which returns the entry of an event for the list.

  /** Whether no entry was lost: what the history still has is read again after a gap. */
  get isComplete() {
    return !this.#hasLost;
  }

  get isNeeded() {
    return !this.#drafts.isEmpty;
  }

  /** Returns the entries and then the unconfirmed ones. It is the same array until one changes. */
  items() {
    const parts = [this.log.list(), this.#drafts.list()];
    if (parts.some((part, at) => part !== this.#parts[at])) {
      this.#parts = parts;
      this.#items = parts.flat();
    }
    return this.#items;
  }

  fields() {
    return {
      status: this.status, error: this.error, hasOlder: this.#hasOlder, isLoadingOlder: this.#isLoadingOlder,
      online: this.roster.list(), onlineCount: this.roster.count,
    };
  }

  open() {
    this.#want = merged(this.wants);
    const { presence, presenceData } = this.#want;
    return this.handle.subscribe({ from: this.#position ?? this.from, presence, presenceData });
  }

  /** Gets what a further component wants in addition: more history, presence, or other data of the user. */
  wanted() {
    const [before, want] = [this.#want, merged(this.wants)];
    const isMore = want.presence && (!before.presence || JSON.stringify(want.presenceData) !== JSON.stringify(before.presenceData));
    if (isMore) this.reopen();
    else this.#want = { ...want, presence: before.presence, presenceData: before.presenceData };
    if (want.history > before.history && this.#position && !this.from) {
      void this.#load(this.#position.offset, Math.max(want.history, this.log.size));
    }
  }

  begun(stream) {
    // The subscription was confirmed before, or the service keeps no history.
    if (this.#position || !stream.position) return this.#reload ? undefined : this.#live();
    this.#position = stream.position;
    if (!this.from) return void this.#load(stream.position.offset, this.#want.history);
    // What is after the position comes as events. If some of it is lost, a gap says so.
    const { offset } = this.from;
    this.#beginsAfter = offset;
    this.#loadedFrom = offset + 1;
    this.#hasOlder = offset > 0;
    this.#live();
  }

  received(event, position) {
    this.#position = position ?? this.#position;
    if (event.type === "gap") this.#gap(event);
    else if (!this.roster.receive(event)) this.receivedEntry(event);
    this.changed();
  }

  /** Adds an entry that has arrived. It may be one of the drafts. */
  add(event, isOwn) {
    const draft = isOwn ? this.#drafts.take(event.clientMessageId) : undefined;
    const entry = this.entryOf(event);
    this.log.add(draft ? { ...entry, key: draft.key } : entry);
    this.#trim();
  }

  /** Removes an entry. A page of the history that is on its way may still have it. */
  delete(matches, id) {
    this.log.remove(matches);
    if (this.#reload || this.#isLoadingOlder) this.#deleted.add(id);
  }

  /** Returns whether an event confirms a draft of this user. Another user may have sent the same id. */
  isOwn({ userId, clientMessageId }) {
    return clientMessageId !== undefined && userId === this.userId;
  }

  // Actions of components.

  /** Sends something that is shown immediately. Resolves with the result, and never rejects. */
  submit(item, send, clientMessageId) {
    return this.#settle(this.#drafts.send(item, send, clientMessageId));
  }

  repeat(key) {
    const sending = this.#drafts.repeat(key);
    return sending ? this.#settle(sending) : Promise.resolve(refusal(invalid(`nothing with the key "${key}" can be repeated`)));
  }

  discard(key) {
    this.#drafts.discard(key);
    this.acted();
    this.release();
  }

  async loadOlder(limit = HISTORY) {
    if (!this.#hasOlder || this.#isLoadingOlder) return DONE;
    this.#isLoadingOlder = true;
    this.acted();
    const before = this.#loadedFrom;
    const { ok, value: page, error } = await attempt(() => this.page({ before, limit }));
    this.#isLoadingOlder = false;
    // After a reload the page may not fit any more. The entries at which it ends are then others.
    if (ok && before === this.#loadedFrom && !this.#reload) {
      this.log.prepend(this.#present(page.entries));
      this.#extra += page.entries.length;
      this.#hasOlder = page.hasMore && page.entries.length > 0;
      this.#loadedFrom = page.entries[0]?.offset ?? before;
      this.#beginsAfter = Math.min(this.#beginsAfter, this.#loadedFrom - 1);
    }
    this.#forgetDeleted();
    this.acted();
    return ok ? DONE : refusal(error);
  }

  /** The subscription has ended. What was being loaded is loaded again with the next one. */
  stopped() {
    if (this.#reload) this.#position = undefined;
    this.#reload?.abort();
    this.#reload = undefined;
    this.roster.clear();
  }

  rest() {
    this.stopped();
    this.#position = undefined;
    this.#hasOlder = false;
    this.#hasLost = false;
    this.#beginsAfter = 0;
    this.#extra = 0;
    this.#forgetDeleted();
    this.log.clear();
    this.status = "loading";
    this.changed();
  }

  clear() {
    this.#drafts.clear();
    this.rest();
  }

  #settle(sending) {
    this.acted();
    const { clientMessageId } = sending;
    return attempt(() => sending).then(result => {
      if (result.ok) this.#confirmed(clientMessageId, result.value);
      else this.#drafts.failed(clientMessageId, result.error);
      this.acted();
      this.release();
      return result;
    });
  }

  /** Moves a draft to its place. The entry itself may have arrived already, or may arrive later. */
  #confirmed(clientMessageId, { messageId, offset }) {
    const draft = this.#drafts.take(clientMessageId);
    // What is older than the loaded entries comes with them.
    if (!draft || !this.#position || offset < this.#loadedFrom) return;
    const { error, ...shown } = draft;
    this.log.add({ ...shown, ...this.stamp({ messageId, offset }), status: "sent", userId: this.userId }, { provisional: true });
  }

  #gap({ before, after, reason }) {
    const { history } = this.#want;
    // The app has read too slowly: the history has what is missing.
    if (reason !== "slow") this.#hasLost = true;
    if (reason === "epoch_changed") {
      this.#beginsAfter = 0;
      // Offsets of two epochs cannot be compared.
      const shown = this.log.size;
      this.log.clear();
      return void this.#load(after.offset, Math.max(history, shown));
    }
    // Messages that are shown may have been deleted in the gap, so all of them are read again.
    const count = Math.max(history, this.log.size + after.offset - before);
    void this.#load(after.offset, Math.min(count, MAX_RELOAD));
  }

  /** Replaces all entries up to an offset by the newest ones of the history. */
  async #load(upTo, count) {
    this.#reload?.abort();
    const reload = (this.#reload = new AbortController());
    const newest = await this.#newest(upTo, count, reload.signal);
    if (reload.signal.aborted) return;
    const entries = newest.entries.filter(({ offset }) => offset > this.#beginsAfter);
    this.#reload = undefined;
    this.log.replaceUpTo(upTo, this.#present(entries));
    this.#loadedFrom = entries[0]?.offset ?? upTo + 1;
    this.#hasOlder = newest.hasMore || entries.length < newest.entries.length;
    this.#trim();
    this.#forgetDeleted();
    this.#live();
  }

  /** Reads the newest entries up to an offset, page by page. */
  async #newest(upTo, count, signal) {
    const entries = [];
    let hasMore = upTo > 0;
    while (hasMore && entries.length < count) {
      const before = entries[0]?.offset ?? upTo + 1;
      const limit = Math.min(PAGE, count - entries.length);
      const page = await this.#patiently(() => this.page({ before, limit, signal, timeoutMs: Infinity }), signal);
      // Without history, a view begins with what comes. What was missed can be loaded as older entries.
      if (!page) break;
      entries.unshift(...page.entries);
      hasMore = page.hasMore && page.entries.length > 0;
    }
    return { entries, hasMore };
  }

  /** Repeats a request until it succeeds. Returns undefined if it cannot succeed. */
  async #patiently(request, signal) {
    for (;;) {
      try {
        return await request();
      } catch (error) {
        const { retryable, retryAfterMs = RETRY_MS, closeCode } = named(error);
        if (signal.aborted || !(retryable || closeCode)) return undefined;
        await this.#pause(retryAfterMs, signal);
        if (signal.aborted) return undefined;
      }
    }
  }

  /** Waits, and then until the client is online. */
  async #pause(delay, signal) {
    await new Promise(resolve => setTimeout(resolve, delay).unref?.());
    while (!signal.aborted && this.client.state.status !== "online") {
      await new Promise(resolve => {
        const off = this.client.on("state", () => {
          off();
          resolve();
        });
        signal.addEventListener("abort", resolve, { once: true });
      });
    }
  }

  #live() {
    this.status = "live";
    this.changed();
  }

  #present(entries) {
    return entries.map(event => this.entryOf(event)).filter(entry => !this.#deleted.has(entry.messageId));
  }

  #forgetDeleted() {
    if (!this.#reload && !this.#isLoadingOlder) this.#deleted.clear();
  }

  #trim() {
    if (this.#reload || !this.log.keep(this.#want.limit + this.#extra)) return;
    // Without a position the topic has no history.
    this.#hasOlder = this.#position !== undefined;
    this.#loadedFrom = this.log.oldest;
  }
}
