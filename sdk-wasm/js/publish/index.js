// For backends: publishes over the HTTP API of the gateway, and verifies the requests that it sends. Without the core.

import { PublishError, connectionError, refusal } from "./error.js";
import { operations } from "./operations.js";

export { PublishError } from "./error.js";
export { SIGNATURE_TOLERANCE_MS, SignatureError, Verifier } from "./signature.js";

export class PublishClient {
  #base;
  #key;
  #options;

  constructor({ url, apiKey, attempts = 5, timeoutMs = 10_000, minBackoffMs = 200, maxBackoffMs = 30_000, fetch } = {}) {
    const parsed = URL.canParse(url) ? new URL(url) : undefined;
    if (!parsed || !/^https?:$/.test(parsed.protocol) || parsed.username || parsed.password || parsed.search || parsed.hash) {
      throw new TypeError("url: it has to be like https://gateway.example.com");
    }
    if (typeof apiKey !== "string" || !/^[ -~]+$/.test(apiKey)) {
      throw new TypeError("apiKey: it is empty or has characters that no key has");
    }
    for (const [name, value] of Object.entries({ attempts, timeoutMs, minBackoffMs, maxBackoffMs })) {
      if (!(value > 0)) throw new TypeError(`${name}: a positive number is expected`);
    }
    this.#base = parsed.href.replace(/\/+$/, "");
    this.#key = apiKey;
    this.#options = { attempts, timeoutMs, minBackoffMs, maxBackoffMs, fetch: fetch ?? globalThis.fetch };
  }

  static {
    for (const [name, [method, path, key]] of Object.entries(operations)) {
      const count = path.split("{").length - 1;
      this.prototype[name] = async function (...given) {
        const values = given.slice(0, count);
        const [body, options = {}] = given.slice(count);
        const filled = path.replace(/\{(\w+)\}/g, (_, parameter) => encoded(parameter, values.shift()));
        const withKey = key !== undefined && body?.[key] === undefined ? { ...body, [key]: crypto.randomUUID() } : body;
        return this.#send(method, filled, withKey, options);
      };
    }
  }

  /** Sends a request until it succeeds, fails for good, or there are no attempts left. */
  async #send(method, path, body, { signal }) {
    const text = JSON.stringify(body);
    let outcome = "not_sent";
    for (let attempt = 1; ; attempt++) {
      let failure;
      try {
        return await this.#attempt(method, path, text, signal);
      } catch (error) {
        failure = error;
      }
      // An earlier attempt may have had its effect.
      if (outcome !== "unknown") outcome = failure.outcome;
      failure.outcome = outcome;
      const { attempts, maxBackoffMs } = this.#options;
      const asked = failure.retryAfterMs ?? 0;
      if (!failure.retryable || attempt >= attempts || asked > maxBackoffMs) throw failure;
      await wait(Math.max(asked, this.#backoff(attempt)), signal);
      if (signal?.aborted) throw failure;
    }
  }

  async #attempt(method, path, body, signal) {
    if (signal?.aborted) throw new PublishError("canceled", "the call was cancelled", { outcome: "not_sent", cause: signal.reason });
    const limit = AbortSignal.timeout(this.#options.timeoutMs);
    try {
      const response = await this.#options.fetch(this.#base + path, {
        method,
        headers: { authorization: `Bearer ${this.#key}`, "content-type": "application/json" },
        body,
        // The key must not reach another host.
        redirect: "manual",
        signal: signal ? AbortSignal.any([signal, limit]) : limit,
      });
      const text = await response.text();
      if (!response.ok) throw refusal(response, text);
      return text === "" ? undefined : parsed(text);
    } catch (error) {
      throw error instanceof PublishError ? error : connectionError(error, signal);
    }
  }

  /** Returns a random wait, whose bounds grow with each attempt. */
  #backoff(attempt) {
    const most = Math.min(this.#options.minBackoffMs * 2 ** (attempt - 1), this.#options.maxBackoffMs);
    return most / 2 + (Math.random() * most) / 2;
  }
}

function encoded(name, value) {
  if (typeof value !== "string" || value === "") throw new TypeError(`${name}: a text is expected`);
  return encodeURIComponent(value);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new PublishError("unreadable", "the answer is no JSON", { outcome: "unknown", cause });
  }
}

/** Waits, at most until the call is cancelled. */
function wait(milliseconds, signal) {
  return new Promise(resolve => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal?.addEventListener("abort", done);
  });
}
