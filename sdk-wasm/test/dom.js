// A document for tests of components in Node. It has to be imported before React or Vue.

import { Window } from "happy-dom";

const window = new Window({ url: "http://localhost/" });
// Only what the libraries use: the SDK is to run as it does in Node.
for (const name of ["window", "navigator", "document", "HTMLElement", "HTMLIFrameElement", "Element", "Node", "SVGElement", "Event", "MutationObserver"]) {
  Object.defineProperty(globalThis, name, { value: name === "window" ? window : window[name], configurable: true, writable: true });
}

/** Makes an element for an app. */
export function root() {
  const element = window.document.createElement("div");
  window.document.body.append(element);
  return element;
}

/** Waits until a condition holds. */
export async function until(condition) {
  for (let i = 0; !condition(); i += 1) {
    if (i > 5_000) throw new Error(`this never came true: ${condition}`);
    await new Promise(resolve => setTimeout(resolve, 1));
  }
}
