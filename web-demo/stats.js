// Live statistics of the gateway as small plots, and its health status.

import { el, svg } from "./dom.js";
import { base, getJson } from "./gateway.js";

/** The interval between requests. */
const INTERVAL_MS = 2_000;

/** The number of points of a plot: two minutes. */
const POINTS = 60;

const WIDTH = 160;
const HEIGHT = 40;

const sum = (counts) => Object.values(counts ?? {}).reduce((total, count) => total + count, 0);

/** The plots: a name, and a function of two consecutive responses. */
const PLOTS = [
  ["Connections", (now) => now.activeConnections],
  ["Users", (now) => now.connectedUsers],
  ["Subscriptions", (now) => sum(now.subscriptions)],
  ["Messages in", (now, before, seconds) => rate(now.messagesReceived, before.messagesReceived, seconds), "/s"],
  ["Messages out", (now, before, seconds) => rate(now.messagesSent, before.messagesSent, seconds), "/s"],
  ["Errors", (now) => sum(now.errors)],
];

const rate = (now, before, seconds) => Math.max(0, (now - before) / seconds);

const show = (value) => (Number.isInteger(value) ? String(value) : value.toFixed(1));

class Plot {
  #values = [];
  #line = svg("polyline", { class: "plot-line", fill: "none", "vector-effect": "non-scaling-stroke" });
  #area = svg("polygon", { class: "plot-area" });
  #number = el("span", { class: "number" }, "–");
  #image;

  constructor(name, unit = "") {
    this.name = name;
    this.unit = unit;
    this.#image = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": `${name}: not known yet` },
      this.#area, this.#line);
    this.element = el("div", { class: "tile" }, el("p", { class: "tile-name" }, name),
      el("p", { class: "tile-number" }, this.#number, el("span", { class: "unit" }, unit)), this.#image);
  }

  add(value) {
    this.#values.push(value);
    if (this.#values.length > POINTS) this.#values.shift();
    const most = Math.max(1, ...this.#values);
    const step = WIDTH / (POINTS - 1);
    const first = POINTS - this.#values.length;
    const points = this.#values.map((it, index) =>
      `${((first + index) * step).toFixed(1)},${(HEIGHT - 3 - (it / most) * (HEIGHT - 8)).toFixed(1)}`);
    this.#line.setAttribute("points", points.join(" "));
    this.#area.setAttribute("points", `${(first * step).toFixed(1)},${HEIGHT} ${points.join(" ")} ${WIDTH},${HEIGHT}`);
    this.#number.textContent = show(value);
    this.#image.setAttribute("aria-label", `${this.name} over the last two minutes: now ${show(value)}${this.unit}, at most ${show(Math.max(...this.#values))}${this.unit}`);
  }
}

/** Updates the tiles and the pill while the page is open; calls `changed()` when the gateway is lost or is back. */
export function watch({ tiles, note, pill, changed }) {
  const plots = PLOTS.map(([name, , unit]) => new Plot(name, unit));
  tiles.replaceChildren(...plots.map((plot) => plot.element));
  const tell = (look, words) => {
    if (pill.textContent === words) return;
    pill.className = `pill ${look}`;
    pill.replaceChildren(el("span", { class: "dot" }), el("span", {}, words));
  };
  let before;
  let wasThere = true;
  const look = async () => {
    if (document.hidden) return;
    try {
      const health = await getJson("health");
      const now = await getJson("health/websocket");
      const at = performance.now();
      tell({ ok: "good", degraded: "warn", draining: "warn" }[health.status] ?? "bad", `Gateway ${health.version ?? ""} · ${health.status}`);
      if (now.messagesSent === undefined) throw new TypeError("no statistics here");
      note.replaceChildren("from ", el("code", {}, "/health/websocket"), ", every 2 seconds");
      // After a restart of the gateway the counters start at zero.
      const last = before && now.messagesSent >= before.now.messagesSent ? before : { now, at: at - INTERVAL_MS };
      PLOTS.forEach(([, read], index) => plots[index].add(read(now, last.now, (at - last.at) / 1_000)));
      before = { now, at };
      if (!wasThere) changed();
      wasThere = true;
    } catch (error) {
      if (error.code === "no_gateway") {
        tell("bad", `No gateway at ${base.host}`);
        note.textContent = "the gateway does not answer; retrying every 2 seconds";
        if (wasThere) changed();
        wasThere = false;
      } else {
        note.textContent = "this gateway shows its statistics to operators only";
      }
    }
  };
  look();
  return setInterval(look, INTERVAL_MS);
}
