// Every step of docs/tutorial, as a reader takes it: the files, the commands, and the page in two windows.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, newContext } from "../fixtures/browser/browser.js";
import { Tutorial } from "../fixtures/tutorial.js";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/** Opens the page as another user. */
async function open(address) {
  const page = await (await newContext(browser)).newPage();
  await page.goto(address);
  return {
    page,
    button: (name) => page.getByRole("button", { name, exact: true }),
    /** Waits until the tally is this. */
    shows: (text) => page.getByRole("status").getByText(text, { exact: true }).waitFor(),
    comment: async (text) => {
      await page.getByRole("textbox", { name: "Comment" }).fill(text);
      await page.getByRole("textbox", { name: "Comment" }).press("Enter");
    },
    receives: (text) => page.locator("li[data-status=sent]").getByText(text, { exact: true }).waitFor(),
    comments: () => page.getByRole("listitem").allTextContents(),
  };
}

test("the tutorial followed to the letter gives live polls", async (t) => {
  const tutorial = await Tutorial.begin(t);
  assert.match(await tutorial.runs("gateway services --dev"), /poll-\{pollId\}/);
  await tutorial.starts("gateway serve --dev", "listening");
  await tutorial.starts("python3 backend.py", "ready");
  await tutorial.runs("gateway codegen");
  const address = await tutorial.starts("npx vite", /http:\/\/localhost:\d+/);
  const [one, two] = [await open(address), await open(address)];
  for (const window of [one, two]) await window.shows("0 yes, 0 no, 0 comments");

  await one.button("Yes").click();
  for (const window of [one, two]) await window.shows("1 yes, 0 no, 0 comments");
  await two.comment("Coffee, please");
  for (const window of [one, two]) {
    await window.receives("Coffee, please");
    await window.shows("1 yes, 0 no, 1 comments");
  }

  // Step 5: without the backend a call is not made, and comments are stored and counted later.
  await tutorial.stops("python3 backend.py");
  await two.button("No").click();
  await two.page.getByRole("alert").waitFor();
  await one.comment("Tea");
  await two.receives("Tea");
  await tutorial.starts("python3 backend.py", "ready");
  for (const window of [one, two]) await window.shows("0 yes, 0 no, 1 comments");

  // A gateway that was away gets what was written meanwhile, once.
  await tutorial.stops("gateway serve --dev");
  await one.comment("Is it on?");
  await tutorial.starts("gateway serve --dev", "listening");
  for (const window of [one, two]) {
    await window.receives("Is it on?");
    assert.deepEqual(await window.comments(), ["Coffee, please", "Tea", "Is it on?"]);
  }
});
