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
  return WebAssembly.compile(Uint8Array.from(atob(base64), byte => byte.charCodeAt(0)));
}

async function compileFrom(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: HTTP status ${response.status}`);
  // Not streamed: that needs a server that knows the media type, and saves little at this size.
  return WebAssembly.compile(await response.arrayBuffer());
}
