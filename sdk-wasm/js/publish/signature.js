// Verifies the requests that the gateway sends to a backend. They are signed as Standard Webhooks defines it.

/** How far the time of a signature may be from the clock of the backend. */
export const SIGNATURE_TOLERANCE_MS = 300_000;

export class SignatureError extends Error {
  name = "SignatureError";

  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

export class Verifier {
  #keys;

  constructor(...secrets) {
    if (secrets.length === 0) throw new TypeError("at least one secret is needed");
    // The error must not show the secret.
    const keys = secrets.map((secret, index) => {
      const key = String(secret).trim().startsWith("whsec_") ? decoded(String(secret).trim().slice(6)) : undefined;
      if (!key?.length) throw new TypeError(`secret ${index + 1} is not whsec_ and base64`);
      return key;
    });
    const imported = key => crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
    this.#keys = keys.map(imported);
  }

  async verify(headers, body, { now = Date.now() } = {}) {
    const [id, timestamp, signatures] = ["webhook-id", "webhook-timestamp", "webhook-signature"].map(name => header(headers, name));
    const bytes = typeof body === "string" ? new TextEncoder().encode(body) : new Uint8Array(body);
    const content = new Uint8Array([...new TextEncoder().encode(`${id}.${timestamp}.`), ...bytes]);
    let isValid = false;
    if (id && /^\d{1,15}$/.test(timestamp)) {
      for (const signature of signatures.split(" ")) {
        const received = signature.startsWith("v1,") ? decoded(signature.slice(3)) : undefined;
        if (!received) continue;
        // It takes the same time wherever the signatures differ.
        for (const key of this.#keys) isValid = (await crypto.subtle.verify("HMAC", await key, received, content)) || isValid;
      }
    }
    if (!isValid) throw new SignatureError("signature", "the request has no valid signature");
    // After the signature, so that the error is about a request of the gateway.
    if (Math.abs(now - Number(timestamp) * 1000) > SIGNATURE_TOLERANCE_MS) {
      throw new SignatureError("time", "the time of the signature is not now");
    }
  }
}

/** Returns a header of the request of `fetch` or of Node's `http`; empty if there is none. */
function header(headers, name) {
  const value = typeof headers.get === "function" ? headers.get(name) : headers[name];
  return typeof value === "string" ? value : "";
}

/** Returns the bytes of base64; undefined if it is none. */
function decoded(text) {
  try {
    return Uint8Array.from(atob(text), c => c.charCodeAt(0));
  } catch {
    return undefined;
  }
}
