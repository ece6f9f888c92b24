// The options of a client. Options that can never work are refused immediately, with the way to correct them.

/** The options with their defaults. */
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

/** What is relative begins with `/` or `.`: anything else may as well be a host. */
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

/** The gateway says the same of a device; it would refuse the connection. */
function isId(text) {
  const escaped = typeof text === "string" && text.isWellFormed?.() !== false && encodeURIComponent(text);
  // The gateway leaves fewer characters as they are.
  return Boolean(escaped) && !/[\s\p{Cc}]/u.test(text) && new TextEncoder().encode(text).length <= 128
    && escaped.replace(/[!'()*.~]/g, "%00").length <= 200;
}

/** The gateway's address as a WebSocket's. */
export function address(url) {
  const { href, origin } = globalThis.location ?? {};
  // A worker that was made of a blob has no path of its own.
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
