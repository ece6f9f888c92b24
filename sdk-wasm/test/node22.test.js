// Node 22, which has a WebSocket of its own: the package needs nothing else.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Gateway } from "./harness.js";
import { project, run } from "./project.js";

/** This Node where it is new enough, or else one from npm. */
function node22() {
  if (Number.parseInt(process.versions.node, 10) >= 22) return process.execPath;
  return fileURLToPath(new URL(`../node_modules/node-linux-${process.arch}/bin/node`, import.meta.url));
}

const APP = `
  import { GatewayClient } from "realtime-gateway";
  const [url, token, wasmUrl] = process.argv.slice(2);
  const gateway = new GatewayClient({ url, token, ...(wasmUrl && { wasmUrl }) });
  const chat = gateway.clanChat("c");
  const read = chat.subscribe();
  await read.ready;
  await chat.send("by itself");
  const { value } = await read.next();
  console.log(process.versions.node.split(".")[0] >= 22, gateway.state.session.userId, value.content);
  gateway.close();
`;

test("the package works in Node 22 by itself, inlined and by wasmUrl", async t => {
  const gateway = await Gateway.start(t);
  const files = createServer((_, response) => response.end(readFileSync(new URL("../pkg/gateway.wasm", import.meta.url))));
  await new Promise(resolve => files.listen(0, "127.0.0.1", resolve));
  t.after(() => files.close());
  const folder = project(t);
  const token = await gateway.token("ada");
  const program = node22();
  assert.equal(run(folder, APP, { program, args: [gateway.url, token] }), "true ada by itself\n");
  const wasmUrl = `http://127.0.0.1:${files.address().port}/gateway.wasm`;
  // The file comes from this process, which may not stand still meanwhile.
  const { stdout } = await promisify(execFile)(program, ["app.js", gateway.url, token, wasmUrl], { cwd: folder, timeout: 20_000 });
  assert.equal(stdout, "true ada by itself\n");
});

test("the first message of the README comes back in Node 22", async t => {
  const gateway = await Gateway.start(t);
  const code = readFileSync(new URL("../examples/quickstart.js", import.meta.url), "utf8");
  const env = { GATEWAY_URL: gateway.url, GATEWAY_TOKEN: await gateway.token("ada") };
  const output = run(project(t), code, { program: node22(), env });
  assert.match(output, /userId: 'ada',\s+content: 'hello'/);
});
