// The view of a call to the backend of a service: whether it is under way, and its result.

import { makeId } from "../id.js";
import { attempt, invalid, refusal, statusOf } from "./result.js";
import { View } from "./view.js";

/** The fields before the first call. */
export const NO_CALL = Object.freeze({ status: "idle", data: undefined, error: undefined });

export class CallView extends View {
  /** The function of the SDK or of generated code. */
  handle;
  #fields = NO_CALL;
  /** The last call. Results of earlier ones are returned, and not shown. */
  #last;

  constructor(handle) {
    super(NO_CALL);
    this.handle = handle;
  }

  fields() {
    return { ...this.#fields };
  }

  /** Calls the backend. Resolves with the result, and never rejects. */
  call(data, { callId = makeId(), timeoutMs } = {}) {
    return this.#send({ data, options: { callId, ...(timeoutMs !== undefined && { timeoutMs }) }, wasUnknown: false });
  }

  /** Repeats the last call under its id, so that a backend carries it out once. */
  repeat() {
    const isOver = ["refused", "unknown"].includes(this.#fields.status);
    return isOver ? this.#send({ ...this.#last }) : Promise.resolve(refusal(invalid("there is no failed call to repeat")));
  }

  /** Forgets the last call. */
  reset() {
    this.#last = undefined;
    this.#show(NO_CALL);
  }

  async #send(call) {
    this.#last = call;
    this.#show({ status: "pending", data: undefined, error: undefined });
    const result = await attempt(() => this.handle(call.data, call.options));
    if (result.ok) {
      if (call === this.#last) this.#show({ status: "done", data: result.value, error: undefined });
      return result;
    }
    // A backend that knows the id of the call decides for all of its attempts.
    const wasUnknown = call.wasUnknown && result.error.code !== "call_failed";
    const status = statusOf(result.error, wasUnknown);
    call.wasUnknown = status === "unknown";
    if (call === this.#last) this.#show({ status, data: undefined, error: result.error });
    return result;
  }

  #show(fields) {
    this.#fields = fields;
    this.acted();
  }
}
