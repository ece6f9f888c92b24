/** For backends: publishes over the HTTP API of the gateway, and verifies the requests that it sends. Without the core. */

import type { PublishOperations } from "./operations.js";

export type * from "./operations.js";

/** The options of a client. */
export interface PublishClientOptions {
  /** The address of the gateway, such as `https://gateway.example.com`. */
  url: string;
  /** An API key with the scope `publish`. */
  apiKey: string;
  /** How often a request is sent at most; 5 by default. */
  attempts?: number;
  /** How long one attempt may take, in milliseconds; 10,000 by default. */
  timeoutMs?: number;
  /** The shortest wait between attempts, in milliseconds; 200 by default. The waits grow at random. */
  minBackoffMs?: number;
  /** The longest wait, in milliseconds; 30,000 by default. A longer `Retry-After` of the gateway ends the call. */
  maxBackoffMs?: number;
  /** Sends the requests instead of the global `fetch`. */
  fetch?: typeof fetch;
}

/** The options of one call. */
export interface PublishCallOptions {
  /** Ends the waiting. A request that was sent may still have its effect. */
  signal?: AbortSignal;
}

/** The options of publishing an event by generated code. */
export interface PublishEventOptions extends PublishCallOptions {
  /** An idempotency key; a random one by default. */
  id?: string;
}

/**
 * Publishes to one gateway. A request is repeated after lost connections, 408, 429 and 5xx. Each has an idempotency key, so
 * it is stored once. Only topics without history may get an event twice.
 */
export class PublishClient {
  constructor(options: PublishClientOptions);
}
export interface PublishClient extends PublishOperations {}

/** The error of a failed call. */
export class PublishError extends Error {
  /** A code of the gateway, or `canceled`, `connection` or `unreadable`. */
  readonly code: string;
  /** The HTTP status, if there was an answer. */
  readonly status: number | undefined;
  /** What the call has done. Repeat a call whose outcome is unknown only with the same id. */
  readonly outcome: "not_sent" | "refused" | "unknown";
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  /** How long the gateway asks to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** The details of the gateway's error. */
  readonly details: unknown;
}

/** How far the time of a signature may be from the clock of the backend, in milliseconds. */
export const SIGNATURE_TOLERANCE_MS: number;

/** A request that the gateway did not send: `signature` for a wrong one, `time` for a copy of an earlier request. */
export class SignatureError extends Error {
  readonly code: "signature" | "time";
}

/** Verifies webhooks, calls, and questions about topics. */
export class Verifier {
  /** With several secrets of the gateway's `secret_file`, one of them can be replaced without a gap. */
  constructor(...secrets: string[]);
  /** Rejects with a {@link SignatureError} unless the gateway has signed the body now. Parse it only afterwards. */
  verify(
    headers: Headers | Record<string, string | string[] | undefined>,
    body: string | ArrayBuffer | Uint8Array,
    options?: { now?: number },
  ): Promise<void>;
}
