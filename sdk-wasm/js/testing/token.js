// Tokens of a fake gateway, in the form of a JSON Web Token without a valid signature.

const encode = value => {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
};

/** Returns a token of this user. `claims` may have `clans` and `topics`, the permissions, and `exp`. */
export function makeToken(userId, claims = {}) {
  return [{ alg: "none", typ: "JWT" }, { sub: userId, ...claims }].map(encode).join(".") + ".fake";
}

/** Returns the claims of a token, or undefined if it does not name a user. */
export function claimsOf(token) {
  try {
    const bytes = atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"));
    const claims = JSON.parse(new TextDecoder().decode(Uint8Array.from(bytes, byte => byte.charCodeAt(0))));
    return typeof claims.sub === "string" && claims.sub !== "" ? claims : undefined;
  } catch {
    return undefined;
  }
}
