// Who is present in the clans and topics of a fake gateway, and what each user shows there.

import { checked } from "./frames.js";
import { clean, key } from "./log.js";

export class Presence {
  /** Returns the connected sessions. */
  #sessions;
  /** By place, the users without a client in this test. */
  #joined = new Map();
  /** By place, the data of each user. */
  #data = new Map();

  constructor(sessions) {
    this.#sessions = sessions;
  }

  /** Makes a user without a client in this test present. */
  join(service, topic, userId) {
    const place = key(service, topic);
    const joined = this.#joined.get(place) ?? new Set();
    this.#joined.set(place, joined);
    this.change([[service, topic]], userId, () => joined.add(userId));
  }

  leave(service, topic, userId) {
    this.change([[service, topic]], userId, () => this.#joined.get(key(service, topic))?.delete(userId));
  }

  /** Returns the message with the users who are present. */
  roster(service, topic) {
    const place = key(service, topic);
    const counts = new Map([...(this.#joined.get(place) ?? [])].map(userId => [userId, 1]));
    for (const { userId, subscriptions } of this.#sessions()) {
      if (subscriptions.has(place)) counts.set(userId, (counts.get(userId) ?? 0) + 1);
    }
    const all = Array.from(counts, ([userId, sessions]) => clean({ userId, sessions, data: this.#data.get(place)?.get(userId) }));
    const users = { users: all.slice(0, 200), count: all.length };
    return service === "clan_chat"
      ? { type: "presence", clanId: topic, ...users }
      : { type: "topic_presence", service, topic, ...users };
  }

  /** Runs an action that may change the presence of a user in some places, and then notifies watchers. */
  change(places, userId, action, data) {
    const known = places.map(place => [place, this.#shown(...place, userId)]);
    for (const place of places) checked(message(place, userId, "online"));
    action();
    for (const [place, before] of known) {
      if (data !== undefined) this.#show(place, userId, data);
      const after = this.#shown(...place, userId);
      if (!after) this.#data.get(key(...place))?.delete(userId);
      const status = !before && after ? "online" : before && !after ? "offline" : before === after ? undefined : "updated";
      if (status === undefined) continue;
      const change = message(place, userId, status, status === "offline" ? undefined : this.#data.get(key(...place))?.get(userId));
      for (const session of this.#sessions()) session.presenceChanged(key(...place), change);
    }
  }

  /** Returns what others see of a user as a text, or undefined if the user is absent. */
  #shown(service, topic, userId) {
    const { users } = this.roster(service, topic);
    const user = users.find(user => user.userId === userId);
    return user && JSON.stringify([user.data]);
  }

  #show(place, userId, data) {
    const shown = this.#data.get(key(...place)) ?? new Map();
    this.#data.set(key(...place), shown.set(userId, data));
  }
}

function message([service, topic], userId, status, data) {
  return service === "clan_chat"
    ? { type: "presence_changed", clanId: topic, userId, status }
    : clean({ type: "topic_presence_changed", service, topic, userId, status, data });
}
