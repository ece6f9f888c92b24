// How the machine gets here without WebAssembly: as the JavaScript that was made of it, run anew for each client.

import { makeCore } from "../glue.js";

/** A class of cores with a memory of its own: what fails takes nothing else with it. */
export async function loadCore() {
  // Only now: whoever merely imports the package reads nothing of it.
  const { instantiate } = await import("./machine.js");
  return makeCore(instantiate());
}
