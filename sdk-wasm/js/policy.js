// What the content security policy of the page has blocked, as the browser tells of it.

let isWatched = false;
let last;

/** Listens from now on. */
export function watchPolicy() {
  if (isWatched) return;
  isWatched = true;
  globalThis.addEventListener?.("securitypolicyviolation", violation => (last = violation));
}

/** The directive that keeps this page from an address, where that was blocked just now. */
export async function blockedBy(address) {
  // The browser tells of it in a task of its own.
  await new Promise(resolve => setTimeout(resolve));
  const blocked = last;
  last = undefined;
  // Some browsers name no more than the scheme, or the origin.
  return blocked?.blockedURI && address.startsWith(blocked.blockedURI) ? blocked.effectiveDirective : undefined;
}
