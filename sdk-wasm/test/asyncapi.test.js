// The AsyncAPI document, judged by the parser of those who made the format.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Parser } from "@asyncapi/parser";

const text = readFileSync(new URL("../../protocol/schema/asyncapi.json", import.meta.url), "utf8");

/** What the parser calls wrong, as it says it. Its mere advice has a severity of more than 1. */
const wrong = diagnostics => diagnostics.filter(({ severity }) => severity <= 1).map(({ message, path }) => `${path.join(".")}: ${message}`);

test("the AsyncAPI document is valid", async () => {
  const { document, diagnostics } = await new Parser().parse(text);
  assert.deepEqual(wrong(diagnostics), []);
  assert.equal(document.version(), "3.0.0");
  assert.ok(document.allMessages().length > 30, `${document.allMessages().length} messages`);
});

test("the parser would find a fault", async () => {
  const broken = JSON.parse(text);
  delete broken.info.title;
  broken.operations[Object.keys(broken.operations)[0]].action = "shout";
  const { diagnostics } = await new Parser().parse(JSON.stringify(broken));
  assert.ok(wrong(diagnostics).length > 0);
});
