// The page: two users, statistics, frames, the set-up check and the table of codes, put together.

import { codeTables } from "./codes.js";
import { Frames } from "./frames.js";
import { Panel } from "./panel.js";
import { setUpCheck } from "./setup.js";
import { watch } from "./stats.js";

const by = (id) => document.getElementById(id);

// The page works without the SDK as far as it can: then it says what is missing.
const sdk = await import("./sdk/index.js").catch((error) => {
  console.error("the browser SDK could not be loaded", error);
  return undefined;
});

const frames = new Frames();
by("frames-body").append(frames.element);
by("codes-body").append(...codeTables());

const check = setUpCheck(by("set-up-body"), { sdk, pastedTokens: () => panels.map((panel) => panel.pastedToken).filter(Boolean) });

const panels = [["left", "Left user", "alice", "bob"], ["right", "Right user", "bob", "alice"]].map(([side, label, userId, otherId]) =>
  new Panel({ side, label, userId, otherId, sdk, frames, troubled: () => check.run() }));
by("people").append(...panels.map((panel) => panel.element));

by("connect-both").addEventListener("click", () => {
  for (const panel of panels) if (!panel.isLive) panel.connect();
});

watch({ tiles: by("tiles"), note: by("statistics-note"), pill: by("gateway-health"), lost: () => check.run() });
if (!sdk) check.run();
document.documentElement.dataset.ready = "true";
