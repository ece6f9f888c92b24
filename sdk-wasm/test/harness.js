// A real gateway in a process of its own, and clients of the built package.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { request } from "node:http";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { WebSocket } from "ws";
import { GatewayClient } from "./sdk.js";

/** The program of the gateway. */
export const PROGRAM = process.env.GATEWAY_PROGRAM ?? new URL("../../target/debug/gateway", import.meta.url).pathname;

export class Gateway {
  #folder = mkdtempSync(join(tmpdir(), "gateway-js-"));
  #child;
  #listen = "127.0.0.1:0";

  /** Starts one that ends with the test; `settings` are lines of TOML. */
  static async start(test, settings = "") {
    const gateway = new Gateway();
    writeFileSync(join(gateway.#folder, "gateway.toml"), `${settings}
store.url = ${JSON.stringify(`redb:${join(gateway.#folder, "gateway.redb")}`)}
auth.jwt_secret = "a secret of the tests, of more than 32 bytes"
`);
    test.after(async () => {
      await gateway.kill();
      rmSync(gateway.#folder, { recursive: true });
    });
    await gateway.run();
    return gateway;
  }

  /** Starts it, or starts it again on the same port with the same data. */
  async run() {
    const args = ["serve", "--dev", "--config", "gateway.toml", "--listen", this.#listen];
    const env = { ...process.env, GATEWAY_LOG__FORMAT: "json" };
    this.#child = spawn(PROGRAM, args, { cwd: this.#folder, env, stdio: ["ignore", "pipe", "pipe"] });
    const output = [];
    const address = await new Promise((resolve, reject) => {
      const read = line => {
        output.push(line);
        const found = /127\.0\.0\.1:(\d+)/.exec(line);
        if (found && !found[0].endsWith(":0")) resolve(found[0]);
      };
      createInterface({ input: this.#child.stdout }).on("line", read);
      createInterface({ input: this.#child.stderr }).on("line", read);
      this.#child.once("exit", () => reject(new Error(`the gateway ended:\n${output.join("\n")}`)));
      this.#child.once("error", reject);
    });
    this.#listen = address;
    while ((await ask(`http://${address}/health/ready`).catch(() => undefined))?.status !== 200) {
      if (this.#hasEnded()) throw new Error(`the gateway ended before it was ready:\n${output.join("\n")}`);
      await new Promise(setImmediate);
    }
  }

  #hasEnded() {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  kill() {
    if (this.#hasEnded()) return undefined;
    const gone = new Promise(resolve => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    return gone;
  }

  get url() {
    return `ws://${this.#listen}/ws`;
  }

  get http() {
    return `http://${this.#listen}`;
  }

  async #post(path, body) {
    const { status, text } = await ask(`http://${this.#listen}${path}`, body);
    if (status >= 300) throw new Error(`${path}: ${status} ${text}`);
    return JSON.parse(text);
  }

  async token(userId, clans = ["*"], more = {}) {
    return (await this.#post("/dev/token", { userId, clans, ...more })).token;
  }

  notify(userId, title) {
    return this.#post("/dev/notifications", { userId, title, message: "m" });
  }

  /** A client that ends with the test, and the frames and states that it saw. */
  client(test, userId, options = {}) {
    const frames = [];
    const client = new GatewayClient({
      url: this.url,
      token: () => this.token(userId),
      webSocket: WebSocket,
      onFrame: frame => frames.push({ ...frame, message: JSON.parse(frame.text) }),
      ...options,
    });
    const states = [];
    client.on("state", state => states.push(state));
    test.after(() => client.close());
    return { client, frames, states };
  }
}

/** An HTTP request; with a body it is a POST of JSON. Not `fetch`, which in Node is WebAssembly itself. */
function ask(url, body) {
  return new Promise((resolve, reject) => {
    const options = body === undefined ? {} : { method: "POST", headers: { "content-type": "application/json" } };
    const asking = request(url, options, async response => {
      const text = (await response.setEncoding("utf8").toArray()).join("");
      resolve({ status: response.statusCode, text });
    });
    asking.on("error", reject).end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** The frames that a client sent of a type. */
export function sent(frames, type) {
  return frames.filter(({ direction, message }) => direction === "out" && message.type === type);
}

/** The first items of an iterator that are of a type. */
export async function first(iterator, count, type = "chat") {
  const events = [];
  while (events.length < count) {
    const { value, done } = await iterator.next();
    if (done) throw new Error(`it ended after ${events.length} of ${count}`);
    if (value.type === type) events.push(value);
  }
  return events;
}

/** Resolves with the next state of this status. */
export function becomes(client, status) {
  return new Promise(resolve => {
    const off = client.on("state", state => {
      if (state.status !== status) return;
      off();
      resolve(state);
    });
  });
}

/** A WebSocket by which the gateway's first greeting says that the token ends in two seconds. */
export function shortLived() {
  let greetings = 0;
  return class extends WebSocket {
    set onmessage(listener) {
      super.onmessage = event => {
        const message = JSON.parse(event.data);
        if (message.type === "connected" && ++greetings === 1) {
          message.expiresAt = new Date(Date.parse(message.serverTime) + 2_000).toISOString();
        }
        listener({ data: JSON.stringify(message) });
      };
    }
  };
}
