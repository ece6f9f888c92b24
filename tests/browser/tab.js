// A browser tab with a client of the SDK in it and no page around it, driven from here.

import { strict as assert } from "node:assert";
import { mayHide } from "./browser.js";

/** Runs in the page: makes a client as this user, and what a test looks at. */
async function begin({ userId, options, listens }) {
  const { GatewayClient } = await import("/demo/sdk/index.js");
  const app = (globalThis.app = { states: [], frames: [], pending: [], acked: [], asked: 0, streams: {}, settled: {} });
  const fetchToken = async (asked) => {
    const response = await fetch("/dev/token", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(asked) });
    return (await response.json()).token;
  };
  app.token = () => fetchToken({ userId, clans: ["*"] });
  const token = () => {
    app.asked += 1;
    return app.token();
  };
  app.client = new GatewayClient({ url: "/ws", token, ...options });
  app.client.on("state", ({ status, cause }) => app.states.push(cause ? `${status} ${cause.code}` : status));
  if (listens) app.client.on("frame", (frame) => app.frames.push(frame));
  const plain = (error) => ({ name: error.name, message: error.message, ...error });
  app.watch = (name, stream) => {
    const seen = { events: [], end: undefined };
    app.streams[name] = { stream, seen };
    void (async () => {
      try {
        for await (const event of stream) {
          seen.events.push(event);
          if (event.type === "gap") seen.caughtUp = await event.history?.();
        }
        seen.end = "quiet";
      } catch (error) {
        seen.end = plain(error);
      }
    })();
  };
  /** Does nothing and lets nothing be done, until the request is answered. */
  app.wait = () => {
    const request = new XMLHttpRequest();
    request.open("GET", "/held", false);
    request.send();
  };
  app.settle = (name, promise) => {
    app.settled[name] = undefined;
    promise.then((value) => (app.settled[name] = { value }), (error) => (app.settled[name] = { error: plain(error) }));
  };
}

export class Tab {
  /** Opens a tab in this profile. */
  static async open(context, gateway, userId, options = {}, { listens = false, connect = true } = {}) {
    const tab = new Tab();
    tab.page = await context.newPage();
    await mayHide(tab.page);
    await tab.page.bringToFront();
    tab.problems = [];
    tab.page.on("pageerror", (error) => tab.problems.push(`${error.stack ?? error}`));
    await tab.page.goto(`http://${gateway.address}/demo/without-sdk.html`);
    await tab.page.evaluate(begin, { userId, options, listens });
    if (connect) await tab.run(() => app.client.connect({ timeoutMs: 20_000 }));
    return tab;
  }

  /** Runs a function in the page; it finds its world in `app`. */
  run(what, argument) {
    return this.page.evaluate(what, argument);
  }

  /** Waits until a condition in the page holds. */
  async until(condition, argument) {
    await this.page.waitForFunction(condition, argument, { polling: 20, timeout: 20_000 });
  }

  /** Reads a clan's chat from now on. */
  async reads(clanId, options = {}) {
    await this.run(async ([clanId, options]) => {
      const stream = app.client.clanChat(clanId).subscribe(options);
      app.watch(clanId, stream);
      await stream.ready;
    }, [clanId, options]);
  }

  /** Sends and waits for the confirmation. */
  says(clanId, text) {
    return this.run(([clanId, text]) => app.client.clanChat(clanId).send(text, { timeoutMs: 30_000 }), [clanId, text]);
  }

  /** What was said, as this tab has read it. */
  heard(clanId) {
    return this.run((clanId) => app.streams[clanId].seen.events.map((event) => (event.type === "chat" ? event.content : event.type)), clanId);
  }

  /** Waits until it has read so much. */
  async hears(clanId, count) {
    await this.until(([clanId, count]) => app.streams[clanId].seen.events.length >= count, [clanId, count]);
  }

  /** Freezes it as a browser does with pages in the background; it must not be in front. */
  async freeze() {
    await this.#command("Page.setWebLifecycleState", { state: "frozen" });
  }

  async thaw() {
    await this.#command("Page.setWebLifecycleState", { state: "active" });
  }

  /** Runs a function in the page that calls `app.wait()`, and returns once it waits, with a function that ends it. */
  async hold(what) {
    const held = new Promise((resolve) => this.page.route("**/held", resolve, { times: 1 }).then(() => {}));
    const done = this.run(what);
    const route = await held;
    return async () => {
      await route.fulfill({ body: "" });
      await done;
    };
  }

  /** Stops everything in it without a word, as a debugger does; what it is told meanwhile may be lost. */
  async hang() {
    this.#wasHeld = true;
    await this.#command("Debugger.enable");
    const paused = new Promise((resolve) => this.#debugger.once("Debugger.paused", resolve));
    this.#debugger.send("Runtime.evaluate", { expression: "debugger" }).catch(() => {});
    await paused;
  }

  async goOn() {
    await this.#command("Debugger.disable");
  }

  #debugger;
  #wasHeld = false;

  async #command(name, argument) {
    this.#debugger ??= await this.page.context().newCDPSession(this.page);
    await this.#debugger.send(name, argument);
  }

  /** What became of something that `app.settle` was given. */
  async outcome(name) {
    await this.until((name) => app.settled[name] !== undefined, name);
    return this.run((name) => app.settled[name], name);
  }

  /** Whether it is the tab that has the connection. */
  leads() {
    return this.run(() => navigator.locks.request("who am I", async () => {
      const { held } = await navigator.locks.query();
      const { clientId } = held.find(({ name }) => name === "who am I");
      return held.some((lock) => lock.clientId === clientId && lock.name.startsWith("[") && lock.name.endsWith("]"));
    }));
  }

  async becomes(status) {
    await this.until((status) => app.client.state.status === status, status);
  }

  /** Nothing was thrown that nobody caught. */
  isSound() {
    // What Chromium says of an event that it could not deliver to a page that a debugger held, and dropped.
    const isDropped = (problem) => this.#wasHeld && problem.includes("The provided callback is no longer runnable");
    assert.deepEqual(this.problems.filter((problem) => !isDropped(problem)), []);
  }
}

/** Says one number after the other, until it is told to stop; then it tells which. */
export function talk(tab, clanId) {
  let goesOn = true;
  const said = (async () => {
    const texts = [];
    while (goesOn) {
      const text = `${texts.length}`;
      await tab.says(clanId, text);
      texts.push(text);
    }
    return texts;
  })();
  return () => {
    goesOn = false;
    return said;
  };
}

/** How many sessions the gateway has now. */
export async function sessions(gateway) {
  const health = await fetch(`http://${gateway.address}/health/websocket`);
  return (await health.json()).activeConnections;
}
