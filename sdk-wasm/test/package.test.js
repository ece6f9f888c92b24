// The package as an app gets it: packed, installed, typed, and small.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { brotliCompressSync } from "node:zlib";
import { buildSync } from "esbuild";
import { PROGRAM } from "./harness.js";
import { link, project, run } from "./project.js";

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
  link(folder, ["react", "vue"]);
  for (const name of ["realtime-gateway", "realtime-gateway/no-wasm"]) {
    const code = `
      await Promise.all([import("react"), import("vue")]);
      const touched = [];
      const touch = name => new Proxy(function () {}, {
        apply: () => touched.push(name), construct: () => touched.push(name) && {}, get: (_, key) => touched.push(name + "." + String(key)),
      });
      for (const name of ["setTimeout", "setInterval", "setImmediate", "queueMicrotask", "fetch", "WebSocket",
        "document", "window", "location", "localStorage", "BroadcastChannel", "addEventListener"]) {
        Object.defineProperty(globalThis, name, { value: touch(name), configurable: true, writable: true });
      }
      const sdk = await import(${JSON.stringify(name)});
      await Promise.all([import("realtime-gateway/react"), import("realtime-gateway/vue")]);
      const gateway = new sdk.GatewayClient({ url: "/ws", token: () => touched.push("token") });
      gateway.on("state", () => touched.push("state"));
      gateway.clanChat("c");
      await new Promise(resolve => process.nextTick(resolve));
      console.log(JSON.stringify([touched, gateway.state.status]));
    `;
    assert.equal(run(folder, code), '[[],"idle"]\n', name);
  }
});

test("the types hold in strict mode, with every documented snippet", t => {
  const folder = project(t);
  copyFileSync(join(here, "test/types.ts"), join(folder, "types.ts"));
  // The same for those who require it: the compiler takes the declarations of that.
  copyFileSync(join(here, "test/types.ts"), join(folder, "required.cts"));
  link(folder, ["react", "@types/react", "vue"]);
  const snippets = ["README.md", "../docs/sdk-typescript.md"].flatMap(path => {
    const text = readFileSync(join(here, path), "utf8");
    return [...text.matchAll(/^```(tsx?)\n(.*?)^```/gms)].map(([, language, code]) => ({ language, code }));
  });
  assert.ok(snippets.length >= 12, `${snippets.length} snippets`);
  for (const name of ["snippets.d.ts", "modules.d.ts"]) copyFileSync(join(here, "test", name), join(folder, name));
  snippets.forEach(({ language, code }, index) => writeFileSync(join(folder, `snippet${index}.${language}`), `${code}\nexport {};\n`));
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({
    compilerOptions: {
      strict: true, noEmit: true, target: "ES2022", module: "NodeNext", moduleResolution: "NodeNext",
      lib: ["ES2022", "DOM", "DOM.Iterable"], types: [], jsx: "react-jsx",
      exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true,
    },
    include: ["*.ts", "*.tsx", "*.cts"],
  }));
  const tsc = join(modules, "typescript/bin/tsc");
  try {
    execFileSync("node", [tsc, "-p", folder], { encoding: "utf8" });
  } catch (error) {
    assert.fail(error.stdout);
  }
});

test("the documented front ends for React and Vue compile in strict mode, with generated code", t => {
  const folder = project(t);
  link(folder, ["react", "@types/react", "vue"]);
  const page = readFileSync(join(here, "../docs/sdk-react-vue.md"), "utf8");
  const files = [...page.matchAll(/^```\w+\n(?:\/\/|<!--) (src\/\S+).*\n([^]*?)^```/gm)];
  assert.ok(files.length >= 7, `${files.length} files`);
  mkdirSync(join(folder, "src"));
  for (const [, name, code] of files) writeFileSync(join(folder, name), code);
  writeFileSync(join(folder, "src/session.ts"), "export declare function getJwt(signal: AbortSignal): Promise<string>;\n");
  const contract = join(here, "../docs/examples/orders/orders.service.toml");
  execFileSync(PROGRAM, ["codegen", "--lang", "typescript", "--out", join(folder, "src"), contract]);
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({
    compilerOptions: {
      strict: true, noEmit: true, target: "ES2022", module: "ESNext", moduleResolution: "Bundler", jsx: "react-jsx",
      lib: ["ES2022", "DOM", "DOM.Iterable"], types: [],
      exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, noUnusedLocals: true, isolatedModules: true,
    },
    include: ["src"],
  }));
  try {
    execFileSync("node", [join(modules, "vue-tsc/bin/vue-tsc.js"), "-p", folder], { encoding: "utf8" });
  } catch (error) {
    assert.fail(error.stdout);
  }
});

/** The files of the package that were built from sources of the same name. */
function built(folder = pkg) {
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === "src" ? [] : built(path);
    return /\.c?js$/.test(path) && !/(wasm|machine)\.js$/.test(path) ? [path] : [];
  });
}

test("every script has a source map that leads to its sources", () => {
  const scripts = built();
  assert.ok(scripts.some(path => path.endsWith("index.cjs")) && scripts.length > 20);
  for (const script of scripts) {
    const [, name] = /^\/\/# sourceMappingURL=(.+)$/m.exec(readFileSync(script, "utf8")) ?? assert.fail(script);
    const map = JSON.parse(readFileSync(join(dirname(script), name), "utf8"));
    map.sources.forEach((source, index) => {
      assert.equal(readFileSync(join(dirname(script), source), "utf8"), map.sourcesContent[index], `${script}: ${source}`);
    });
  }
});

test("it can be required, with and without WebAssembly", t => {
  const folder = project(t);
  for (const [name, flags] of [["realtime-gateway", []], ["realtime-gateway/no-wasm", ["--noexpose-wasm"]]]) {
    const code = `(async () => {${APP.replace("PACKAGE", name).replace("await import", "require")}})();`;
    assert.match(run(folder, code, { name: "app.cjs", flags }), /^done /, name);
  }
  const both = `
    const [required, imported] = [require("realtime-gateway/testing"), import("realtime-gateway/testing")];
    imported.then(imported => console.log(typeof required.FakeGateway, typeof imported.FakeGateway));
  `;
  assert.equal(run(folder, both, { name: "app.cjs" }), "function function\n");
  link(folder, ["react", "vue"]);
  const hooks = `
    for (const name of ["react", "vue"]) {
      const required = require("realtime-gateway/" + name);
      import("realtime-gateway/" + name).then(imported => console.log(Object.keys(required).sort().join() === Object.keys(imported).sort().join()));
    }
  `;
  assert.equal(run(folder, hooks, { name: "app.cjs" }), "true\ntrue\n");
});

/** A unit test of an app, without its imports. */
const UNIT_TEST = `
  test("an optimistic bubble is confirmed", async () => {
    const fake = new FakeGateway();
    const gateway = new GatewayClient(fake.clientOptions("ada"));
    const chat = gateway.clanChat("c");
    const events = chat.subscribe();
    await events.ready;
    const sending = chat.send("hello");
    const { message } = await fake.received("chat");
    expect(message.clientMessageId).toBe(sending.clientMessageId);
    await sending;
    expect((await events.next()).value.content).toBe("hello");
    fake.refuse("chat", { code: "rate_limited", retryAfterMs: 10 });
    await chat.send("again");
    fake.notify("ada", { title: "one", message: "m" });
    const notifications = gateway.notifications().subscribe();
    await (await notifications.next()).value.ack();
    expect(fake.pending("ada")).toEqual([]);
    await expect(chat.send("")).rejects.toThrow(GatewayError);
    gateway.close();
  });
`;

test("unit tests of an app run with Jest", t => {
  const folder = project(t);
  const from = `
    const { GatewayClient, GatewayError } = require("realtime-gateway");
    const { FakeGateway } = require("realtime-gateway/testing");
  `;
  writeFileSync(join(folder, "app.test.cjs"), from + UNIT_TEST);
  const config = JSON.stringify({ testMatch: ["**/app.test.cjs"], rootDir: folder, testEnvironment: "node" });
  passes(folder, join(modules, "jest/bin/jest.js"), ["--config", config, "--watchman=false", "--ci", "--cacheDirectory", folder]);
});

test("unit tests of an app run with Vitest", t => {
  const folder = project(t);
  const from = `
    import { GatewayClient, GatewayError } from "realtime-gateway";
    import { FakeGateway } from "realtime-gateway/testing";
  `;
  writeFileSync(join(folder, "app.test.js"), from + UNIT_TEST);
  passes(folder, join(modules, "vitest/vitest.mjs"), ["run", "--root", folder, "--globals"]);
});

function passes(folder, program, args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], { cwd: folder, encoding: "utf8" });
  assert.equal(status, 0, stdout + stderr);
  assert.match(stdout + stderr, /1 passed/);
}

function brotli(...files) {
  return files.map(file => brotliCompressSync(readFileSync(file)).length).reduce((sum, bytes) => sum + bytes, 0);
}

/** What a bundler makes of an app that has nothing but the package's entry: all chunks, those that are loaded later too. */
function bundled(t, entry) {
  const folder = mkdtempSync(join(tmpdir(), "gateway-bundle-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const options = { bundle: true, minify: true, splitting: true, format: "esm", logLevel: "error", external: ["react", "vue"] };
  buildSync({ ...options, entryPoints: [join(pkg, entry)], outdir: folder });
  return readdirSync(folder).map(name => join(folder, name));
}

test("the size that an app gets, next to that of others", t => {
  const kib = bytes => `${(bytes / 1024).toFixed(1).padStart(6)} KiB`;
  const chunks = bundled(t, "index.js");
  const total = brotli(...chunks);
  t.diagnostic(`the default entry ${kib(total)}, bundled and minified, with all that it loads later`);
  t.diagnostic(`at first          ${kib(brotli(chunks.find(name => name.endsWith("index.js"))))} of it`);
  t.diagnostic(`gateway.wasm      ${kib(brotli(join(pkg, "gateway.wasm")))}, where it is loaded by wasmUrl`);
  t.diagnostic(`without wasm      ${kib(brotli(...bundled(t, "no-wasm/index.js")))}`);
  t.diagnostic(`centrifuge        ${kib(brotli(join(modules, "centrifuge/dist/centrifuge.js")))}`);
  t.diagnostic(`socket.io-client  ${kib(brotli(join(modules, "socket.io-client/dist/socket.io.min.js")))}`);
  for (const name of ["react", "vue"]) {
    const size = brotli(...bundled(t, `${name}/index.js`));
    t.diagnostic(`/${name.padEnd(16)} ${kib(size)}, without ${name} itself`);
    assert.ok(size <= VIEWS_LIMIT_KIB * 1024, `realtime-gateway/${name} is ${kib(size)}`);
  }
  const page = readFileSync(join(here, "../docs/sdk-react-vue.md"), "utf8");
  assert.ok(page.includes(`${VIEWS_LIMIT_KIB} KiB each with brotli`), "the page states the bound");
  assert.ok(total <= LIMIT_KIB * 1024, `the default entry is ${kib(total)}, and the documentation promises ${LIMIT_KIB}`);
  for (const path of ["README.md", "../docs/sdk-typescript.md"]) {
    assert.ok(readFileSync(join(here, path), "utf8").includes(`at most ${LIMIT_KIB} KiB`), `${path} states the bound`);
  }
});

/** What the default entry may come to, with brotli 11. */
const LIMIT_KIB = 66;
/** What the entry for React or Vue may come to by itself. */
const VIEWS_LIMIT_KIB = 6;
