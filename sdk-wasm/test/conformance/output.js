// The lines of the adapter, and errors as the kit wants them.

/** Writes a line. */
export function emit(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** An error in the words of all SDKs. */
export function failure({ code = "invalid", outcome = "not_sent", retryable = false, retryAfterMs, closeCode, message }) {
  return { code, outcome, retryable, retryAfterMs, closeCode, message };
}
