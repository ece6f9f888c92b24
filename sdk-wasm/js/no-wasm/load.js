// Loads the core without WebAssembly: as translated JavaScript, with an instance for each client.

import { makeCore } from "../glue.js";

/** Returns a class of cores in a new instance, so that a failure does not affect other clients. */
export async function loadCore() {
  // Loaded on first use: importing the package does not load the core.
  const { instantiate } = await import("./machine.js");
  return makeCore(instantiate());
}
