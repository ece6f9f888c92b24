// The results of actions, which views return instead of throwing errors.

import { GatewayError } from "../error.js";

/** The result of an action without a value. */
export const DONE = Object.freeze({ ok: true, value: undefined });

export const refusal = error => ({ ok: false, error });

/** Returns the result of a promise, or of a function that returns one. */
export async function attempt(action) {
  try {
    return { ok: true, value: await action() };
  } catch (error) {
    return refusal(named(error));
  }
}

/** Creates the error of an action that was not possible. */
export const invalid = message => new GatewayError({ code: "invalid", message, outcome: "not_sent", retryable: false });

/** Returns a `GatewayError` for any error. JSON that cannot be written is a `TypeError`, for example. */
export const named = error => (error?.name === "GatewayError" ? error : invalid(String(error?.message ?? error)));

/**
 * Returns the status of something that could not be sent. After an unknown outcome a later refusal says nothing about the
 * first attempt, so the outcome stays unknown.
 */
export const statusOf = (error, wasUnknown) => (wasUnknown || error.outcome === "unknown" ? "unknown" : "refused");
