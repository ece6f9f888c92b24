// The address of the gateway, and its HTTP routes that this page uses: tokens, notifications, health.

/** An error with a code that `codes.js` explains. */
export class PlainError extends Error {
  constructor(code, message) {
    super(message ?? code);
    this.code = code;
  }
}

/** The gateway's base URL: `?gateway=`, else the gateway that serves this page, else the default address. */
export const base = (() => {
  const named = new URLSearchParams(location.search).get("gateway");
  if (named) {
    try {
      const url = new URL(named);
      url.protocol = url.protocol.replace(/^ws/, "http");
      if (!url.pathname.endsWith("/")) url.pathname += "/";
      return url;
    } catch {
      // An invalid URL is ignored; the set-up check shows the address that is used.
    }
  }
  const isServedByGateway = /\/demo\/(index\.html)?$/.test(location.pathname);
  return isServedByGateway ? new URL("../", location.href.split(/[?#]/)[0]) : new URL("http://127.0.0.1:4000/");
})();

/** The WebSocket's URL. */
export const socketUrl = new URL("ws", base);
socketUrl.protocol = base.protocol.replace(/^http/, "ws");

/** Whether this page and the gateway have the same origin. */
export const isSameOrigin = base.origin === location.origin;

async function ask(path, options) {
  try {
    return await fetch(new URL(path, base), { cache: "no-store", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new PlainError("no_gateway");
  }
}

async function post(path, body, signal) {
  const response = await ask(path, {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), signal,
  });
  if (response.ok) return response.json();
  const problem = await response.json().catch(() => ({}));
  if (response.status === 404) throw new PlainError("no_dev_token");
  throw new PlainError(problem.code ?? "token_failed", problem.detail ?? `HTTP ${response.status}`);
}

/** A fresh token for a user, from a gateway that runs with `--dev`. */
export async function fetchToken({ userId, clans, deviceId }, signal) {
  const { token } = await post("dev/token", { userId, clans: clans.length > 0 ? clans : undefined, deviceId }, signal);
  return token;
}

/** Sends a notification to a user, whether they are connected or not. */
export function sendNotification({ userId, title, message }) {
  return post("dev/notifications", { userId, title, message });
}

/** `GET` of a JSON route such as `health`, whose responses with 503 are JSON too. */
export async function getJson(path) {
  return (await ask(path)).json();
}

/** The claims of a token, unverified; `undefined` if it is not a JWT. */
export function readToken(token) {
  try {
    const payload = token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
    const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}
