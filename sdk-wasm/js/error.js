// Why a call failed, or why a stream or the client ended.

export class GatewayError extends Error {
  constructor(fault) {
    super(fault.message);
    const { code, outcome, retryable, retryAfterMs, closeCode, clientMessageId } = fault;
    Object.assign(this, { code, outcome, retryable });
    if (retryAfterMs !== undefined) this.retryAfterMs = retryAfterMs;
    if (closeCode !== undefined) this.closeCode = closeCode;
    if (clientMessageId !== undefined) this.clientMessageId = clientMessageId;
  }

  get name() {
    return "GatewayError";
  }
}

/** What is told to everybody who waits when the app closes its client. */
export function closedByApp() {
  const message = "closed by the app";
  return new GatewayError({ code: "closed", message, outcome: "not_sent", retryable: false, closeCode: 1000 });
}

/** What is told to everybody who waits when the WebAssembly itself has failed. */
export function trap(problem) {
  const message = `the SDK has failed: ${problem?.message ?? problem}`;
  return new GatewayError({ code: "trap", message, outcome: "unknown", retryable: true });
}

/** What a call that is never repeated is told when those who carried it are gone. */
export function lostOnTheWay() {
  const message = "the connection was lost before the answer came";
  return new GatewayError({ code: "disconnected", message, outcome: "unknown", retryable: true });
}

/** An error as plain data, of which another tab can make one again. */
export function plain(error) {
  return error && { ...error, message: error.message };
}
