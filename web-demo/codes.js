// The error and close codes of the protocol in plain words: what happened, and what to do.

import { el } from "./dom.js";

/** Error codes: what happened, and what to do. */
export const ERRORS = {
  invalid_json: ["The message is not JSON.", "This is a bug in the client program. The frame log shows the message."],
  invalid_message: ["A field is missing or outside its bounds.", "The details name the field. A message has 1 to 4,000 characters, and a name has no spaces."],
  unknown_type: ["The gateway does not know this type of message.", "The client may be newer than the gateway. Compare their versions."],
  unknown_service: ["There is no service with this name, or the service has no such topic.", "The message connected lists the services. Check the spelling, or declare the service."],
  message_too_large: ["The message is larger than the gateway accepts.", "Shorten it, or raise limits.message_bytes (64 KiB by default)."],
  conflict: ["This id was used before for another message.", "This is a bug in the client program: each new message needs a new clientMessageId."],
  unauthorized: ["The gateway could not verify the token.", "The token is missing, damaged or signed with another key. Get a new one, and compare auth.jwt_secret, auth.issuer and auth.audience."],
  token_expired: ["The token has expired.", "The client fetches a fresh token automatically. If you pasted a token, paste a newer one. If it is new, compare the clocks of both machines."],
  forbidden: ["This user may not do that here.", "The token does not contain the clan. Add it above and connect again."],
  subscription_limit: ["This session has reached its maximum number of subscriptions.", "Leave a clan first, or raise limits.subscriptions (100 by default)."],
  session_limit: ["This user is already connected, and the gateway keeps the older session.", "Disconnect there, or set sessions.on_excess to replace."],
  rate_limited: ["Too many commands in a short time.", "Wait a moment. The limit is limits.messages_per_second (20, with bursts of 40)."],
  unavailable: ["The message was not confirmed in time. It may still appear.", "Send it again: with the same id it is never sent twice. /health shows what is wrong with the store."],
  internal: ["Something went wrong inside the gateway.", "The details contain an error id. The gateway's log has the cause under that id."],
};

/** Close codes: what happened, and what to do. */
export const CLOSES = {
  1000: ["This page closed the connection.", "Press Connect to connect again."],
  1001: ["The gateway is shutting down.", "Nothing: the client reconnects automatically and receives what it missed."],
  1002: ["A frame was invalid.", "A proxy in between may damage WebSocket frames."],
  1003: ["The client sent a binary frame; the gateway accepts text only.", "This is a bug in the client program."],
  1006: ["The connection was lost without a close code.", "The client reconnects automatically. If it never connects: is the gateway running, and may this page's origin connect?"],
  1007: ["The text was not valid UTF-8.", "This is a bug in the client program."],
  1009: ["A message was larger than the limit.", "Shorten it, or raise limits.message_bytes."],
  1011: ["Something went wrong inside the gateway.", "The client reconnects automatically. The gateway's log has the cause."],
  1012: ["The gateway is restarting.", "Nothing: the client reconnects automatically and receives what it missed."],
  1013: ["The gateway is full, or cannot admit the client now.", "The client retries automatically. limits.connections sets how many clients fit."],
  4400: ["The client sent too many invalid messages.", "This is a bug in the client program. The frame log shows the errors."],
  4401: ["The token was refused or has expired.", "Get a fresh token, and connect again."],
  4403: ["An operator disconnected or blocked this user.", "Ask the operator. Pressing Connect tries again."],
  4409: ["This user connected elsewhere, and that session took over.", "A user has one live session. Press Connect to replace the other session, or set sessions.key to device."],
  4423: ["This user is already connected, and the gateway keeps that session.", "Disconnect there, or set sessions.on_excess to replace."],
  4429: ["The client exceeded its limits repeatedly.", "The client waits 30 seconds before it reconnects."],
  4500: ["An operator asked this client to reconnect.", "Nothing: the client reconnects automatically."],
  4504: ["The gateway received nothing for too long.", "The client reconnects automatically. Causes are a sleeping laptop or a lost network."],
  4508: ["This client read too slowly.", "The client reconnects automatically, and the gateway replays what it missed."],
};

/** Problems that the client detects itself. */
export const LOCAL = {
  cut: ["You cut this connection.", "The client detects it, reconnects automatically and receives everything that it missed."],
  no_gateway: ["No gateway answers at this address.", "Start one (cargo xtask dev), or correct the address under Set-up."],
  no_dev_token: ["This gateway does not issue development tokens.", "It runs without --dev. Make a token with gateway token --user alice --clans wolves, and paste it under Paste a token."],
  token_failed: ["No token could be fetched.", "The set-up check below shows the cause."],
  origin_refused: ["The gateway refuses pages of this origin.", "Add this page's origin to origins.allowed in gateway.toml, and reload the gateway (SIGHUP)."],
  mixed_content: ["A page that was loaded over https may not use ws://.", "Use a wss:// address, or open this page over http on your own machine."],
  no_sdk: ["This gateway has no browser SDK.", "Run cargo xtask wasm and load this page again. A release build of the gateway embeds the SDK: build it again first."],
  no_wasm: ["This browser does not run WebAssembly here.", "A content security policy may forbid it: script-src needs 'wasm-unsafe-eval'."],
  timed_out: ["No answer came in time.", "The connection may be down; the client repeats the message when it is back."],
  disconnected: ["The connection was lost before the answer came.", "The client repeats the message with the same id when the connection is back, so nothing is sent twice."],
  invalid: ["This input is not valid.", "A message has 1 to 4,000 characters; a name has 1 to 128 bytes and no spaces."],
  queue_full: ["Too many messages are waiting to be sent.", "Wait until the connection is back."],
  closed: ["The connection has been closed.", "Press Connect to connect again."],
  connection: ["There is no connection.", "The client retries automatically. If it never connects, the set-up check below shows why."],
  token: ["No token could be fetched.", "Is the gateway running, and with --dev? The client retries automatically."],
  load_failed: ["The client's program could not be loaded.", "The page loads it again automatically. If that never succeeds: is the gateway still running?"],
  blocked_by_csp: ["The content security policy of this page forbids something that the client needs.", "The details name the directive and what to add to it."],
  replaced: ["This user connected elsewhere, and that session took over.", "A user has one live session. Press Connect to replace the other session."],
  trap: ["The client stopped working.", "Press Connect to start it again. The browser's console has details."],
  failed: ["The client stopped working.", "Press Connect to start it again. The browser's console has details."],
};

/** The explanation of a code of any kind; for an unknown code, the advice for its range. */
export function explain(code, message) {
  const known = ERRORS[code] ?? CLOSES[code] ?? LOCAL[code];
  if (known) return { code, what: known[0], todo: known[1] };
  const number = Number(code);
  const what = message || "Something went wrong.";
  if (number >= 4400 && number < 4500) return { code, what, todo: "The client does not reconnect automatically. Press Connect to try again." };
  if (number >= 1000) return { code, what, todo: "The client reconnects automatically." };
  return { code, what, todo: "The frame log and the set-up check below may show more." };
}

/** A card for one error: the explanation and its code. `look` is `warn` for errors that the client recovers from. */
export function errorCard(code, message, { onDismiss, look = "" } = {}) {
  const { what, todo } = explain(code, message);
  return el("div", { class: `error-card ${look}` },
    el("div", {}, el("strong", {}, what), " ", el("code", { class: "code" }, String(code ?? "error"))),
    el("p", {}, todo),
    onDismiss && el("button", { type: "button", class: "button quiet small", "aria-label": `Dismiss: ${what}`, onclick: onDismiss }, "Dismiss"));
}

/** The tables of all codes. */
export function codeTables() {
  const table = (caption, codes) => el("div", { class: "table-scroll", tabIndex: 0, role: "region", "aria-label": caption },
    el("table", {},
      el("caption", {}, caption),
      el("thead", {}, el("tr", {}, ...["Code", "What happened", "What to do"].map((head) => el("th", { scope: "col" }, head)))),
      el("tbody", {}, ...Object.entries(codes).map(([code, [what, todo]]) =>
        el("tr", {}, el("th", { scope: "row" }, el("code", {}, ...breakable(code))), el("td", {}, what), el("td", {}, todo))))));
  return [table("Errors: the connection stays open", ERRORS), table("Close codes: why a connection ended", CLOSES)];
}

/** A name that may be broken after its underscores, for narrow screens. */
const breakable = (name) => name.split("_").flatMap((part, index) => (index === 0 ? [part] : ["_", el("wbr"), part]));
