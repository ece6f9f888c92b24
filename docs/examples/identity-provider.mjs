// An identity provider: it signs a token for each user who signs in, and serves its public keys as a JWKS (RFC 7517),
// which gateways find by OpenID Connect Discovery.
//
//   node identity-provider.mjs --port 8080
//
//   GATEWAY_AUTH__OIDC_ISSUER=http://127.0.0.1:8080 GATEWAY_AUTH__AUDIENCE=realtime gateway serve
//
//   curl -s 127.0.0.1:8080/token -H 'content-type: application/json' -d '{"user":"alice","password":"rabbit"}'
//   curl -s 127.0.0.1:8080/rotate -X POST        # a new key signs from now on; clients stay signed in
//
// Prints one JSON line with its addresses. It uses nothing but Node.js. Where other machines reach it, put TLS in front.

import { generateKeyPairSync, randomUUID, scryptSync, sign, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import { parseArgs } from "node:util";

const AUDIENCE = "realtime";
/** How long a token lasts, in seconds. Short: a client asks for another one without its user noticing. */
const LIFETIME = 600;

const passwordHash = (password) => scryptSync(password, "salt of this example", 32);
/** Who may sign in, and what each may do. A real provider has them in its database, with a salt for each password. */
const USERS = {
  alice: { hash: passwordHash("rabbit"), clans: ["clan123"], topics: {} },
  bob: { hash: passwordHash("builder"), clans: ["clan123", "clan456"], topics: { dice: ["*"] } },
};

/** A key pair with the name by which a token refers to it. ES256 makes short tokens. */
function newKey() {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const kid = randomUUID();
  return { kid, privateKey, jwk: { ...publicKey.export({ format: "jwk" }), kid, alg: "ES256", use: "sig" }, retires: Infinity };
}

/**
 * The keys: one signs, one is served in advance, and older ones are served until their last token has expired. A gateway
 * knows the next key before a token names it, so a rotation makes no client wait.
 */
class Keys {
  #retired = [];
  #current = newKey();
  #next = newKey();

  rotate() {
    this.#retired.push({ ...this.#current, retires: Date.now() + LIFETIME * 1000 });
    [this.#current, this.#next] = [this.#next, newKey()];
  }

  get publicKeys() {
    this.#retired = this.#retired.filter((key) => key.retires > Date.now());
    return { keys: [this.#current, this.#next, ...this.#retired].map((key) => key.jwk) };
  }

  /** A JSON Web Token (RFC 7519). */
  sign(claims) {
    const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const { kid, privateKey } = this.#current;
    const signed = `${encode({ alg: "ES256", typ: "JWT", kid })}.${encode(claims)}`;
    const signature = sign("sha256", Buffer.from(signed), { key: privateKey, dsaEncoding: "ieee-p1363" });
    return `${signed}.${signature.toString("base64url")}`;
  }
}

const keys = new Keys();

/** The token of a user who gives the right password. */
function signIn(issuer, { user, password }) {
  const known = Object.hasOwn(USERS, user ?? "") ? USERS[user] : undefined;
  // Also for an unknown user, so that the time of the answer does not tell who exists.
  const isRight = timingSafeEqual(passwordHash(String(password)), (known ?? USERS.alice).hash);
  if (!known || !isRight) return undefined;
  const now = Math.floor(Date.now() / 1000);
  const identity = { iss: issuer, aud: AUDIENCE, sub: user, iat: now, exp: now + LIFETIME, jti: randomUUID() };
  return keys.sign({ ...identity, clans: known.clans, topics: known.topics });
}

async function body(request) {
  const parts = [];
  let size = 0;
  for await (const part of request) {
    if ((size += part.length) > 4096) throw new RangeError("the body is over 4 KiB");
    parts.push(part);
  }
  return JSON.parse(Buffer.concat(parts).toString("utf8"));
}

async function answer(issuer, request) {
  switch (`${request.method} ${request.url}`) {
    case "GET /.well-known/openid-configuration":
      return [200, { issuer, jwks_uri: `${issuer}/.well-known/jwks.json`, id_token_signing_alg_values_supported: ["ES256"] }];
    case "GET /.well-known/jwks.json":
      return [200, keys.publicKeys];
    case "POST /token": {
      const token = signIn(issuer, await body(request));
      return token ? [200, { token, expiresIn: LIFETIME }] : [401, { error: "wrong user or password" }];
    }
    case "POST /rotate":
      // A real provider does this on a schedule, and not for anyone who asks.
      keys.rotate();
      return [200, { keys: keys.publicKeys.keys.length }];
    default:
      return [404, { error: "not found" }];
  }
}

const { values } = parseArgs({ options: { port: { type: "string", default: "8080" } } });
const server = createServer(async (request, response) => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const [status, content] = await answer(issuer, request).catch((error) => [400, { error: error.message }]);
  response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" });
  response.end(JSON.stringify(content));
});
server.listen(Number(values.port), "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  console.log(JSON.stringify({ issuer, jwksUrl: `${issuer}/.well-known/jwks.json`, audience: AUDIENCE }));
});
