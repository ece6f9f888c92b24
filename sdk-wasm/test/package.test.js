// The package as somebody else gets it: packed, installed, typed, and small.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { brotliCompressSync } from "node:zlib";
import { project, run } from "./project.js";

const here = fileURLToPath(new URL("..", import.meta.url));
const pkg = join(here, "pkg");
const modules = join(here, "node_modules");

const APP = `
  const before = Object.keys(globalThis).length;
  const { GatewayClient, GatewayError } = await import("PACKAGE");
  const gateway = new GatewayClient({ url: "wss://gateway.test/ws", token: "t" });
  if (Object.keys(globalThis).length !== before) throw new Error("it leaves globals");
  const error = await gateway.clanChat("no spaces").send("x").catch(error => error);
  if (!(error instanceof GatewayError) || error.code !== "invalid") throw error;
  gateway.close();
  console.log("done", typeof WebAssembly);
`;

test("the packed package works in a fresh project, with WebAssembly and without", t => {
  const folder = project(t);
  // Each ends by itself: nothing keeps the process alive.
  assert.equal(run(folder, APP.replace("PACKAGE", "realtime-gateway")), "done object\n");
  const without = APP.replace("PACKAGE", "realtime-gateway/no-wasm");
  assert.equal(run(folder, without, { flags: ["--noexpose-wasm"] }), "done undefined\n");
});

test("importing it and making a client does nothing, as a server that renders pages needs", t => {
  const folder = project(t);
  for (const name of ["realtime-gateway", "realtime-gateway/no-wasm"]) {
    const code = `
      const said = [];
      const tell = name => new Proxy(function () {}, {
        apply: () => said.push(name), construct: () => said.push(name) && {}, get: (_, key) => said.push(name + "." + String(key)),
      });
      for (const name of ["setTimeout", "setInterval", "setImmediate", "queueMicrotask", "fetch", "WebSocket",
        "document", "window", "location", "localStorage", "BroadcastChannel", "addEventListener"]) {
        Object.defineProperty(globalThis, name, { value: tell(name), configurable: true, writable: true });
      }
      const sdk = await import(${JSON.stringify(name)});
      const gateway = new sdk.GatewayClient({ url: "/ws", token: () => said.push("token") });
      gateway.on("state", () => said.push("state"));
      gateway.clanChat("c");
      await new Promise(resolve => process.nextTick(resolve));
      console.log(JSON.stringify([said, gateway.state.status]));
    `;
    assert.equal(run(folder, code), '[[],"idle"]\n', name);
  }
});

test("the types hold in strict mode, with every documented snippet", t => {
  const folder = project(t);
  copyFileSync(join(here, "test/types.ts"), join(folder, "types.ts"));
  const snippets = ["README.md", "../docs/sdk-typescript.md"].flatMap(path => {
    const text = readFileSync(join(here, path), "utf8");
    return [...text.matchAll(/^```(?:ts|tsx)\n(.*?)^```/gms)].map(([, code]) => code);
  });
  assert.ok(snippets.length >= 12, `${snippets.length} snippets`);
  for (const name of ["snippets.d.ts", "modules.d.ts"]) copyFileSync(join(here, "test", name), join(folder, name));
  snippets.forEach((code, index) => writeFileSync(join(folder, `snippet${index}.ts`), `${code}\nexport {};\n`));
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({
    compilerOptions: {
      strict: true, noEmit: true, target: "ES2022", module: "NodeNext", moduleResolution: "NodeNext",
      lib: ["ES2022", "DOM", "DOM.Iterable"], types: [],
      exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true,
    },
    include: ["*.ts"],
  }));
  const tsc = join(modules, "typescript/bin/tsc");
  try {
    execFileSync("node", [tsc, "-p", folder], { encoding: "utf8" });
  } catch (error) {
    assert.fail(error.stdout);
  }
});

function brotli(...files) {
  return files.map(file => brotliCompressSync(readFileSync(file)).length).reduce((sum, bytes) => sum + bytes, 0);
}

test("the size, beside that of others", t => {
  const scripts = readdirSync(pkg).filter(name => name.endsWith(".js") && name !== "wasm.js").map(name => join(pkg, name));
  const wasm = join(pkg, "gateway.wasm");
  const glue = join(pkg, "glue.js");
  const rest = scripts.filter(name => name !== glue);
  const kib = bytes => `${(bytes / 1024).toFixed(1).padStart(6)} KiB`;
  t.diagnostic(`gateway.wasm      ${kib(brotli(wasm))}`);
  t.diagnostic(`glue.js           ${kib(brotli(glue))}`);
  t.diagnostic(`the other scripts ${kib(brotli(...rest))}, not minified`);
  t.diagnostic(`without wasm      ${kib(brotli(join(pkg, "no-wasm/machine.js"), glue))}, in place of gateway.wasm and glue.js`);
  t.diagnostic(`centrifuge        ${kib(brotli(join(modules, "centrifuge/dist/centrifuge.js")))}`);
  t.diagnostic(`socket.io-client  ${kib(brotli(join(modules, "socket.io-client/dist/socket.io.min.js")))}`);
  const total = brotli(wasm, glue);
  assert.ok(total <= LIMIT_KIB * 1024, `wasm and glue are ${kib(total)}`);
});

/** What wasm and glue may come to. */
const LIMIT_KIB = 80;
