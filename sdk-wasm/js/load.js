// How the WebAssembly gets here: compiled once for each place that it comes from, instantiated anew for each client.

import { fault } from "./error.js";
import { makeGlue } from "./glue.js";
import { blockedBy, watchPolicy } from "./policy.js";

/** What helps where no WebAssembly runs. */
const INSTEAD = `"realtime-gateway/no-wasm" is the same client without WebAssembly`;

const modules = new Map();

/**
 * A class of cores with a memory of its own: what traps takes nothing else with it. What it throws may be overcome by
 * trying again, unless it is marked as not retryable.
 */
export async function loadCore(wasmUrl) {
  const key = wasmUrl === undefined ? "" : String(wasmUrl);
  if (!modules.has(key)) {
    modules.set(key, key === "" ? compileInlined() : compileFrom(key));
    // A failed download is tried again by the next who asks.
    modules.get(key).catch(() => modules.delete(key));
  }
  const module = await modules.get(key);
  const glue = makeGlue();
  glue.initSync({ module });
  return glue.Core;
}

async function compileInlined() {
  const { base64 } = await import("./wasm.js");
  return compile(Uint8Array.from(atob(base64), byte => byte.charCodeAt(0)));
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
  // Not streamed: that needs a server that knows the media type, and saves little at this size.
  return compile(await response.arrayBuffer());
}

/** Compiles; where that is forbidden it says what would help, which an engine's own words may not. */
async function compile(bytes) {
  if (!globalThis.WebAssembly) throw fault("invalid", `there is no WebAssembly here: ${INSTEAD}`);
  try {
    return await WebAssembly.compile(bytes);
  } catch (error) {
    if (!/unsafe-eval|wasm-eval|\bCSP\b|content security/i.test(error?.message)) throw error;
    throw fault("blocked_by_csp", `the page's policy blocks WebAssembly: add 'wasm-unsafe-eval' to its script-src; ${INSTEAD}`);
  }
}
