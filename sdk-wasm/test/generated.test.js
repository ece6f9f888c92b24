// The code that `gateway codegen` generates: it compiles with the packed package, and works with a running gateway.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { WebSocket } from "ws";
import { CONTRACT, KEY, publish, startWithOrders } from "../../tests/fixtures/orders.js";
import { token } from "../../tests/fixtures/gateway.js";
import { link, project, run } from "./project.js";

const here = fileURLToPath(new URL("..", import.meta.url));
const tests = join(here, "../codegen/tests");
const golden = readdirSync(join(tests, "golden"));

/** The folder of a project with the generated code of all contracts, compiled. */
let folder;
const cleanups = [];
before(() => (folder = compiled({ after: cleanup => cleanups.push(cleanup) })));
after(() => cleanups.forEach(cleanup => cleanup()));

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

test("generated code and hooks with it compile in strict mode, and its handles check the values of parameters", () => {
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

test("generated code imports nothing when it runs", () => {
  for (const name of golden) {
    assert.doesNotMatch(readFileSync(join(folder, "out", name, "gateway.gen.js"), "utf8"), /^\s*(import|enum)\b|require\(/m);
  }
});

/** Returns the code of `codegen/tests/typescript/example.ts`, and clients of the installed package. */
async function example(t, gateway) {
  const { GatewayClient } = await import(join(folder, "node_modules/realtime-gateway/index.js"));
  const clients = ["alice", "bob"].map(user => new GatewayClient({
    url: `ws://${gateway.address}/ws`, token: token(user, [], 600, { topics: { orders: ["depot-*"] } }), webSocket: WebSocket,
  }));
  t.after(() => clients.forEach(client => client.close()));
  return { ...await import(join(folder, "out/example.js")), clients };
}

test("generated code subscribes, publishes, calls, and reads history and presence", async t => {
  const { gateway, service } = await startWithOrders(t);
  const { useService, clients } = await example(t, gateway);
  assert.deepEqual(await useService(...clients), {
    first: "placed tea",
    joined: "Bob",
    present: ["Alice", "Bob"],
    page: ["comment Please ring."],
    refundCents: 4_200,
    refusal: "call_failed",
    events: ["comment Please ring.", "status cancelled"],
  });
  assert.deepEqual(service.calls.map(({ method, data, callId }) => [method, data, callId?.length > 0]), [
    ["place", { items: ["tea"] }, true],
    ["cancel", { orderId: "42" }, true],
    ["cancel", { orderId: "43" }, true],
  ]);
});

test("generated publishers publish declared events over HTTP", async t => {
  const { gateway } = await startWithOrders(t, { contract: join(tests, "contracts/orders.service.toml") });
  const { PublishClient } = await import(join(folder, "node_modules/realtime-gateway/publish/index.js"));
  const { publishAll, publishToWrongTopic, publishWrongData } = await import(join(folder, "out/publishers.js"));
  const { clients: [alice] } = await example(t, gateway);
  const [news, depot] = ["news", "depot-eu--1"].map(topic => alice.topic("orders", topic).subscribe());
  await Promise.all([news.ready, depot.ready]);
  const client = new PublishClient({ url: `http://${gateway.address}`, apiKey: KEY });
  const { first, again, order } = await publishAll(client);
  assert.deepEqual([again, order], [first, 1]);
  const next = async stream => (await stream[Symbol.asyncIterator]().next()).value;
  const { offset, data } = await next(news);
  assert.deepEqual([offset, data], [first.offset, { orderId: "42", status: "shipped" }]);
  assert.deepEqual((await next(depot)).data, { lat: 52.5, lon: 13.4 });
  const wrong = await publishToWrongTopic(client);
  assert.ok(wrong instanceof RangeError && wrong.message.includes("region"));
  const refused = await publishWrongData(client);
  assert.deepEqual([refused.name, refused.status], ["PublishError", 422]);
});

test("generated code reads what a newer contract adds", async t => {
  const newer = mkdtempSync(join(tmpdir(), "gateway-newer-"));
  t.after(() => rmSync(newer, { recursive: true }));
  cpSync(dirname(CONTRACT), newer, { recursive: true });
  const file = join(newer, "orders.schema.json");
  const schema = JSON.parse(readFileSync(file, "utf8"));
  schema.$defs.OrderReturned = { type: "object", required: ["type"], properties: { type: { const: "returned" } } };
  schema.$defs.OrderEvent.oneOf.push({ $ref: "#/$defs/OrderReturned" });
  schema.$defs.OrderStatus.properties.status.enum.push("lost");
  writeFileSync(file, JSON.stringify(schema));

  const { gateway } = await startWithOrders(t, { contract: join(newer, "orders.service.toml") });
  const { readEvents, clients: [alice] } = await example(t, gateway);
  await publish(gateway, "42", { type: "returned", weight: 1.5 });
  await publish(gateway, "42", { type: "status", status: "lost", later: 1 });
  assert.deepEqual(await readEvents(alice, "42", 2), ['unknown {"type":"returned","weight":1.5}', "status lost"]);
});
