//! The table of keys. Everything else that lists keys is made from it: examples, README, checks, nearest names.

use super::{
    Key,
    Kind::{Address, Choice, Duration, Keys, Number, Path, Secret, Secrets, Size, Switch, Tables, Text, Texts, Url},
};
use crate::{
    config::{Durability, LogFormat, draft::PermissionChoice},
    store::{OnExcess, SessionKey},
};

/// The key is this when no layer sets it.
const fn default(text: &'static str) -> (Option<&'static str>, &'static str) {
    (Some(text), text)
}

/// The key is not set when no layer sets it; this is what it could be.
const fn sample(text: &'static str) -> (Option<&'static str>, &'static str) {
    (None, text)
}

/// One key: its name, `live` when SIGHUP changes it, how it is written, its default, its field, what it means.
macro_rules! keys {
    ($($name:literal $life:ident $kind:expr, $text:expr, $($field:ident).+, $doc:literal;)*) => {
        &[$(Key {
            name: $name,
            kind: $kind,
            default: $text.0,
            sample: $text.1,
            doc: $doc,
            live: $life,
            field: |draft| &mut draft.$($field).+,
        }),*]
    };
}

#[allow(non_upper_case_globals, reason = "reads as a word of the table")]
const live: bool = true;
#[allow(non_upper_case_globals, reason = "reads as a word of the table")]
const fixed: bool = false;

/// All keys, in the order in which they are shown.
pub(in crate::config) static KEYS: &[Key] = keys! {
    "listen" fixed Address, default("127.0.0.1:4000"), config.listen,
        "Address and port.";
    "node_id" fixed Text, sample("node-1"), node_id,
        "Names this node. When not set: the host name and a random suffix.";
    "internal.listen" fixed Address, sample("127.0.0.1:4001"), config.internal_listen,
        "When set, everything but /ws, /health, /health/live and /health/ready is served there only.";
    "log.level" live Choice(&["error", "warn", "info", "debug", "trace"]), default("info"), config.log.level,
        "How much is logged. RUST_LOG wins.";
    "log.format" fixed Choice(LogFormat::NAMES), sample("json"), log_format,
        "How lines look. When not set: pretty on a terminal, json elsewhere.";
    "log.audit" live Switch, default("false"), config.log.audit,
        "Whether the end of each session is logged at info, with its user and address.";
    "bus.url" fixed Url, default("embedded"), config.bus.url,
        "The bus between nodes and backend services: embedded, or amqp:// or amqps:// URLs of one RabbitMQ, separated by commas and tried in turn.";
    "bus.prefix" fixed Text, default("gateway"), config.bus.prefix,
        "Stands for gateway in every AMQP name.";
    "bus.prefetch" fixed Number, default("256"), config.bus.prefetch,
        "Events of backend services that are in flight at most.";
    "bus.ca" fixed Path, sample("ca.pem"), config.bus.ca,
        "Certificate authority of an amqps:// broker, in PEM, beside those of the system.";
    "store.url" fixed Url, default("redb:./data/gateway.redb"), config.store.url,
        "A data file of this node's own; or Redis, which any number of nodes share: redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], rediss:// for TLS, redis+sentinel://[USER:PASSWORD@]HOST:PORT,HOST:PORT/SERVICE[/DATABASE]; or memory, which forgets everything when the process ends.";
    "store.durability" fixed Choice(Durability::NAMES), default("fsync"), config.store.durability,
        "When a write counts as confirmed. With os the operating system flushes when it likes: a machine that crashes may lose what was confirmed.";
    "store.prefix" fixed Text, default("gw"), config.store.prefix,
        "All keys in Redis begin with it, in braces. Not used by the embedded store.";
    "store.ca" fixed Path, sample("ca.pem"), config.store.ca,
        "Certificate authority of Redis, in PEM. When not set: those of the operating system.";
    "store.max_bytes" live Size, sample("10GiB"), config.store.max_bytes,
        "What the store may hold: rows of the data file with the overhead of their pages, or used_memory of Redis. Beyond it new messages and notifications are refused with unavailable; acknowledgements and deletions go on. 0 or not set: no limit.";
    "store.min_free_percent" live Number, default("5"), config.store.min_free_percent,
        "How much of the file system of the data file, or of the maxmemory of Redis, must be free, in percent (at most 50). With less, new messages and notifications are refused with unavailable. 0 switches this off.";
    "outbox.max_entries" fixed Number, default("1000000"), config.outbox_max_entries,
        "Events that may wait for the broker. What happens beyond that is not told to backend services.";
    "idempotency.window" fixed Duration, default("24h"), config.idempotency_window,
        "How long repeats are recognised.";
    "auth.jwt_secret" live Secret, sample("at least 32 random bytes"), jwt_secret,
        "Verifies and signs tokens (HS256, HS384, HS512); one of auth.jwt_secrets. To make one: openssl rand -base64 48";
    "auth.jwt_secrets" live Secrets, sample("the new secret,the old secret"), jwt_secrets,
        "Several secrets hold at once, so that they can rotate. The first one signs.";
    "auth.jwt_public_keys" live Keys, sample("-----BEGIN PUBLIC KEY-----\\nMCow...\\n-----END PUBLIC KEY-----"), config.auth.jwt_public_keys,
        "Public keys in PEM: RSA (RS, PS), P-256 and P-384 (ES), Ed25519 (EdDSA).";
    "auth.jwks_url" live Url, sample("https://id.example.com/.well-known/jwks.json"), config.auth.jwks_url,
        "Public keys of an identity provider: cached, and fetched again for an unknown kid at most every 30 s, until when a token with one is told to come back. At most 1000 keys.";
    "auth.issuer" live Text, sample("https://id.example.com/"), config.auth.issuer,
        "When set, tokens must have it as iss.";
    "auth.audience" live Text, sample("realtime"), config.auth.audience,
        "When set, tokens must have it in aud.";
    "auth.leeway" live Duration, default("5s"), config.auth.leeway,
        "How far the clocks of gateway and issuer may differ: a token is taken, and its session lasts, this much longer than exp says.";
    "auth.timeout" fixed Duration, default("10s"), config.auth.timeout,
        "How long after the upgrade an identity may be missing.";
    "auth.expiry_grace" fixed Duration, default("10s"), config.auth.expiry_grace,
        "How long pushes go on after the token's end.";
    "auth.api_keys" live Tables, sample(r#"[{"name": "backend", "sha256": "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683", "scopes": ["publish", "read", "admin"]}]"#), config.auth.api_keys,
        "Keys of the HTTP API, by their SHA-256: gateway key new makes a key and this line. A key without scopes may do everything, and is named in a warning.";
    "permissions.source" fixed Choice(PermissionChoice::NAMES), default("claims"), permission_source,
        "Who decides what a user may do: the token's clans and topics, a backend service, or (with --dev only) nobody.";
    "permissions.url" fixed Url, sample("https://backend.example.com/permissions"), permission_url,
        "With source http: is sent POST {userId, action, service, topic} and answers {allowed, ttlSeconds?}.";
    "permissions.timeout" fixed Duration, default("1s"), config.permissions.timeout,
        "How long that answer may take. No answer means no, except within permissions.stale_grace.";
    "permissions.cache_ttl" fixed Duration, default("30s"), config.permissions.cache_ttl,
        "How long an answer without ttlSeconds holds.";
    "permissions.stale_grace" fixed Duration, default("5m"), config.permissions.stale_grace,
        "How much longer a grant holds while the service does not answer: live subscriptions go on, and the service is asked again with backoff. 0s ends them with the first answer that fails.";
    "permissions.max_in_flight" fixed Number, default("64"), config.permissions.max_in_flight,
        "Requests to permissions.url that are under way at most. A further one waits for permissions.timeout, and is then answered with unavailable.";
    "origins.allowed" live Texts, sample("https://app.example.com,https://*.example.com"), config.origins_allowed,
        "Origins of web pages that may connect, beside the gateway's own host.";
    "proxies.trusted" fixed Texts, sample("10.0.0.0/8"), config.proxies_trusted,
        "Networks whose X-Forwarded-For or Forwarded header, or PROXY protocol header, is believed.";
    "sessions.max_per_user" fixed Number, default("1"), config.sessions.max_per_user,
        "Live sessions that a user (or device) may have.";
    "sessions.on_excess" fixed Choice(OnExcess::NAMES), default("replace"), config.sessions.on_excess,
        "Beyond that: replace ends the oldest session, reject refuses the new one.";
    "sessions.key" fixed Choice(SessionKey::NAMES), default("user"), config.sessions.key,
        "Whether a user's sessions are counted, or those of each device.";
    "sessions.max_devices" fixed Number, default("10"), config.sessions.max_devices,
        "Devices that a user may have, when devices are counted.";
    "limits.connections" live Number, default("20000"), config.limits.connections,
        "Connections of this node.";
    "limits.connections_per_ip" live Number, default("1000"), config.limits.connections_per_ip,
        "Connections from one address (IPv6: one /64).";
    "limits.connects_per_ip_per_minute" live Number, default("1200"), config.limits.connects_per_ip_per_minute,
        "New connections from one address in a minute.";
    "limits.message_bytes" live Size, default("64KiB"), config.limits.message_bytes,
        "One message from a client.";
    "limits.messages_per_second" live Number, default("20"), config.limits.messages_per_second,
        "Sustained rate of a session's commands.";
    "limits.burst" live Number, default("40"), config.limits.burst,
        "Commands of a session that may come at once.";
    "limits.subscriptions" live Number, default("100"), config.limits.subscriptions,
        "Subscriptions of a session.";
    "limits.outbound_queue" live Size, default("1MiB"), config.limits.outbound_queue,
        "What may wait for one session to read it. Beyond that it is closed with 4508.";
    "limits.handshake_timeout" live Duration, default("5s"), config.limits.handshake_timeout,
        "From accept to the end of the upgrade.";
    "limits.http_body" live Size, default("256KiB"), config.limits.http_body,
        "The body of an HTTP request.";
    "limits.http_idle_timeout" live Duration, default("75s"), config.limits.http_idle_timeout,
        "How long an HTTP connection may wait for its next request. Longer than a proxy keeps connections to the gateway: otherwise a request may meet the end of its connection.";
    "limits.outbound_total" live Size, sample("256MiB"), config.limits.outbound_total,
        "What clients may make the node hold together: outbound queues, full send buffers of the kernel, unfinished messages and handshakes. Beyond it the clients that hold most and do not read are closed with 4508. When not set: a quarter of the memory of the cgroup or machine.";
    "limits.unauthenticated_message_bytes" live Size, default("4KiB"), config.limits.unauthenticated_message_bytes,
        "One message from a client that is not authenticated. Raise it for authenticate messages with a longer token; tokens in a header or in ?token= are not affected.";
    "limits.http_per_ip_per_second" live Number, default("50"), config.limits.http_per_ip_per_second,
        "Sustained rate of HTTP requests without a valid API key from one address (IPv6: one /64). Four times as many may come at once. /health/live and /health/ready are not limited.";
    "limits.http_per_key_per_second" live Number, default("1000"), config.limits.http_per_key_per_second,
        "Sustained rate of HTTP requests with one API key, from whatever address. Four times as many may come at once.";
    "limits.bad_tokens_per_ip_per_minute" live Number, default("20"), config.limits.bad_tokens_per_ip_per_minute,
        "Tokens that are not valid, from one address (IPv6: one /64). Beyond that such tokens are answered with 429 or 4429 for the rest of the minute; valid and expired tokens are treated as always.";
    "heartbeat.interval" fixed Duration, default("25s"), config.heartbeat.interval,
        "How often a WebSocket ping is sent.";
    "heartbeat.timeout" fixed Duration, default("60s"), config.heartbeat.timeout,
        "How long a connection may be silent.";
    "presence.grace" fixed Duration, default("10s"), config.presence_grace,
        "How long after the last session a user counts as present.";
    "history.max_entries" fixed Number, default("1000"), config.history.max_entries,
        "Entries that a clan or topic keeps.";
    "history.max_age" fixed Duration, default("7d"), config.history.max_age,
        "How long it keeps them.";
    "notifications.ttl" fixed Duration, default("30d"), config.notifications.ttl,
        "How long a notification waits to be acknowledged.";
    "notifications.max_pending" fixed Number, default("1000"), config.notifications.max_pending,
        "Notifications of a user that may wait. The oldest is dropped beyond it.";
    "drain.delay" fixed Duration, default("5s"), config.drain.delay,
        "How long accepting goes on after SIGTERM, while balancers notice.";
    "drain.spread" fixed Duration, default("30s"), config.drain.spread,
        "Then sessions are asked to go, each at a moment of its own within this time.";
    "drain.grace" fixed Duration, default("45s"), config.drain.grace,
        "All is over within this time.";
    "demo.enabled" fixed Switch, default("false"), config.demo_enabled,
        "Whether /demo is served without --dev.";
    "metrics.token" fixed Secret, sample("a token"), config.metrics_token,
        "When set, /metrics wants it as a bearer token. Without it, /metrics is refused where listen is open to other machines and internal.listen is not set.";
    "tls.cert" live Path, sample("fullchain.pem"), tls_cert,
        "Certificate chain in PEM, for TLS on the port itself.";
    "tls.key" live Path, sample("privkey.pem"), tls_key,
        "Its private key in PEM.";
};
