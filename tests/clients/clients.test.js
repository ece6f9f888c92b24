// What public generators make of the documents of a running gateway: each client is compiled, and each one for HTTP sends
// a notification. `cargo xtask test clients` installs the generators and runs this.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";

import { Gateway, endAll } from "../fixtures/gateway.js";

const KEY = "an API key of the generated clients";
const HERE = import.meta.dirname;
/** Removed before each run, and kept after it, so that the generated code can be read. */
const GENERATED = join(HERE, "generated");
const PYTHON = process.env.GATEWAY_TEST_PYTHON ?? join(HERE, "../../target/venv/bin/python");
const SCHEMAS = ["client", "server", "inbound", "outbound"];

let gateway;
/** Where the documents are, by name. */
const documents = {};

/** Runs a program to its end; a failure shows what it said. */
async function run(program, args, { cwd = HERE, env = {} } = {}) {
  const options = { cwd, env: { ...process.env, ...env }, maxBuffer: 64 * 1024 * 1024 };
  try {
    const { stdout, stderr } = await promisify(execFile)(program, args, options);
    return { stdout, said: stdout + stderr };
  } catch (error) {
    throw new Error(`${program} ${args.join(" ")} failed:\n${error.stdout ?? ""}\n${error.stderr ?? error.message}`);
  }
}

/** A program of the Python environment. */
const tool = (name) => join(dirname(PYTHON), name);
const bin = (name) => join(HERE, "../node_modules/.bin", name);
const consumer = (name) => join(HERE, "../fixtures/clients", name);

/** Runs a program that sends a notification to one user and another to two users, and prints the id for each of the three. */
async function sends(program, args, options) {
  const { stdout } = await run(program, [...args, `http://${gateway.address}`, KEY], options);
  const ids = JSON.parse(stdout.trim().split("\n").at(-1));
  assert.equal(ids.length, 3, stdout);
  assert.equal(new Set(ids).size, 2, `a notification has one id for all of its users: ${stdout}`);
}

/** The names by which the document calls its operations. */
async function operations() {
  const { paths } = JSON.parse(await readFile(documents.openapi, "utf8"));
  return Object.values(paths).flatMap((path) => Object.values(path)).map((operation) => operation.operationId).filter(Boolean);
}

/** No operation may be left out, whatever its name has become: `sendNotification`, `send_notification`, `SendNotification`. */
async function hasEveryOperation(text) {
  const plain = text.replaceAll(/[_-]/g, "").toLowerCase();
  for (const operation of await operations()) assert.ok(plain.includes(operation.toLowerCase()), `${operation} is missing`);
}

before(async () => {
  await rm(GENERATED, { recursive: true, force: true });
  await mkdir(GENERATED, { recursive: true });
  const sha256 = createHash("sha256").update(KEY).digest("hex");
  const settings = ['store.url = "memory"', `auth.api_keys = [{ name = "clients", sha256 = "${sha256}" }]`];
  gateway = await Gateway.start({ dev: false, settings });
  for (const [name, path] of [["openapi", "/openapi.json"], ...SCHEMAS.map((name) => [name, `/schema/${name}.json`])]) {
    const answer = await fetch(`http://${gateway.address}${path}`);
    assert.equal(answer.status, 200, path);
    documents[name] = join(GENERATED, `${name}.json`);
    await writeFile(documents[name], await answer.text());
  }
});
after(endAll);

// Two at a time: most of the time goes to Java, Go and TypeScript starting up.
describe("generated clients", { concurrency: 2 }, () => {
  it("openapi-generator, Go", async () => {
    const out = join(GENERATED, "go");
    const names = ["--git-host", "example.com", "--git-user-id", "test", "--git-repo-id", "gateway"];
    await openapiGenerator("go", out, "packageName=gateway", names);
    const send = join(out, "send");
    await mkdir(send);
    await copyFile(consumer("openapi_generator.go"), join(send, "main.go"));
    const env = { GOFLAGS: "-mod=mod", GOPROXY: "off", GOTOOLCHAIN: "local" };
    await run("go", ["vet", "./..."], { cwd: out, env });
    await run("go", ["build", "-o", "send/send", "./send"], { cwd: out, env });
    await hasEveryOperation((await run("go", ["doc", "-all", "."], { cwd: out, env })).stdout);
    await sends(join(send, "send"), [], { cwd: out });
  });

  it("openapi-generator, Python", async () => {
    const out = join(GENERATED, "python");
    await openapiGenerator("python", out, "packageName=gateway_api");
    await run(PYTHON, ["-m", "compileall", "-q", out]);
    const api = "import gateway_api; print([name for cls in vars(gateway_api.api).values() if hasattr(cls, '__dict__') for name in dir(cls)])";
    await hasEveryOperation((await run(PYTHON, ["-c", api], { cwd: out })).stdout);
    await sends(PYTHON, [consumer("openapi_generator.py")], { env: { PYTHONPATH: out } });
  });

  it("openapi-python-client", async () => {
    const out = join(GENERATED, "openapi-python-client");
    const args = ["generate", "--path", documents.openapi, "--meta", "none", "--fail-on-warning", "--overwrite"];
    await run(tool("openapi-python-client"), [...args, "--output-path", join(out, "gateway_client")], {
      // It calls ruff, which is in the same folder.
      env: { PATH: [dirname(PYTHON), process.env.PATH].join(delimiter) },
    });
    await run(PYTHON, ["-m", "compileall", "-q", out]);
    const api = "import pkgutil, gateway_client.api as api; print([m.name for m in pkgutil.walk_packages(api.__path__)] and [m.name for m in pkgutil.walk_packages(api.__path__, 'gateway_client.api.')])";
    await hasEveryOperation((await run(PYTHON, ["-c", api], { cwd: out })).stdout);
    await sends(PYTHON, [consumer("openapi_python_client.py")], { env: { PYTHONPATH: out } });
  });

  it("openapi-typescript", async () => {
    const out = join(GENERATED, "openapi-typescript");
    await mkdir(out);
    await run(bin("openapi-typescript"), [documents.openapi, "--output", join(out, "openapi.d.ts")]);
    await hasEveryOperation(await readFile(join(out, "openapi.d.ts"), "utf8"));
    await copyFile(consumer("openapi_typescript.ts"), join(out, "send.ts"));
    await typescript(out, "send.ts");
    await sends(process.execPath, [join(out, "send.js")]);
  });

  it("json-schema-to-typescript", async () => {
    const out = join(GENERATED, "json-schema-to-typescript");
    await mkdir(out);
    for (const name of SCHEMAS) await run(bin("json2ts"), ["--input", documents[name], "--output", join(out, `${name}.d.ts`)]);
    await copyFile(consumer("json_schema_to_typescript.ts"), join(out, "use.ts"));
    await typescript(out, "use.ts");
  });

  it("datamodel-code-generator", async () => {
    const out = join(GENERATED, "datamodel-code-generator");
    await mkdir(join(out, "models"), { recursive: true });
    await writeFile(join(out, "models/__init__.py"), "");
    for (const name of ["openapi", ...SCHEMAS]) {
      const kind = name === "openapi" ? "openapi" : "jsonschema";
      const args = ["--input", documents[name], "--input-file-type", kind, "--output", join(out, `models/${name}.py`)];
      const style = ["--output-model-type", "pydantic_v2.BaseModel", "--use-title-as-name", "--snake-case-field", "--allow-population-by-field-name"];
      await run(tool("datamodel-codegen"), [...args, ...style]);
    }
    await run(PYTHON, ["-m", "compileall", "-q", out]);
    await run(PYTHON, [consumer("datamodel_code_generator.py")], { env: { PYTHONPATH: out } });
  });
});

async function openapiGenerator(language, out, properties, more = []) {
  const args = ["generate", "--input-spec", documents.openapi, "--generator-name", language, "--output", out];
  const global = "apiTests=false,modelTests=false,apiDocs=false,modelDocs=false";
  await run(tool("openapi-generator-cli"), [...args, "--additional-properties", properties, "--global-property", global, ...more]);
}

/** Compiles a file as strictly as an app may, with no types but those that it imports. */
async function typescript(out, file) {
  const options = ["--strict", "--noUncheckedIndexedAccess", "--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom"];
  await writeFile(join(out, "package.json"), '{ "type": "module" }\n');
  await run(bin("tsc"), [...options, file], { cwd: out });
}
