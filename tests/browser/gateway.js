// A gateway in a process of its own, with a folder of its own, that can be killed and started anew on its port.

import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** What cargo has built; `cargo xtask test browser` names it. */
const PROGRAM = process.env.GATEWAY_PROGRAM ?? new URL("../../target/debug/gateway", import.meta.url).pathname;

/** The secret of every gateway here, so that a test can make tokens of its own. */
const SECRET = "a secret of the browser tests, long enough";

/** Those that run: a test that fails leaves its own behind. */
const running = new Set();

/** Ends what tests have left behind, so that a failure is told and does not hang. */
export const endAll = () => Promise.all([...running].map((gateway) => gateway.end()));

export class Gateway {
  #child;
  #dir;
  #flags;
  address;

  /** Starts one; `settings` are lines of TOML. */
  static async start({ dev = true, settings = [] } = {}) {
    const gateway = new Gateway();
    running.add(gateway);
    gateway.#dir = await mkdtemp(join(tmpdir(), "gateway-browser-"));
    gateway.#flags = dev ? ["--dev"] : [];
    const config = ['log.format = "json"', `auth.jwt_secret = "${SECRET}"`, "limits.connects_per_ip_per_minute = 100000", "limits.http_per_ip_per_second = 100000", ...settings];
    await writeFile(join(gateway.#dir, "gateway.toml"), config.join("\n"));
    await gateway.#launch("127.0.0.1:0");
    return gateway;
  }

  async #launch(listen) {
    this.#child = spawn(PROGRAM, ["serve", ...this.#flags, "--listen", listen], { cwd: this.#dir, stdio: ["ignore", "pipe", "pipe"] });
    const lines = [];
    const listening = new Promise((resolve, reject) => {
      for (const stream of [this.#child.stdout, this.#child.stderr]) {
        createInterface({ input: stream }).on("line", (line) => {
          lines.push(line);
          const address = /"message":"listening".*?"address":"([^"]+)"|"address":"([^"]+)".*?"message":"listening"/.exec(line);
          if (address) resolve(address[1] ?? address[2]);
        });
      }
      this.#child.once("exit", (code) => reject(new Error(`the gateway ended with ${code}:\n${lines.join("\n")}`)));
    });
    this.address = await listening;
  }

  /** Where the demo is. */
  get demo() {
    return `http://${this.address}/demo/`;
  }

  /** Ends it as a power cut would. */
  async kill() {
    if (!this.#child || this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGKILL");
    await once(this.#child, "exit");
  }

  /** Starts it anew on the same port and the same data. */
  async restart() {
    await this.#launch(this.address);
  }

  /** Ends it and removes its data. */
  async end() {
    running.delete(this);
    await this.kill();
    await rm(this.#dir, { recursive: true, force: true });
  }
}

/** A token that the gateways here believe, with an end in so many seconds. */
export function token(userId, clans, seconds) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1_000);
  const signed = `${encode({ alg: "HS256", typ: "JWT" })}.${encode({ sub: userId, clans, iat: now, exp: now + seconds })}`;
  return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
}
