// The state of a client's connection as a source. It shows what the client does, and connects nothing.

import { DONE, attempt, refusal } from "./result.js";

/** The fields on a server. */
export const NO_CONNECTION = Object.freeze({ status: "idle", session: undefined, cause: undefined, nextAttemptAt: undefined });

export class ConnectionSource {
  #client;

  constructor(client) {
    this.#client = client;
  }

  snapshot() {
    return this.#client.state;
  }

  subscribe(listener) {
    return this.#client.on("state", () => listener());
  }

  view() {
    return {
      connect: async options => {
        const { ok, error } = await attempt(() => this.#client.connect(options));
        return ok ? DONE : refusal(error);
      },
    };
  }
}
