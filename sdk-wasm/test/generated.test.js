// The code that `gateway codegen` generates: it compiles with the packed package, and its handles check their values.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { link, project, run } from "./project.js";

const here = fileURLToPath(new URL("..", import.meta.url));
const tests = join(here, "../codegen/tests");
const golden = readdirSync(join(tests, "golden"));

/** Makes a project with the generated code of all contracts, and compiles it. */
function compiled(t) {
  const folder = project(t);
  link(folder, ["vue"]);
  for (const name of golden) cpSync(join(tests, "golden", name, "gateway.gen.ts"), join(folder, name, "gateway.gen.ts"));
  for (const name of readdirSync(join(tests, "typescript"))) cpSync(join(tests, "typescript", name), join(folder, name));
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({
    compilerOptions: {
      strict: true, target: "ES2022", module: "NodeNext", moduleResolution: "NodeNext", types: [],
      lib: ["ES2022", "DOM", "DOM.Iterable"], exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true,
      noUnusedLocals: true, noUnusedParameters: true, noImplicitReturns: true, isolatedModules: true,
      verbatimModuleSyntax: true, erasableSyntaxOnly: true, outDir: "out", rootDir: ".",
    },
    include: ["**/*.ts"],
  }));
  try {
    execFileSync("node", [join(here, "node_modules/typescript/bin/tsc"), "-p", folder], { encoding: "utf8" });
  } catch (error) {
    assert.fail(error.stdout);
  }
  return folder;
}

test("generated code and hooks with it compile in strict mode, and its handles check the values of parameters", t => {
  const folder = compiled(t);
  assert.ok(golden.length >= 3);
  const code = `
    import assert from "node:assert/strict";
    import { knownOrderEvent, orders } from "./out/orders/gateway.gen.js";
    import { type } from "./out/hostile/gateway.gen.js";
    const calls = [];
    const gateway = {
      topic: (service, topic) => ({
        subscribe: options => calls.push(["subscribe", service, topic, options]),
        publish: (data, options) => calls.push(["publish", service, topic, data, options]),
      }),
      call: async (...request) => calls.push(["call", ...request]),
    };
    orders(gateway).order("4-2").subscribe({ history: 10 });
    orders(gateway).depot("eu-west", "a--b").publish({ lat: 1, lon: 2 });
    await orders(gateway).cancel({ orderId: "42" }, { timeoutMs: 5 });
    type(gateway).delete("a", "b", "c", ":d").subscribe();
    await type(gateway).new({});
    assert.deepEqual(calls, [
      ["subscribe", "orders", "order-4-2", { history: 10 }],
      ["publish", "orders", "depot-eu-west--a--b", { lat: 1, lon: 2 }, undefined],
      ["call", "orders", "cancel", { orderId: "42" }, { timeoutMs: 5 }],
      ["subscribe", "type", 'class-a"\`$x\\\\--b:c::d', undefined],
      ["call", "type", "new", {}, undefined],
    ]);
    assert.throws(() => orders(gateway).order(""), { name: "RangeError", message: "the value of orderId is empty" });
    for (const region of ["eu--west", "eu-"]) {
      assert.throws(() => orders(gateway).depot(region, "1"), { message: 'the value of region must not contain "--"' });
    }
    const placed = { type: "placed", items: [] };
    assert.equal(knownOrderEvent(placed), placed);
    for (const later of [{ type: "returned" }, { type: 7 }, {}]) assert.equal(knownOrderEvent(later), undefined);
    console.log("done");
  `;
  assert.equal(run(folder, code), "done\n");
});

test("generated code imports nothing when it runs", t => {
  const folder = compiled(t);
  for (const name of golden) {
    assert.doesNotMatch(readFileSync(join(folder, "out", name, "gateway.gen.js"), "utf8"), /^\s*(import|enum)\b|require\(/m);
  }
});
