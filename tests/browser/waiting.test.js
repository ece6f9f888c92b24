// The page that replaces the demo while the browser SDK is missing: it shows the build's progress and then the demo.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { launch, newContext } from "../fixtures/browser/browser.js";
import { serve } from "../fixtures/browser/files.js";

const DEMO = new URL("../../web-demo/", import.meta.url);
const [page, policy] = await Promise.all(["without-sdk.html", "csp.txt"].map((name) => readFile(new URL(name, DEMO), "utf8")));

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/** What the gateway serves while there is no SDK; `pages` may be changed meanwhile. */
async function waiting(t) {
  const pages = { "/index.html": page };
  const origin = await serve(t, { pages, folders: { "/": DEMO }, headers: { "content-security-policy": policy.trim() } });
  const context = await newContext(browser);
  t.after(() => context.close());
  const opened = await context.newPage();
  await opened.goto(origin);
  return { pages, opened };
}

const status = (text, at = Date.now()) => `${at}\n${text}\n`;

test("shows the progress of the build and then opens the demo", async (t) => {
  const { pages, opened } = await waiting(t);
  await opened.getByRole("heading", { name: "How to build the SDK" }).waitFor();
  for (const step of ["step 2 of 7: compiling", "step 3 of 7: compiling more"]) {
    pages["/sdk-status"] = status(step);
    await opened.getByRole("status").getByText(step, { exact: true }).waitFor();
  }
  await opened.getByRole("heading", { name: "The WebAssembly is on its way" }).waitFor();
  assert.equal(await opened.getByRole("heading", { name: "How to build the SDK" }).count(), 0, "it is hidden");
  Object.assign(pages, { "/sdk/index.js": "export {};", "/index.html": "<!doctype html><title>the demo</title>" });
  await opened.waitForFunction(() => document.title === "the demo");
});

test("does not wait for a build that failed or stopped", async (t) => {
  const { pages, opened } = await waiting(t);
  pages["/sdk-status"] = status("The build of the browser SDK failed: no compiler");
  await opened.getByRole("alert").getByText("failed: no compiler").waitFor();
  await opened.getByRole("heading", { name: "How to build the SDK" }).waitFor();
  pages["/sdk-status"] = status("step 1 of 7: looking");
  await opened.getByRole("heading", { name: "The WebAssembly is on its way" }).waitFor();
  pages["/sdk-status"] = status("step 1 of 7: looking", Date.now() - 3_600_000);
  await opened.getByRole("heading", { name: "How to build the SDK" }).waitFor();
});
