// The options of a client. Invalid options are refused immediately, with an error that says how to correct them.

/** Checks the options, and returns them with their defaults. */
export function checked(options) {
  const { url, token, deviceId, reconnect } = options ?? {};
  check(url && token, "a client needs a url and a token");
  checkUrl(String(url));
  check(typeof token === "string" || typeof token === "function", "token: a string or a function that gives one is expected");
  if (deviceId !== undefined) check(isId(deviceId), "deviceId: 1 to 128 bytes without control characters or white space are expected");
  const { minMs = 0, maxMs = Math.max(30_000, minMs) } = reconnect ?? {};
  const fits = Number.isFinite(minMs) && Number.isFinite(maxMs) && 0 <= minMs && minMs <= maxMs;
  check(fits, "reconnect: minMs and maxMs are milliseconds, and minMs is at most maxMs");
  return { timeoutMs: 10_000, ...options, reconnect: { minMs, maxMs } };
}

function check(fits, problem) {
  if (!fits) throw new TypeError(problem);
}

/** Checks the URL. A relative URL has to begin with `/` or `.`, because other texts could be host names. */
function checkUrl(url) {
  if (/^[/.]/.test(url)) return;
  const scheme = "begin with ws://, wss://, http:// or https://, or with / for a path on the page's own host";
  check(/^(ws|http)s?:\/\//i.test(url), `url: "${url}" has to ${scheme}`);
  try {
    new URL(url);
  } catch {
    check(false, `url: "${url}" is not a valid address`);
  }
}

/** Returns whether a text is valid as a device id. The gateway refuses a connection with an invalid one. */
function isId(text) {
  const escaped = typeof text === "string" && text.isWellFormed?.() !== false && encodeURIComponent(text);
  // The gateway escapes more characters than this function does.
  return Boolean(escaped) && !/[\s\p{Cc}]/u.test(text) && new TextEncoder().encode(text).length <= 128
    && escaped.replace(/[!'()*.~]/g, "%00").length <= 200;
}

/** Returns the WebSocket URL of the gateway. */
export function address(url) {
  const { href, origin } = globalThis.location ?? {};
  // A worker that was created from a blob has no path.
  const base = href?.startsWith("blob:") ? origin : href;
  const absolute = resolve(url, base);
  if (absolute?.protocol !== "ws:" && absolute?.protocol !== "wss:") {
    throw new TypeError(`url: "${url}" is relative, and nothing here says to what: give the whole address, such as wss://gateway.example.com/ws`);
  }
  return absolute.href;
}

function resolve(url, base) {
  try {
    const absolute = new URL(url, base);
    absolute.protocol = absolute.protocol.replace(/^http/, "ws");
    return absolute;
  } catch {
    return undefined;
  }
}
