// Why a call failed, or why a stream or the client ended.

export class GatewayError extends Error {
  constructor(fault) {
    super(fault.message);
    const { code, outcome, retryable, retryAfterMs, closeCode, clientMessageId, cause } = fault;
    Object.assign(this, { code, outcome, retryable });
    if (retryAfterMs !== undefined) this.retryAfterMs = retryAfterMs;
    if (closeCode !== undefined) this.closeCode = closeCode;
    if (clientMessageId !== undefined) this.clientMessageId = clientMessageId;
    if (cause !== undefined) this.cause = cause.code ? new GatewayError(cause) : cause;
  }

  get name() {
    return "GatewayError";
  }
}

/** What a token provider throws when the user is signed out: no token is asked for again. */
export class UnauthorizedError extends Error {
  constructor(message = "the user is signed out", options) {
    super(message, options);
  }

  get name() {
    return "UnauthorizedError";
  }
}

/** Whether a token provider says that the user is signed out. By name: a page may have two copies of this module. */
export const isSignedOut = error => error?.name === "UnauthorizedError";

/** An error of the SDK itself. */
export function fault(code, message, more) {
  return new GatewayError({ code, message, outcome: "not_sent", retryable: false, ...more });
}

/** What every waiting call is told when the app closes its client. */
export const closedByApp = () => fault("closed", "closed by the app", { closeCode: 1000 });

/** What every waiting call is told when the WebAssembly itself has failed. */
export const trap = problem =>
  fault("trap", `the SDK has failed: ${problem?.message ?? problem}`, { outcome: "unknown", retryable: true });

/** What a call that is never repeated is told when those who carried it are gone. */
export const lostOnTheWay = () =>
  fault("disconnected", "the connection was lost before the answer came", { outcome: "unknown", retryable: true });

/** What a call is told that could not even be given to the core in time, and why. */
export const timedOut = cause =>
  fault("timed_out", `no answer came in time${cause ? ` (${cause.message})` : ""}`, { retryable: true, cause });

/** An error as plain data, of which another tab can make one again. */
export function plain(error) {
  return error && { ...error, message: error.message, ...(error.cause && { cause: plain(error.cause) }) };
}
