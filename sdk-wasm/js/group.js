// Which tabs belong together: those of one user at one gateway, with SDKs that understand each other.

import { VERSION } from "./engine.js";
import { address } from "./options.js";

/** Whether tabs and workers can find each other here. Not in Node, not under server-side rendering, not without a secure context. */
export function canShare({ shareTabs = true }) {
  // A page or a worker. In this order: Node has some of the rest, and loads much when asked for its BroadcastChannel.
  const isBrowser = globalThis.document ?? globalThis.WorkerGlobalScope;
  return Boolean(shareTabs && isBrowser && globalThis.navigator?.locks && globalThis.BroadcastChannel);
}

/** The user that a token names, unverified: it only tells tabs apart. Nothing where it is no token that we can read. */
export function userOf(token) {
  try {
    const bytes = atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"));
    const { sub } = JSON.parse(new TextDecoder().decode(Uint8Array.from(bytes, byte => byte.charCodeAt(0))));
    return typeof sub === "string" && sub !== "" ? sub : undefined;
  } catch {
    return undefined;
  }
}

/** The name of a group. Before 1.0, a minor version is what a major one is later. */
export function groupName({ url, deviceId }, user, version = VERSION) {
  const [major] = /^0\.\d+|^\d+|$/.exec(version);
  return JSON.stringify(["realtime-gateway", major, address(url), deviceId ?? null, user]);
}

/** 128 random bits in hexadecimal digits; `randomUUID` is for secure contexts only. */
export function makeId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, "0")).join("");
}
