// Groups of tabs that share a connection: tabs of one user at one gateway, with compatible versions of the SDK.

import { VERSION } from "./engine.js";
import { address } from "./options.js";

/**
 * Returns whether tabs and workers can share a connection: not in Node, under server-side rendering, or without a
 * secure context.
 */
export function canShare({ shareTabs = true }) {
  // Check for a page or a worker first: Node has some of the other objects, and accessing its BroadcastChannel loads
  // much code.
  const isBrowser = globalThis.document ?? globalThis.WorkerGlobalScope;
  return Boolean(shareTabs && isBrowser && globalThis.navigator?.locks && globalThis.BroadcastChannel);
}

/**
 * Returns the user of a token, unverified, because it only distinguishes tabs. Returns undefined if the token cannot be
 * read.
 */
export function userOf(token) {
  try {
    const bytes = atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"));
    const { sub } = JSON.parse(new TextDecoder().decode(Uint8Array.from(bytes, byte => byte.charCodeAt(0))));
    return typeof sub === "string" && sub !== "" ? sub : undefined;
  } catch {
    return undefined;
  }
}

/** Returns the name of a group. It contains the major version, or the minor version before 1.0. */
export function groupName({ url, deviceId }, user, version = VERSION) {
  const [major] = /^0\.\d+|^\d+|$/.exec(version);
  return JSON.stringify(["realtime-gateway", major, address(url), deviceId ?? null, user]);
}
