// Random ids: of messages, of calls, of tabs.

/** Returns 128 random bits in hexadecimal digits. `randomUUID` is not available without a secure context. */
export function makeId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, "0")).join("");
}
