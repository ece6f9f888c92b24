// Random faults during a conversation: tabs open, close, freeze and hang, and the gateway is killed. Each tab must
// receive every message once.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchWithBackground, newContext } from "../fixtures/browser/browser.js";
import { Gateway, endAll } from "../fixtures/gateway.js";
import { Tab, sessions } from "../fixtures/browser/tab.js";

/** A failure names its seed; `SEED=… STEPS=…` repeats the run with this seed and number of steps. */
const { SEED = "10", STEPS = "20" } = process.env;
const MOST_TABS = 4;

let browser;
before(async () => {
  browser = await launchWithBackground();
});
after(async () => {
  await browser?.close();
  await endAll();
});

let random = Number(SEED);
function below(bound) {
  random = (random * 1_103_515_245 + 12_345) % 2 ** 31;
  return Math.floor((random / 2 ** 31) * bound);
}

class Turmoil {
  tabs = [];
  #opened = 0;
  #said = [];

  constructor(gateway, context, bob) {
    Object.assign(this, { gateway, context, bob });
  }

  pick(tabs = this.tabs) {
    return tabs[below(tabs.length)];
  }

  /** A tab that subscribes and sends one message after the other. */
  async open() {
    if (this.tabs.length >= MOST_TABS) return;
    const tab = await Tab.open(this.context, this.gateway, "alice");
    tab.name = `tab ${(this.#opened += 1)}`;
    await tab.run(async (name) => {
      const stream = app.client.clanChat("wolves").subscribe();
      await stream.ready;
      // The position moves with each message that is taken, so it is read before the first one.
      const talk = (app.talk = { start: stream.position.offset, said: [], failed: [], goesOn: true });
      app.watch("wolves", stream);
      void (async () => {
        for (let i = 0; talk.goesOn; i += 1) {
          const text = `${name}: ${i}`;
          await app.client.clanChat("wolves").send(text, { timeoutMs: 120_000 }).then(() => talk.said.push(text), (error) => talk.failed.push(`${text}: ${error}`));
          await new Promise((resolve) => setTimeout(resolve, 30));
        }
      })();
    }, tab.name);
    this.tabs.push(tab);
  }

  async close() {
    if (this.tabs.length === 1) return;
    const tab = this.pick();
    this.tabs = this.tabs.filter((other) => other !== tab);
    this.#said.push(...(await tab.run(() => app.talk.said)));
    await tab.page.close();
  }

  async front() {
    await this.pick().page.bringToFront();
  }

  async freeze() {
    if (this.tabs.length === 1) return;
    const tab = this.pick();
    const others = this.tabs.filter((other) => other !== tab);
    await others[0].page.bringToFront();
    await tab.freeze();
    await this.goesOn(others);
    await tab.thaw();
  }

  async debug() {
    await this.#stop(this.pick(), async (tab) => {
      await tab.hang();
      return () => tab.goOn();
    });
  }

  /** The leading tab is busy while another tab is in front. */
  async busy() {
    for (const tab of this.tabs) if (await tab.leads()) return this.#stop(tab, () => tab.hold(() => app.wait()));
  }

  async #stop(tab, stop) {
    const others = this.tabs.filter((other) => other !== tab);
    if (others.length > 0) await this.pick(others).page.bringToFront();
    const goOn = await stop(tab);
    await this.goesOn(others);
    await goOn();
  }

  async kill() {
    await this.gateway.kill();
    await this.pick().becomes("reconnecting");
    await this.gateway.restart();
  }

  /** Bob sends a message, and these tabs receive it. */
  async goesOn(tabs = this.tabs) {
    const text = `bob: ${(this.#opened += 1)}`;
    await this.bob.says("wolves", text);
    for (const tab of tabs) await tab.until((text) => app.streams.wolves.seen.events.some(({ content }) => content === text), text);
  }

  /** Every tab received every message since it subscribed, in one order, and every confirmed message once. */
  async check() {
    for (const tab of this.tabs) await tab.run(() => (app.talk.goesOn = false));
    await this.tabs.at(-1).page.bringToFront();
    // Every request under way has been answered.
    for (const tab of this.tabs) await tab.run(() => app.client.clanChat("wolves").send("the end", { timeoutMs: 120_000 }));
    await this.goesOn();
    const received = (tab) => tab.run(() => app.streams.wolves.seen.events.map(({ offset, content, type }) => `${offset} ${content ?? type}`));
    const history = [];
    for (let page; page?.hasMore !== false;) {
      page = await this.bob.run((before) => app.client.clanChat("wolves").history({ before, limit: 100 }), page?.messages[0].offset);
      history.unshift(...page.messages);
    }
    for (const tab of this.tabs) {
      const { start, said, failed } = await tab.run(() => app.talk);
      const expected = history.filter(({ offset }) => offset > start).map(({ offset, content }) => `${offset} ${content}`);
      assert.deepEqual(await received(tab), expected, tab.name);
      assert.deepEqual(failed, [], tab.name);
      this.#said.push(...said);
      const states = await tab.run(() => app.states.map((state) => state.split(" ")[0]));
      assert.deepEqual(states.filter((state) => !["connecting", "online", "reconnecting"].includes(state)), [], tab.name);
      tab.isSound();
    }
    const texts = history.map(({ content }) => content).filter((content) => content !== "the end");
    assert.equal(new Set(texts).size, texts.length, "nothing twice");
    assert.deepEqual(this.#said.filter((text) => !texts.includes(text)), [], "what was confirmed is there");
    assert.equal(await sessions(this.gateway), 2);
  }
}

test(`delivers every message once under random faults (seed ${SEED})`, async (t) => {
  const settings = ["limits.messages_per_second = 100000", "limits.burst = 100000", "history.max_entries = 100000"];
  const gateway = await Gateway.start({ settings });
  const [context, other] = await Promise.all([newContext(browser), newContext(browser)]);
  const turmoil = new Turmoil(gateway, context, await Tab.open(other, gateway, "bob"));
  await turmoil.open();
  await turmoil.open();
  const steps = [];
  try {
    for (let i = 0; i < Number(STEPS); i += 1) {
      steps.push(["open", "close", "front", "freeze", "debug", "busy", "kill"][below(7)]);
      await turmoil[steps.at(-1)]();
      await turmoil.goesOn();
    }
    await turmoil.check();
    t.diagnostic(steps.join(", "));
  } catch (error) {
    // The reporter shows the message of an error, and not its cause.
    throw new Error(`after ${steps.join(", ")}: ${error.stack ?? error}`, { cause: error });
  }
  await Promise.all([context.close(), other.close()]);
  await gateway.end();
});
