// The package as somebody else gets it: packed, installed, typed, and small.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { brotliCompressSync } from "node:zlib";

const here = fileURLToPath(new URL("..", import.meta.url));
const pkg = join(here, "pkg");
const modules = join(here, "node_modules");

/** A fresh project in which the packed package is installed. */
function project(t) {
  const folder = mkdtempSync(join(tmpdir(), "gateway-npm-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const [{ filename }] = JSON.parse(execFileSync("npm", ["pack", "--json", "--pack-destination", folder], { cwd: pkg }));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module", private: true }));
  execFileSync("npm", ["install", "--offline", "--no-audit", "--no-fund", `./${filename}`], { cwd: folder });
  return folder;
}

test("the packed package works in a fresh project, and importing it does nothing", t => {
  const folder = project(t);
  writeFileSync(join(folder, "app.js"), `
    const before = Object.keys(globalThis).length;
    const { GatewayClient, GatewayError } = await import("realtime-gateway");
    const gateway = new GatewayClient({ url: "wss://gateway.test/ws", token: "t" });
    if (Object.keys(globalThis).length !== before) throw new Error("it leaves globals");
    const error = await gateway.clanChat("no spaces").send("x").catch(error => error);
    if (!(error instanceof GatewayError) || error.code !== "invalid") throw error;
    gateway.close();
    console.log("done");
  `);
  // It ends by itself: nothing keeps the process alive.
  assert.equal(execFileSync("node", ["app.js"], { cwd: folder, timeout: 20_000, encoding: "utf8" }), "done\n");
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
  t.diagnostic(`centrifuge        ${kib(brotli(join(modules, "centrifuge/dist/centrifuge.js")))}`);
  t.diagnostic(`socket.io-client  ${kib(brotli(join(modules, "socket.io-client/dist/socket.io.min.js")))}`);
  const total = brotli(wasm, glue);
  assert.ok(total <= LIMIT_KIB * 1024, `wasm and glue are ${kib(total)}`);
});

/** What wasm and glue may come to. */
const LIMIT_KIB = 80;
