// Chromium, and the demo page as a person sees it: by labels, roles and words.

import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];

/** Where screenshots are kept. */
const SHOTS = process.env.SCREENSHOTS ?? fileURLToPath(new URL("../../test-output/screenshots", import.meta.url));

/** Starts Chromium. */
export function launch(options = {}) {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS, ...options });
}

/** Starts Chromium so that it treats pages in the background as it does for people: their timers are slow. */
export function launchWithBackground() {
  const ignoreDefaultArgs = ["--disable-background-timer-throttling", "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding"];
  return launch({ ignoreDefaultArgs });
}

/** Lets a page be hidden while another of its profile is in front: Playwright shows every page at once. */
export async function mayHide(page) {
  // Only the session that turned the emulation on can turn it off, and Playwright keeps that to itself.
  const { delegate } = page._connection.toImpl(page);
  await delegate._mainFrameSession._client.send("Emulation.setFocusEmulationEnabled", { enabled: false });
}

/** Opens the demo in a profile of its own; what goes wrong in the page itself fails the test by `problems`. */
export async function open(browser, url, options = {}) {
  return openTab(await browser.newContext({ viewport: { width: 1360, height: 900 }, reducedMotion: "reduce", ...options }), url);
}

/** Opens the demo in a tab of this profile. */
export async function openTab(context, url) {
  const page = await context.newPage();
  const problems = [];
  page.on("pageerror", (error) => problems.push(`${error}`));
  page.on("console", (message) => {
    if (/Content Security Policy/.test(message.text())) problems.push(message.text());
  });
  await page.goto(url);
  await page.locator("html[data-ready]").waitFor();
  return Object.assign(page, { problems });
}

/** Keeps a picture of the whole page. */
export async function shoot(page, name) {
  const path = `${SHOTS}/${name}.png`;
  await mkdir(dirname(path), { recursive: true });
  await page.screenshot({ path, fullPage: true });
}

/** One of the page's two users. */
export class User {
  constructor(page, side) {
    this.page = page;
    this.panel = page.locator(`#person-${side}`);
    this.log = this.panel.getByRole("log");
  }

  button(name) {
    return this.panel.getByRole("button", { name, exact: true });
  }

  /** Waits for the status that a person reads. */
  async status(words) {
    await this.panel.locator(".person-head .pill", { hasText: words }).waitFor();
  }

  /** Connects as this user, in these clans, and waits until that has succeeded. */
  async connect(userId, clans = "wolves, ravens") {
    await this.panel.getByLabel("User", { exact: true }).fill(userId);
    await this.panel.getByLabel("Clans in the token").fill(clans);
    await this.button("Connect").click();
    await this.status("Online");
    // History and presence have come: now what is sent is seen live.
    await this.panel.locator(".online-list li", { hasText: `${userId} (you)` }).first().waitFor();
  }

  /** Writes and sends a message into the chat that is shown. */
  async say(text) {
    const input = this.panel.getByRole("textbox", { name: /^Message to/ });
    await input.fill(text);
    await input.press("Enter");
  }

  /** Waits until a message is there. */
  async sees(text) {
    await this.log.locator(".message .text", { hasText: text }).first().waitFor();
  }

  /** Every message that is shown, in order. */
  messages() {
    return this.log.locator(".message .text").allTextContents();
  }

  /** Waits until so many own messages are marked so: `confirmed` or `delivered`. */
  async fate(fate, count) {
    await this.log.locator(`.message.own[data-fate="${fate}"]`).nth(count - 1).waitFor();
  }

  /** Waits for an error in plain words, with its code. */
  async error(code, words) {
    await this.panel.locator(".error-card", { hasText: words }).filter({ hasText: code }).first().waitFor();
  }
}

/** Both users of a page. */
export const users = (page) => [new User(page, "left"), new User(page, "right")];
