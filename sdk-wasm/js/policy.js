// Records what the content security policy of the page has blocked, as the browser reports it.

let isWatched = false;
let last;

/** Starts to listen for violations. */
export function watchPolicy() {
  if (isWatched) return;
  isWatched = true;
  globalThis.addEventListener?.("securitypolicyviolation", violation => (last = violation));
}

/** Returns the directive by which an address was just blocked, or undefined. */
export async function blockedBy(address) {
  // The browser reports a violation in a later task.
  await new Promise(resolve => setTimeout(resolve));
  const blocked = last;
  last = undefined;
  // Some browsers report only the scheme or the origin.
  return blocked?.blockedURI && address.startsWith(blocked.blockedURI) ? blocked.effectiveDirective : undefined;
}
