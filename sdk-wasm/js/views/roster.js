// Who is present in a clan or topic.

const NO_USERS = Object.freeze([]);

export class Roster {
  #users = new Map();
  #count = 0;
  #list = NO_USERS;

  /** Returns the users, in the order in which they came. It is the same array until one changes. */
  list() {
    return (this.#list ??= [...this.#users.values()]);
  }

  /** The number of users. A roster lists the first 200 only. */
  get count() {
    return this.#count;
  }

  /** Handles an event, and returns whether it was one of presence. */
  receive(event) {
    switch (event.type) {
      case "presence":
      case "topic_presence":
        this.#users = new Map(event.users.map(user => [user.userId, user]));
        this.#count = event.count;
        break;
      case "presence_changed":
      case "topic_presence_changed":
        this.#change(event);
        break;
      default:
        return false;
    }
    this.#list = undefined;
    return true;
  }

  clear() {
    this.#users.clear();
    this.#count = 0;
    this.#list = NO_USERS;
  }

  #change({ userId, status, data, count }) {
    const before = this.#users.get(userId);
    if (status === "offline") {
      this.#users.delete(userId);
      // A user who is not listed was counted.
      this.#count = Math.max(this.#users.size, count ?? this.#count - 1);
      return;
    }
    this.#count = count ?? this.#count + (status === "online" && !before);
    this.#users.set(userId, { userId, sessions: before?.sessions ?? 1, ...(data !== undefined && { data }) });
  }
}
