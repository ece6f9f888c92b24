// The page: assembles two users, statistics, frames, the set-up check and the table of codes.

import { codeTables } from "./codes.js";
import { el } from "./dom.js";
import { Frames } from "./frames.js";
import { Panel } from "./panel.js";
import { setUpCheck } from "./setup.js";
import { watch } from "./stats.js";

const by = (id) => document.getElementById(id);

// Without the SDK the page still loads and says what is missing.
const sdk = await import("./sdk/index.js").catch((error) => {
  console.error("the browser SDK could not be loaded", error);
  return undefined;
});

const frames = new Frames();
by("frames-body").append(frames.element);
by("codes-body").append(...codeTables());

const check = setUpCheck(by("set-up-body"), {
  sdk,
  pastedTokens: () => panels.map((panel) => panel.pastedToken).filter(Boolean),
  found: (problem) => by("trouble").replaceChildren(...(problem ? [trouble(problem)] : [])),
});

/** The first problem of the set-up check, shown at the top of the page. */
function trouble({ words, todo, code }) {
  return el("div", { class: "error-card" }, el("div", {}, el("strong", {}, words), " ", el("code", { class: "code" }, code)),
    el("p", {}, todo, " ", el("a", { href: "#set-up" }, "Show all checks")));
}

const panels = [];
const both = by("connect-both");
const areLive = () => panels.length > 0 && panels.every((panel) => panel.isLive);
for (const [side, label, userId, otherId] of [["left", "Left user", "alice", "bob"], ["right", "Right user", "bob", "alice"]]) {
  panels.push(new Panel({
    side, label, userId, otherId, sdk, frames,
    troubled: () => check.runSometimes(),
    changed: () => (both.textContent = areLive() ? "Disconnect both" : "Connect both"),
  }));
}
by("people").append(...panels.map((panel) => panel.element));
both.addEventListener("click", () => {
  const together = areLive();
  for (const panel of panels) {
    if (together) panel.disconnect();
    else if (!panel.isLive) panel.connect();
  }
});

watch({ tiles: by("tiles"), note: by("statistics-note"), pill: by("gateway-health"), changed: () => check.run() });
if (!sdk) check.run();
document.documentElement.dataset.ready = "true";
