// The errors of calls, of streams and of the client.

export class GatewayError extends Error {
  constructor(fault) {
    super(fault.message);
    const { code, outcome, retryable, retryAfterMs, details, closeCode, clientMessageId, cause } = fault;
    Object.assign(this, { code, outcome, retryable });
    if (retryAfterMs !== undefined) this.retryAfterMs = retryAfterMs;
    if (details !== undefined) this.details = details;
    if (closeCode !== undefined) this.closeCode = closeCode;
    if (clientMessageId !== undefined) this.clientMessageId = clientMessageId;
    if (cause !== undefined) this.cause = cause.code ? new GatewayError(cause) : cause;
  }

  get name() {
    return "GatewayError";
  }
}

/** The error that a token provider throws if the user is signed out. No further token is requested then. */
export class UnauthorizedError extends Error {
  constructor(message = "the user is signed out", options) {
    super(message, options);
  }

  get name() {
    return "UnauthorizedError";
  }
}

/**
 * Returns whether an error of a token provider means that the user is signed out. Checked by name, because a page may
 * have two copies of this module.
 */
export const isSignedOut = error => error?.name === "UnauthorizedError";

/** Creates an error of the SDK itself. */
export function fault(code, message, more) {
  return new GatewayError({ code, message, outcome: "not_sent", retryable: false, ...more });
}

/** Creates the error of all pending calls when the app closes its client. */
export const closedByApp = () => fault("closed", "closed by the app", { closeCode: 1000 });

/** Creates the error of all pending calls after the WebAssembly has trapped. */
export const trap = problem =>
  fault("trap", `the SDK has failed: ${problem?.message ?? problem}`, { outcome: "unknown", retryable: true });

/**
 * Creates the error of a call that could not be passed to the core in time. A `doubtful` call may have been carried out
 * before.
 */
export const timedOut = (cause, doubtful) =>
  fault("timed_out", `no answer came in time${cause ? ` (${cause.message})` : ""}`, {
    retryable: true, cause, outcome: doubtful ? "unknown" : "not_sent",
  });

/** Converts an error to plain data, from which another tab can create it again. */
export function plain(error) {
  return error && { ...error, message: error.message, ...(error.cause && { cause: plain(error.cause) }) };
}
