// The protocol's error and close codes in people's words: what happened, and what to do about it.

import { el } from "./dom.js";

/** Error codes: what happened, and what to do. */
export const ERRORS = {
  invalid_json: ["What was sent is not JSON.", "This is a fault of the client program. The frame log shows what was sent."],
  invalid_message: ["A field is missing or outside its bounds.", "The details name the field. A message has 1 to 4,000 characters, a name no blanks."],
  unknown_type: ["The gateway does not know this kind of message.", "The client may be newer than the gateway. Compare their versions."],
  unknown_service: ["There is no service of this name here, or it has no such topic.", "The greeting (connected) lists the services. Check the spelling, or declare the service."],
  message_too_large: ["The message is larger than the gateway takes.", "Shorten it, or raise limits.message_bytes (64 KiB by default)."],
  conflict: ["This id was used before for another message.", "This is a fault of the client program: each new message needs a new clientMessageId."],
  unauthorized: ["The gateway does not know who this is.", "The token is missing, damaged or signed with another key. Get a new one, and compare auth.jwt_secret, auth.issuer and auth.audience."],
  token_expired: ["The token has run out.", "A fresh one is fetched by itself. With a pasted token: paste a newer one. If it is new, compare the clocks of both machines."],
  forbidden: ["This user may not do that here.", "The clan is not among the token's clans. Add it above and connect again."],
  subscription_limit: ["This session has subscribed to as much as it may.", "Leave a clan first, or raise limits.subscriptions (100 by default)."],
  session_limit: ["This user is connected elsewhere, and the gateway keeps the older session.", "Disconnect there, or set sessions.on_excess to replace."],
  rate_limited: ["Too much at once.", "Wait a moment. The limit is limits.messages_per_second (20, with bursts of 40)."],
  unavailable: ["Not confirmed in time. It may still appear.", "Send it again: under the same id it is never sent twice. /health tells what is wrong with the store."],
  internal: ["Something went wrong inside the gateway.", "The details hold an error id. The gateway's log has the cause beside that id."],
};

/** Close codes: what happened, and what to do. */
export const CLOSES = {
  1000: ["Closed by this page.", "Press Connect to come back."],
  1001: ["The gateway is going away.", "Nothing: the client comes back by itself and gets what it missed."],
  1002: ["A frame was broken.", "A proxy in between may damage WebSocket frames."],
  1003: ["A binary frame was sent; the gateway speaks text.", "This is a fault of the client program."],
  1006: ["The connection was lost without a goodbye.", "The client comes back by itself. If it never connects: is the gateway running, and may this page's origin connect?"],
  1007: ["The text was not valid UTF-8.", "This is a fault of the client program."],
  1009: ["A message was over the limit.", "Shorten it, or raise limits.message_bytes."],
  1011: ["Something went wrong inside the gateway.", "The client comes back by itself. The gateway's log has the cause."],
  1012: ["The gateway restarts.", "Nothing: the client comes back by itself and gets what it missed."],
  1013: ["The gateway is full.", "The client tries again by itself. limits.connections says how many fit."],
  4400: ["Too many messages that made no sense.", "This is a fault of the client program. The frame log shows the errors."],
  4401: ["The token was refused or has run out.", "Get a fresh token, and connect again."],
  4403: ["An operator disconnected or blocked this user.", "Ask the operator. Pressing Connect tries again."],
  4409: ["This user connected somewhere else, and that session took over.", "A user has one live session. Press Connect to take it back, or set sessions.key to device."],
  4423: ["This user is connected elsewhere, and that session stays.", "Disconnect there, or set sessions.on_excess to replace."],
  4429: ["Far too much at once, again and again.", "The client waits 30 seconds before it comes back."],
  4500: ["An operator asked this client to reconnect.", "Nothing: the client comes back by itself."],
  4504: ["Nothing was heard for too long.", "The client comes back by itself. A sleeping laptop or a cut line does this."],
  4508: ["This client read too slowly.", "The client comes back by itself, and what it missed is replayed."],
};

/** What the client itself finds, before or without the gateway. */
export const LOCAL = {
  cut: ["You cut this line.", "The client finds that out by itself, and comes back by itself with all that it missed."],
  no_gateway: ["No gateway answers at this address.", "Start one (cargo xtask dev), or correct the address under Set-up."],
  no_dev_token: ["This gateway makes no tokens for visitors.", "It runs without --dev. Make one with gateway token --user alice --clans wolves, and paste it under Paste a token."],
  token_failed: ["No token could be fetched.", "The set-up check below tells what stands in between."],
  origin_refused: ["The gateway does not let pages of this origin in.", "Add this page's origin to origins.allowed in gateway.toml, and reload the gateway (SIGHUP)."],
  mixed_content: ["A page over https may not use ws://.", "Use a wss:// address, or open this page over http on your own machine."],
  no_sdk: ["The browser SDK is not in this gateway.", "Run cargo xtask wasm and load this page again. A release build of the gateway embeds the SDK: build it again first."],
  no_wasm: ["This browser does not run WebAssembly here.", "A policy may forbid it: script-src needs 'wasm-unsafe-eval'."],
  timed_out: ["No answer came in time.", "The connection may be down; what was sent is repeated when it is back."],
  disconnected: ["The connection was lost before the answer came.", "It is repeated under the same id when the connection is back, so nothing comes twice."],
  invalid: ["That cannot be sent as it is.", "A message has 1 to 4,000 characters; a name has 1 to 128 bytes and no blanks."],
  queue_full: ["Too much is waiting to be sent.", "Wait until the connection is back."],
  closed: ["The connection has been closed for good.", "Press Connect to come back."],
  connection: ["There is no connection.", "The client tries again by itself. If it never connects, the set-up check below tells why."],
  token: ["No token could be fetched.", "Is the gateway running, and with --dev? The client tries again by itself."],
  load_failed: ["The client's program could not be loaded.", "It is loaded again by itself. If that never succeeds: does this gateway still run?"],
  blocked_by_csp: ["This page's policy forbids what the client needs.", "The details name the directive and what to add to it."],
  replaced: ["This user connected somewhere else, and that session took over.", "A user has one live session. Press Connect to take it back."],
  trap: ["The client stopped working.", "Connect again: it starts afresh. The browser's console has more."],
  failed: ["The client stopped working.", "Connect again: it starts afresh. The browser's console has more."],
};

/** The words for a code of any kind; for one that nobody knows, what its range advises. */
export function explain(code, message) {
  const known = ERRORS[code] ?? CLOSES[code] ?? LOCAL[code];
  if (known) return { code, what: known[0], todo: known[1] };
  const number = Number(code);
  const what = message || "Something went wrong.";
  if (number >= 4400 && number < 4500) return { code, what, todo: "The client does not come back by itself. Press Connect to try again." };
  if (number >= 1000) return { code, what, todo: "The client comes back by itself." };
  return { code, what, todo: "The frame log and the set-up check below may tell more." };
}

/** A card that tells one error: the words first, its code beside them. `look` is `warn` for what mends itself. */
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
