// Signs a token for a user with the secret that it shares with the gateway (HS256).
//
//   export GATEWAY_AUTH__JWT_SECRET="$(openssl rand -base64 48)"      # the same for the gateway
//   node sign-token.mjs --user alice --clans clan123 --topics orders:order-42
//
// Prints one JSON line with the token. It uses nothing but Node.js. In a service of yours: sign after the user has
// signed in, give the token to the app over HTTPS, and keep it short-lived. The app asks for another one in time.

import { createHmac, randomUUID } from "node:crypto";
import { parseArgs } from "node:util";

/** How long a token lasts, in seconds. */
const LIFETIME = 600;

const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A JSON Web Token (RFC 7519) with these claims. */
export function signToken(claims, secret) {
  const signed = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(claims)}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

/** `orders:order-42,orders:eu-*` becomes `{orders: ["order-42", "eu-*"]}`. */
function byService(text) {
  const grants = {};
  for (const grant of text.split(",").filter(Boolean)) {
    const colon = grant.indexOf(":");
    (grants[grant.slice(0, colon)] ??= []).push(grant.slice(colon + 1));
  }
  return grants;
}

const text = { type: "string", default: "" };
const { values } = parseArgs({ options: { user: { type: "string" }, clans: text, topics: text } });
const secret = process.env.GATEWAY_AUTH__JWT_SECRET ?? "";
if (!values.user || secret.length < 32) {
  console.error("give --user, and set GATEWAY_AUTH__JWT_SECRET to the secret of the gateway, 32 bytes or more");
  process.exit(1);
}
const now = Math.floor(Date.now() / 1000);
const claims = {
  sub: values.user,
  iat: now,
  exp: now + LIFETIME,
  jti: randomUUID(),
  // Needed if the gateway has auth.issuer and auth.audience; JSON.stringify leaves out what is undefined.
  iss: process.env.GATEWAY_AUTH__ISSUER,
  aud: process.env.GATEWAY_AUTH__AUDIENCE,
  clans: values.clans.split(",").filter(Boolean),
  topics: byService(values.topics),
};
console.log(JSON.stringify({ token: signToken(claims, secret), expiresAt: claims.exp }));
