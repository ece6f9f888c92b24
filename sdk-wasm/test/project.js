// A project of an app, in which the packed package is installed.

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const pkg = fileURLToPath(new URL("../pkg", import.meta.url));

/** Makes one that is removed with the test, and returns its folder. */
export function project(t) {
  const folder = mkdtempSync(join(tmpdir(), "gateway-npm-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const [{ filename }] = JSON.parse(execFileSync("npm", ["pack", "--json", "--pack-destination", folder], { cwd: pkg }));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module", private: true }));
  execFileSync("npm", ["install", "--offline", "--no-audit", "--no-fund", `./${filename}`], { cwd: folder });
  return folder;
}

/** Adds packages to it that are installed for the tests. */
export function link(folder, names) {
  for (const name of names) {
    const target = join(folder, "node_modules", name);
    mkdirSync(dirname(target), { recursive: true });
    symlinkSync(fileURLToPath(new URL(`../node_modules/${name}`, import.meta.url)), target);
  }
}

/** Runs a module in it, which has to end by itself, and returns what that has printed. */
export function run(folder, code, { program = process.execPath, name = "app.js", flags = [], args = [], env = {} } = {}) {
  writeFileSync(join(folder, name), code);
  return execFileSync(program, [...flags, name, ...args], { cwd: folder, timeout: 20_000, encoding: "utf8", env: { ...process.env, ...env } });
}
