// The programs of MIGRATION_GUIDE.md for rooms, channels and namespaces, with the contracts of the same page.

import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import typescript from "typescript";
import { Gateway } from "./harness.js";

const GUIDE = readFileSync(new URL("../../MIGRATION_GUIDE.md", import.meta.url), "utf8");

/** The text of the page after a heading, up to the next chapter. */
function chapter(heading) {
  return GUIDE.split(`\n### ${heading}\n`)[1].split("\n## ")[0];
}

/** The first block in a language after a text. */
function block(text, after, language) {
  const rest = text.slice(text.indexOf(after) + after.length);
  return rest.split(`\`\`\`${language}\n`)[1].split("```")[0];
}

/** The answers of the backend of a chapter, by what a request is and for which topic or method. */
function answersOf(text) {
  const lines = [...text.matchAll(/^\{.*\}$/gm)].map(([line]) => JSON.parse(line));
  return (type, name) => lines[lines.findIndex(line => line.type === type && line.userId && (line.topic ?? line.method) === name) + 1];
}

/** A gateway with the contract of a chapter, whose backend gives the answers of the page. */
async function start(t, heading, service) {
  const text = chapter(heading);
  const folder = mkdtempSync(join(tmpdir(), "gateway-guide-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const write = (name, content) => writeFileSync(join(folder, name), content);
  write(`${service}.service.toml`, block(text, `\`${service}.service.toml\`:`, "toml"));
  write(`${service}.schema.json`, block(text, `\`${service}.schema.json\`:`, "json"));
  write("secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
  const answer = answersOf(text);
  const backend = createServer(async (request, response) => {
    const { type, topic, method } = JSON.parse((await request.setEncoding("utf8").toArray()).join(""));
    response.setHeader("content-type", "application/json").end(JSON.stringify(answer(type, topic ?? method)));
  });
  await once(backend.listen(0, "127.0.0.1"), "listening");
  t.after(() => {
    backend.closeAllConnections();
    backend.close();
  });
  return Gateway.start(t, `
services.${service}.contract = ${JSON.stringify(join(folder, `${service}.service.toml`))}
services.${service}.backend.url = "http://127.0.0.1:${backend.address().port}/gateway"
services.${service}.backend.secret_file = ${JSON.stringify(join(folder, "secret"))}
`);
}

/** Runs the program of a chapter with a client, and returns a function that waits for a call of the app. */
function run(heading, client, gives = "undefined") {
  const code = block(chapter(heading), "\n", "ts");
  const compiled = typescript.transpileModule(code, { compilerOptions: { target: "ES2022" } }).outputText;
  const calls = new EventEmitter();
  const names = { gateway: client, text: "Hello!" };
  for (const name of ["show", "showPlayers", "give"]) names[name] = (...what) => calls.emit(name, ...what);
  const last = compiled.lastIndexOf("for await");
  const body = `return (async () => {${compiled.slice(0, last)}; give(${gives}); ${compiled.slice(last)}})();`;
  const ended = new Function(...Object.keys(names), body)(...Object.values(names));
  ended.catch(error => assert.equal(error.code, "closed"));
  return name => Promise.race([once(calls, name).then(([value]) => value), ended.then(() => assert.fail("the program ended"))]);
}

test("rooms of Socket.IO", async t => {
  const gateway = await start(t, "Rooms and acknowledgements", "rooms");
  const token = () => gateway.token("alice", undefined, { topics: { rooms: ["room-42"] } });
  const called = run("Rooms and acknowledgements", gateway.client(t, "alice", { token }).client, "renamed");
  const shown = called("show");
  assert.deepEqual(await called("give"), { name: "Lounge" });
  assert.deepEqual(await shown, { type: "message", text: "Hello!" });
});

test("private and presence channels of Pusher", async t => {
  const gateway = await start(t, "Private and presence channels, client events, webhooks", "channels");
  const called = run("Private and presence channels, client events, webhooks", gateway.client(t, "ada").client);
  const users = await called("showPlayers");
  assert.deepEqual(users, [{ userId: "ada", sessions: 1, data: { name: "Ada" } }]);
});

test("namespaces of Centrifugo", async t => {
  const gateway = await start(t, "Namespaces, tokens, proxies and RPC", "games");
  const claims = JSON.parse(block(chapter("Namespaces, tokens, proxies and RPC"), "in addition to `sub` and `exp`:", "json"));
  const { client } = gateway.client(t, "42", { token: () => gateway.token("42", undefined, claims) });
  const called = run("Namespaces, tokens, proxies and RPC", client, "[receipt, inbox]");
  const [receipt, inbox] = await called("give");
  assert.deepEqual(receipt, { accepted: true });
  for await (const item of inbox) {
    if (item.type !== "subscription_confirmed") continue;
    assert.equal(item.topic, "inbox#42");
    break;
  }
});
