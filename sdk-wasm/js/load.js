// How the WebAssembly gets here: compiled once for each place that it comes from, instantiated anew for each client.

import { makeGlue } from "./glue.js";

const modules = new Map();

/** A class of cores with a memory of its own: what traps takes nothing else with it. */
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
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: HTTP status ${response.status}`);
  // Not streamed: that needs a server that knows the media type, and saves little at this size.
  return compile(await response.arrayBuffer());
}

/** Compiles; where that is impossible it says what would help, which an engine's own words may not. */
async function compile(bytes) {
  try {
    return await WebAssembly.compile(bytes);
  } catch (error) {
    const help = `a page's policy has to allow 'wasm-unsafe-eval'; "realtime-gateway/no-wasm" works without WebAssembly`;
    throw new Error(`${error?.message ?? error} (${help})`, { cause: error });
  }
}
