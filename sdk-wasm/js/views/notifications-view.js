// The view of the user's notifications: those that no device has acknowledged.

import { DONE, attempt, refusal } from "./result.js";
import { Source } from "./sources.js";
import { SubscribedView } from "./subscribed-view.js";

const NONE = Object.freeze([]);

/** The fields before there is a subscription. */
export const NO_NOTIFICATIONS = Object.freeze({ status: "loading", error: undefined, notifications: NONE, pending: 0 });

/** Returns the source of a user's notifications. */
export const notificationsSource = client =>
  new Source(client, "notifications", forget => new NotificationsView(client, forget), NO_NOTIFICATIONS);

class NotificationsView extends SubscribedView {
  #notifications = new Map();
  #list = NONE;
  #pending = 0;
  /** Notifications whose acknowledgement is on its way. They are not shown. */
  #leaving = new Map();
  #stopListening;

  constructor(client, forget) {
    super(NO_NOTIFICATIONS, client, forget);
  }

  /** Acknowledgements are repeated by the SDK, so nothing has to be kept. */
  get isNeeded() {
    return false;
  }

  fields() {
    this.#list ??= [...this.#notifications.values()].sort((one, other) => one.offset - other.offset);
    return { status: this.status, error: this.error, notifications: this.#list, pending: this.#pending };
  }

  open() {
    this.#stopListening?.();
    this.#stopListening = this.client.on("notification_acked", ({ notificationIds }) => {
      for (const id of notificationIds) {
        this.#leaving.delete(id);
        this.#remove(id);
      }
    });
    const onPending = count => {
      this.#pending = count;
      this.changed();
    };
    return this.client.notifications().subscribe({ onPending });
  }

  wanted() {}

  begun() {
    this.status = "live";
    this.changed();
  }

  received(event) {
    if (event.type === "notification" && !this.#leaving.has(event.id)) this.#add(event);
  }

  /**
   * Acknowledges, by id. What is refused is shown again. While there is no connection it waits without a time limit: the
   * SDK sends it later in any case, so that a notification which came back would be acknowledged.
   */
  async ack(ids) {
    const list = [ids].flat();
    for (const id of list) {
      if (this.#notifications.has(id)) this.#leaving.set(id, this.#notifications.get(id));
      this.#remove(id);
    }
    this.acted();
    const { ok, error } = await attempt(() => this.client.notifications().ack(list, { timeoutMs: Infinity }));
    for (const id of list) {
      if (!ok && this.#leaving.has(id)) this.#add(this.#leaving.get(id));
      this.#leaving.delete(id);
    }
    this.acted();
    return ok ? DONE : refusal(error);
  }

  stopped() {
    this.#stopListening?.();
    this.#stopListening = undefined;
    this.#pending = 0;
  }

  rest() {
    this.stopped();
    this.#notifications.clear();
    this.#leaving.clear();
    this.#list = NONE;
    this.status = "loading";
    this.changed();
  }

  clear() {
    this.rest();
  }

  #add(notification) {
    this.#notifications.set(notification.id, notification);
    this.#list = undefined;
    this.changed();
  }

  #remove(id) {
    if (!this.#notifications.delete(id)) return;
    this.#list = undefined;
    this.changed();
  }
}
