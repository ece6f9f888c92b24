// The set-up check: tests each step between this page and the gateway, and explains the result in plain words.

import { explain } from "./codes.js";
import { el } from "./dom.js";
import { base, fetchToken, isSameOrigin, readToken, socketUrl } from "./gateway.js";

/** The timeout of one request. */
const PATIENCE_MS = 4_000;

/** The minimum time between automatic checks. */
const SOMETIMES_MS = 15_000;

/** The smallest WebAssembly module; a policy that forbids WebAssembly refuses it as well. */
const SMALLEST_WASM = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);

const good = (words) => ({ look: "good", words });
const bad = (code, words, todo) => ({ look: "bad", code, words: words ?? explain(code).what, todo: todo ?? explain(code).todo });
const unknown = (words, todo) => ({ look: "unknown", words, todo });

const isLoopback = (url) => /^(localhost|127\.[\d.]+|\[::1\])$/.test(url.hostname) || url.hostname.endsWith(".localhost");

async function browser() {
  if (typeof WebAssembly !== "object") return bad("no_wasm");
  try {
    await WebAssembly.compile(SMALLEST_WASM);
  } catch {
    return bad("no_wasm");
  }
  return good("The browser supports modules, WebSockets and WebAssembly.");
}

const library = async ({ sdk }) => (sdk ? good("The browser SDK is loaded.") : bad("no_sdk"));

async function address() {
  if (location.protocol === "https:" && base.protocol === "http:" && !isLoopback(base)) return bad("mixed_content");
  return good(`${socketUrl}`);
}

async function reach(path, options) {
  return fetch(new URL(path, base), { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS), ...options });
}

async function gateway() {
  try {
    const response = await reach("health/live");
    const skew = Math.round((Date.parse(response.headers.get("date")) - Date.now()) / 1_000);
    if (Math.abs(skew) > 30) {
      return bad("token_expired", `The gateway answers, but its clock differs by ${Math.abs(skew)} s from this machine's.`, "Tokens may seem expired, or not yet valid. Set both clocks.");
    }
    return good("The gateway answers.");
  } catch {
    if (isSameOrigin) return bad("no_gateway");
  }
  try {
    await reach("health/live", { mode: "no-cors" });
    return unknown("A server answers there, but this page may not read its response.", "Only a gateway with --dev allows other origins to read its health. This alone is not an error.");
  } catch {
    return bad("no_gateway", `No server answers at ${base.origin}.`, "Start a gateway (cargo xtask dev), correct the address above, or open the page from the gateway itself: its own content security policy may forbid other addresses.");
  }
}

async function tokens() {
  try {
    await fetchToken({ userId: "set-up-check", clans: [] }, AbortSignal.timeout(PATIENCE_MS));
    return good("The gateway issues tokens for this page.");
  } catch (error) {
    if (error.code === "no_gateway" || !error.code) return unknown("The page could not request a token.", "Paste a token under Identity instead.");
    return bad(error.code, undefined, undefined);
  }
}

async function pasted({ pastedTokens }) {
  const given = pastedTokens();
  if (given.length === 0) return undefined;
  for (const token of given) {
    const claims = readToken(token);
    if (!claims) return bad("unauthorized", "A pasted token is not a JWT.", "A JWT has three parts separated by dots, and begins with eyJ.");
    const seconds = Math.round(claims.exp - Date.now() / 1_000);
    if (Number.isNaN(seconds)) return bad("unauthorized", "A pasted token never expires; the gateway requires exp.", "Issue a token that expires.");
    if (seconds <= 0) return bad("token_expired", `The token for ${claims.sub} ran out ${ago(-seconds)} ago.`, "Paste a newer one.");
  }
  return good("Each pasted token is a JWT that has not expired. Whether its signature is valid shows when it connects.");
}

const ago = (seconds) => (seconds < 120 ? `${seconds} s` : seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`);

async function socket({ results }) {
  const opened = await new Promise((resolve) => {
    let probe;
    try {
      probe = new WebSocket(socketUrl, "gateway.v1.json");
    } catch (error) {
      resolve(error);
      return;
    }
    const done = (value) => {
      clearTimeout(timer);
      resolve(value);
      probe.close();
    };
    const timer = setTimeout(() => done(false), PATIENCE_MS);
    probe.onopen = () => done(true);
    probe.onclose = () => done(false);
  });
  if (opened === true) return good(`A WebSocket from ${location.origin} opens.`);
  if (results.get(gateway)?.look === "bad") return unknown("This step can run only when the gateway answers.");
  const line = `origins.allowed = ["${location.origin}"]`;
  return bad("origin_refused", `The gateway answers, but no WebSocket opens from ${location.origin}.`,
    `If the gateway refuses the origin, its log says so, and this line in gateway.toml allows it: ${line}. Otherwise the gateway is full, or a proxy in between does not forward WebSockets.`);
}

const STEPS = [
  ["This browser", browser], ["Browser SDK", library], ["Address", address], ["Gateway", gateway],
  ["Tokens", tokens], ["Pasted tokens", pasted], ["WebSocket and origin", socket],
];

const SIGNS = { good: ["✓", "passed"], bad: ["✕", "failed"], unknown: ["–", "unknown"] };

/** The check as a list with a button; `run()` starts it, and `context.found` receives the first problem. */
export function setUpCheck(body, context) {
  const list = el("ol", { class: "checks", "aria-live": "polite" });
  const button = el("button", { type: "button", class: "button", onclick: () => run() }, "Check my set-up");
  const id = "gateway-address";
  const input = el("input", { id, type: "url", value: base.href, required: true });
  const form = el("form", { class: "address", onsubmit: (event) => {
    event.preventDefault();
    location.search = `?gateway=${encodeURIComponent(input.value)}`;
  } }, el("div", { class: "field grow" }, el("label", { for: id }, "Gateway address"), input), el("button", { type: "submit", class: "button" }, "Use it"));
  body.replaceChildren(el("div", { class: "row between" }, form, button), list);
  let isRunning = false;
  async function run() {
    if (isRunning) return;
    isRunning = true;
    button.disabled = true;
    const results = new Map();
    list.setAttribute("aria-busy", "true");
    list.replaceChildren();
    for (const [name, step] of STEPS) {
      const result = await step({ ...context, results });
      if (!result) continue;
      results.set(step, result);
      const [sign, words] = SIGNS[result.look];
      list.append(el("li", { class: `check-item ${result.look}` },
        el("span", { class: "sign" }, el("span", { "aria-hidden": "true" }, sign), el("span", { class: "visually-hidden" }, `${words}: `)),
        el("div", {}, el("strong", {}, name), " ", result.code && el("code", { class: "code" }, result.code),
          el("p", {}, result.words), result.todo && el("p", { class: "muted" }, result.todo))));
    }
    context.found([...results.values()].find((result) => result.look === "bad"));
    list.removeAttribute("aria-busy");
    button.disabled = false;
    isRunning = false;
  }
  let lastAt = -Infinity;
  /** Runs the check after a problem, but not for each attempt of a client that retries. */
  function runSometimes() {
    if (performance.now() - lastAt < SOMETIMES_MS) return;
    lastAt = performance.now();
    run();
  }
  return { run, runSometimes };
}
