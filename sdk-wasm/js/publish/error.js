// The errors of publishing: what the gateway refuses, and what never reached it.

export class PublishError extends Error {
  name = "PublishError";

  constructor(code, message, { status, outcome, retryable = false, retryAfterMs, details, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    Object.assign(this, { code, status, outcome, retryable, retryAfterMs, details });
  }
}

/** Returns the error of an attempt without an answer. The gateway may have got the request. */
export function connectionError(cause, signal) {
  if (signal?.aborted) return new PublishError("canceled", "the call was cancelled", { outcome: "unknown", cause });
  return new PublishError("connection", `there was no answer: ${cause.message}`, { outcome: "unknown", retryable: true, cause });
}

/** Returns the error of an answer with another status than 2xx. */
export function refusal(response, text) {
  const problem = problemOf(text);
  const { status } = response;
  // The gateway may have stored it, although it could not confirm it.
  const isUnknown = [500, 502, 503, 504].includes(status);
  return new PublishError(problem.code ?? "unreadable", problem.detail ?? `the answer has the status ${status}`, {
    status,
    outcome: isUnknown ? "unknown" : "refused",
    retryable: isUnknown || status === 408 || status === 429,
    retryAfterMs: problem.retryAfterMs ?? retryAfterMs(response.headers.get("retry-after")),
    details: problem.details,
  });
}

/** Returns the problem of an answer; an empty one if a proxy has answered, or something that is no gateway. */
function problemOf(text) {
  try {
    const problem = JSON.parse(text);
    return typeof problem?.code === "string" ? problem : {};
  } catch {
    return {};
  }
}

/** Reads the header: seconds or a date. */
function retryAfterMs(header) {
  if (header === null) return undefined;
  if (/^\d+$/.test(header)) return Number(header) * 1000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}
