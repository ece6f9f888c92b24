// Runs the tests once more where there is no WebAssembly, on the package's export for such places.

import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";

/** What is about WebAssembly itself, about the package as a whole, or needs `fetch`. */
const ELSEWHERE = ["asyncapi", "generated", "node22", "package", "publish", "trap"];
/** From Node 22 on HTTP is WebAssembly inside Node: without it only what needs no gateway can run. */
const ALONE = ["memory", "vectors"];

const major = Number.parseInt(process.versions.node, 10);
const names = readdirSync("test").filter(file => file.endsWith(".test.js")).map(file => file.replace(".test.js", ""));
const chosen = names.filter(name => (major < 22 ? !ELSEWHERE.includes(name) : ALONE.includes(name)));
// The tests mostly wait for a gateway.
const flags = ["--noexpose-wasm", "--test", "--test-concurrency=3", "--test-reporter=spec"];
const { status } = spawnSync(process.execPath, [...flags, ...chosen.map(name => `test/${name}.test.js`)], { stdio: "inherit" });
process.exitCode = status ?? 1;
