// Loads the WebAssembly. It is compiled once for each URL, and each client has its own instance.

import { fault } from "./error.js";
import { makeCore } from "./glue.js";
import { blockedBy, watchPolicy } from "./policy.js";

/** The hint in errors if WebAssembly cannot run. */
const INSTEAD = `"realtime-gateway/no-wasm" is the same client without WebAssembly`;

const modules = new Map();

/**
 * Returns a class of cores in a new instance, so that a trap does not affect other clients. Errors may be temporary,
 * unless they are marked as not retryable.
 */
export async function loadCore(wasmUrl) {
  const key = wasmUrl === undefined ? "" : String(wasmUrl);
  if (!modules.has(key)) {
    modules.set(key, key === "" ? compileInlined() : compileFrom(key));
    // A failed download is not cached, so that the next call tries again.
    modules.get(key).catch(() => modules.delete(key));
  }
  const module = await modules.get(key);
  return makeCore(new WebAssembly.Instance(module).exports);
}

async function compileInlined() {
  const { order, text } = await import("./wasm.js");
  return compile(bytesOf(text, order));
}

/**
 * Decodes the text of `cargo xtask wasm` to bytes: one character for each byte that is among the first 90 of `order`,
 * two for each of the others, which begin with one of the last two of the alphabet. Compressed on its way it is a
 * fiftieth more than the bytes would be; base64 is a third more.
 */
export function bytesOf(text, order) {
  const bytes = new Uint8Array(text.length);
  let [length, page] = [0, 0];
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    // The alphabet is printable ASCII without `"`, `<` and `\`.
    const place = code - 32 - (code > 34) - (code > 60) - (code > 92);
    if (place >= 90) page = place - 89;
    else {
      bytes[length] = order[page * 90 + place];
      length += 1;
      page = 0;
    }
  }
  return bytes.subarray(0, length);
}

async function compileFrom(url) {
  watchPolicy();
  const response = await fetch(url).catch(async error => {
    const address = String(new URL(url, globalThis.location?.href));
    const directive = await blockedBy(address);
    if (directive) throw fault("blocked_by_csp", `the page's policy blocks ${address}: add ${new URL(address).origin} to its ${directive}`);
    throw error;
  });
  if (!response.ok) throw new Error(`${url}: HTTP status ${response.status}`);
  // Not streaming: that needs a server with the correct media type, and saves little at this size.
  return compile(await response.arrayBuffer());
}

/**
 * Compiles the bytes. If a content security policy forbids that, the error names the fix, which browsers' own errors
 * often do not.
 */
async function compile(bytes) {
  if (!globalThis.WebAssembly) throw fault("invalid", `there is no WebAssembly here: ${INSTEAD}`);
  try {
    return await WebAssembly.compile(bytes);
  } catch (error) {
    if (!/unsafe-eval|wasm-eval|\bCSP\b|content security/i.test(error?.message)) throw error;
    throw fault("blocked_by_csp", `the page's policy blocks WebAssembly: add 'wasm-unsafe-eval' to its script-src; ${INSTEAD}`);
  }
}
