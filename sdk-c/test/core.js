// The core module in Node.js: the smallest driver of the interface that docs/sdk-core.md describes.

import { readFileSync } from "node:fs";

export const module = new WebAssembly.Module(readFileSync(new URL("../../target/core/gateway_core.wasm", import.meta.url)));

/** An instance of the module. */
export class Instance {
  constructor() {
    this.exports = new WebAssembly.Instance(module).exports;
    // Where the functions put the address and the length of a text.
    this.out = this.exports.gw_alloc(8);
  }

  open(config) {
    return this.#call(config, (...text) => this.exports.gw_open(...text, this.out));
  }

  handle(client, now, input) {
    return this.#call(input, (...text) => this.exports.gw_handle(client, BigInt(now), ...text, this.out));
  }

  take(client, stream) {
    return this.#call("", () => this.exports.gw_take(client, BigInt(stream), this.out));
  }

  deadline(client) {
    return Number(this.exports.gw_deadline(client));
  }

  close(client) {
    return this.exports.gw_close(client);
  }

  /** Returns a text with NUL at its end. */
  digest() {
    return this.#bytes(this.exports.gw_digest(), 64).toString();
  }

  /** Calls a function with a text or bytes. Returns its status, and the text that it has returned. */
  #call(input, call) {
    const bytes = Buffer.from(input);
    const address = this.exports.gw_alloc(bytes.length);
    this.#bytes(address, bytes.length).set(bytes);
    const status = call(address, bytes.length);
    this.exports.gw_free(address, bytes.length);
    // The view is new after each call, because growing the memory detaches its buffer.
    const out = this.#bytes(this.out, 8);
    const [text, length] = [out.readUInt32LE(0), out.readUInt32LE(4)];
    const returned = Buffer.from(this.#bytes(text, length)).toString();
    this.exports.gw_free(text, length);
    return [status, returned];
  }

  #bytes(address, length) {
    return Buffer.from(this.exports.memory.buffer, address >>> 0, length);
  }
}
