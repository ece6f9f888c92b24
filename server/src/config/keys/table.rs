//! The table of keys. The examples, the page docs/configuration.md, checks and suggestions are derived from it.

use super::{
    Key,
    Kind::{Address, Choice, Duration, Keys, Number, Path, Secret, Secrets, Size, Switch, Tables, Text, Texts, Url},
};
use gateway_store::{OnExcess, SessionKey};

use crate::{
    config::setting::Named,
    config::{
        DocsServices, Durability, LogFormat, draft::PermissionChoice, services::ServiceDraft, webhooks::WebhookDraft,
    },
};

/// The default value of a key.
const fn default(text: &'static str) -> (Option<&'static str>, &'static str) {
    (Some(text), text)
}

/// A sample value for a key that is not set by default.
const fn sample(text: &'static str) -> (Option<&'static str>, &'static str) {
    (None, text)
}

/// One key: the name, `live` if SIGHUP applies a change, the kind, the default or sample, the field, the documentation.
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
        "The id of this node. When not set: the host name and a random suffix.";
    "loops" fixed Number, sample("3"), config.loops,
        "The number of event loops that serve connections, each on a thread. When not set: the number of cores minus one, at least 1. The first one runs everything else of the node too; the threads that accept sockets and write the data file use the core that is left.";
    "internal.listen" fixed Address, sample("127.0.0.1:4001"), config.internal_listen,
        "When set, everything except /ws, /health, /health/live and /health/ready is served only there.";
    "log.level" live Choice(&["error", "warn", "info", "debug", "trace"]), default("info"), config.log.level,
        "The level of the log. RUST_LOG overrides it.";
    "log.format" fixed Choice(LogFormat::NAMES), sample("json"), log_format,
        "The format of log lines. When not set: pretty on a terminal, json otherwise.";
    "log.audit" live Switch, default("false"), config.log.audit,
        "Whether the end of each session is logged at info, with its user and address.";
    "bus.url" fixed Url, default("embedded"), config.bus.url,
        "The broker of backend services: embedded for none, or amqp:// or amqps:// URLs of one RabbitMQ, separated by commas and tried in turn. Nodes do not need it to reach each other.";
    "bus.prefix" fixed Text, default("gateway"), config.bus.prefix,
        "The prefix of every AMQP name.";
    "bus.prefetch" fixed Number, default("256"), config.bus.prefetch,
        "The maximum number of events of backend services in flight.";
    "bus.ca" fixed Path, sample("ca.pem"), config.bus.ca,
        "Certificate authority of an amqps:// broker, in PEM, in addition to those of the system.";
    "store.url" fixed Url, default("redb:./data/gateway.redb"), config.store.url,
        "A data file of this node (redb:PATH); or Redis, which any number of nodes can share: redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], rediss:// for TLS, redis+sentinel://[USER:PASSWORD@]HOST:PORT,HOST:PORT/SERVICE[/DATABASE]; or memory, which loses everything when the process ends.";
    "store.durability" fixed Choice(Durability::NAMES), default("fsync"), config.store.durability,
        "When a write is confirmed: after fsync, or with os after passing it to the operating system, so that a crash of the machine may lose confirmed writes.";
    "store.prefix" fixed Text, default("gw"), config.store.prefix,
        "The prefix of all keys in Redis, in braces. Not used by the embedded store.";
    "store.ca" fixed Path, sample("ca.pem"), config.store.ca,
        "Certificate authority of Redis, in PEM. When not set: those of the operating system.";
    "store.max_bytes" live Size, sample("10GiB"), config.store.max_bytes,
        "The maximum size of the store: rows of the data file with the overhead of their pages, or used_memory of Redis. Beyond it new messages and notifications are refused with unavailable; acknowledgements and deletions still work. 0 or not set: no limit.";
    "store.min_free_percent" live Number, default("5"), config.store.min_free_percent,
        "The share of the file system of the data file, or of the maxmemory of Redis, that has to be free, in percent (at most 50). With less, new messages and notifications are refused with unavailable. 0 disables the check.";
    "outbox.max_entries" fixed Number, default("1000000"), config.outbox_max_entries,
        "The maximum number of events that wait for the broker. Events beyond it are not reported to backend services.";
    "idempotency.window" fixed Duration, default("24h"), config.idempotency_window,
        "How long repeated messages are recognized.";
    "auth.jwt_secret" live Secret, sample("at least 32 random bytes"), jwt_secret,
        "Verifies and signs tokens (HS256, HS384, HS512); one of auth.jwt_secrets. To create one: openssl rand -base64 48";
    "auth.jwt_secrets" live Secrets, sample("the new secret,the old secret"), jwt_secrets,
        "Several secrets that are valid at the same time, for rotation. The first one signs.";
    "auth.jwt_public_keys" live Keys, sample("-----BEGIN PUBLIC KEY-----\\nMCow...\\n-----END PUBLIC KEY-----"), config.auth.jwt_public_keys,
        "Public keys in PEM: RSA (RS, PS), P-256 and P-384 (ES), Ed25519 (EdDSA).";
    "auth.jwks_url" live Url, sample("https://id.example.com/.well-known/jwks.json"), config.auth.jwks_url,
        "Public keys of an identity provider: cached, and fetched again for an unknown kid at most every 30 s. Until then a token with an unknown kid is answered with unavailable. At most 1000 keys.";
    "auth.oidc_issuer" live Texts, sample("https://id.example.com/realms/app"), config.auth.oidc_issuers,
        "Identity providers (OpenID Connect). The keys of each are found at <issuer>/.well-known/openid-configuration, and fetched again every 5 minutes and for an unknown kid. The iss of a token selects the provider, and has to equal its issuer exactly. https only, except with --dev or on this machine. Needs auth.audience. See docs/auth.md.";
    "auth.issuer" live Text, sample("https://id.example.com/"), config.auth.issuer,
        "When set, the required iss of tokens that none of auth.oidc_issuer has issued.";
    "auth.audience" live Texts, sample("realtime"), config.auth.audiences,
        "When set, aud of a token has to name one of these. * accepts any audience, and tokens without one: only for providers that issue tokens for this application alone.";
    "auth.leeway" live Duration, default("5s"), config.auth.leeway,
        "The accepted difference between the clocks of the gateway and the issuer: a token is accepted, and its session lasts, this much longer than exp.";
    "auth.timeout" fixed Duration, default("10s"), config.auth.timeout,
        "The time after the upgrade within which a client has to authenticate.";
    "auth.expiry_grace" fixed Duration, default("10s"), config.auth.expiry_grace,
        "How long a session receives pushes after its token has expired.";
    "auth.api_keys" live Tables, sample(r#"[{"name": "backend", "sha256": "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683", "scopes": ["publish", "read", "admin"]}]"#), config.auth.api_keys,
        "Keys of the HTTP API, by their SHA-256: gateway key new creates a key and this line. A key without scopes has all of them, which causes a warning. A key with services, such as [\"orders\"], may only use the routes of these services.";
    "auth.claims.user" live Text, default("sub"), config.auth.claims.user,
        "The claim with the user: its name, or a path such as realm_access.roles through nested objects. A name that contains a dot stands in double quotes; a text that begins with https:// is one name. So are the other paths of auth.claims.";
    "auth.claims.device" live Text, default("deviceId"), config.auth.claims.device,
        "The claim with the device. It may be missing.";
    "auth.claims.clans" live Text, default("clans"), config.auth.claims.clans,
        "The claim with the clans that a token grants: a list of words, or a text with spaces between them. * stands for all clans.";
    "auth.claims.clans_template" live Text, sample("clan:{value}"), config.auth.claims.clans_template,
        "When set, only words of this form are clans, and the clan is what stands for {value}.";
    "auth.claims.topics" live Text, default("topics"), config.auth.claims.topics,
        "The claim with the topics that a token grants: an object with a list for each service.";
    "auth.claims.topics_template" live Text, sample("topic:{service}:{value}"), config.auth.claims.topics_template,
        "When set, that claim is a list of words, such as roles, and those of this form are topics.";
    "auth.claims.calls" live Text, default("calls"), config.auth.claims.calls,
        "The claim with the calls that a token grants: an object with a list for each service.";
    "auth.claims.calls_template" live Text, sample("call:{service}:{value}"), config.auth.claims.calls_template,
        "When set, that claim is a list of words, such as roles, and those of this form are calls.";
    "permissions.source" fixed Choice(PermissionChoice::NAMES), default("claims"), permission_source,
        "The source of permissions: the clans, topics and calls claims of the token, a permission service, or allow_all (with --dev only).";
    "permissions.url" fixed Url, sample("https://backend.example.com/permissions"), permission_url,
        "The permission service for source http: it receives POST {userId, sessionId, deviceId?, action, service, topic, claims?} and answers {allowed, ttlSeconds?}. For calls of services the action is call, and method stands in place of topic.";
    "permissions.secret" live Secrets, sample("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), config.permissions.secrets,
        "When set, requests to permissions.url are signed as Standard Webhooks defines it: whsec_ and the base64 of 24 to 64 bytes. Each of several secrets signs, so that they can be rotated; permissions.secret_file has one a line.";
    "permissions.claims" live Texts, sample("tenant,https://example.com/plan"), config.permissions.claims,
        "The claims of the client's token that requests to permissions.url contain: names or paths, as in auth.claims.user. A reload applies to a client with its next token.";
    "permissions.timeout" fixed Duration, default("1s"), config.permissions.timeout,
        "The time limit of that request. No answer means no, except within permissions.stale_grace.";
    "permissions.cache_ttl" fixed Duration, default("30s"), config.permissions.cache_ttl,
        "How long an answer without ttlSeconds is cached.";
    "permissions.stale_grace" fixed Duration, default("5m"), config.permissions.stale_grace,
        "How much longer a grant holds while the service does not answer: existing subscriptions continue, and the request is retried with backoff. 0s ends them with the first failed request.";
    "permissions.max_in_flight" fixed Number, default("64"), config.permissions.max_in_flight,
        "The maximum number of concurrent requests to permissions.url. A further one waits for permissions.timeout and then fails with unavailable.";
    "origins.allowed" live Texts, sample("https://app.example.com,https://*.example.com"), config.origins_allowed,
        "Origins of web pages that may connect, in addition to the gateway's own host.";
    "proxies.trusted" fixed Texts, sample("10.0.0.0/8"), config.proxies_trusted,
        "Networks whose X-Forwarded-For or Forwarded header, or PROXY protocol header, is trusted.";
    "sessions.max_per_user" fixed Number, default("1"), config.sessions.max_per_user,
        "The maximum number of sessions of a user (or device).";
    "sessions.on_excess" fixed Choice(OnExcess::NAMES), default("replace"), config.sessions.on_excess,
        "What happens beyond that: replace ends the oldest session, reject refuses the new one.";
    "sessions.key" fixed Choice(SessionKey::NAMES), default("user"), config.sessions.key,
        "Whether the sessions of a user are counted, or those of each device.";
    "sessions.max_devices" fixed Number, default("10"), config.sessions.max_devices,
        "The maximum number of devices of a user, when devices are counted.";
    "limits.connections" live Number, default("20000"), config.limits.connections,
        "The maximum number of connections of this node.";
    "limits.connections_per_ip" live Number, default("1000"), config.limits.connections_per_ip,
        "The maximum number of connections from one address (IPv6: one /64).";
    "limits.connects_per_ip_per_minute" live Number, default("1200"), config.limits.connects_per_ip_per_minute,
        "The maximum number of new connections from one address per minute.";
    "limits.message_bytes" live Size, default("64KiB"), config.limits.message_bytes,
        "The maximum size of a message from a client.";
    "limits.messages_per_second" live Number, default("20"), config.limits.messages_per_second,
        "The sustained rate of a session's commands.";
    "limits.burst" live Number, default("40"), config.limits.burst,
        "The maximum number of commands of a session in a burst.";
    "limits.subscriptions" live Number, default("100"), config.limits.subscriptions,
        "The maximum number of subscriptions of a session.";
    "limits.calls_in_flight" live Number, default("16"), config.limits.calls_in_flight,
        "The maximum number of calls of a session that are under way. Further ones are refused with unavailable.";
    "limits.outbound_queue" live Size, default("1MiB"), config.limits.outbound_queue,
        "The maximum size of the outbound queue of a session. Beyond it the connection is closed with 4508.";
    "limits.handshake_timeout" live Duration, default("5s"), config.limits.handshake_timeout,
        "The time limit from accepting a socket to the end of the upgrade.";
    "limits.http_body" live Size, default("256KiB"), config.limits.http_body,
        "The maximum size of the body of an HTTP request.";
    "limits.http_idle_timeout" live Duration, default("75s"), config.limits.http_idle_timeout,
        "How long an idle HTTP connection stays open. It should be longer than the time for which a proxy keeps connections to the gateway; otherwise a request may arrive at a connection that is being closed.";
    "limits.outbound_total" live Size, sample("256MiB"), config.limits.outbound_total,
        "The memory budget of all connections together: outbound queues, full send buffers of the kernel, unfinished messages and handshakes. Beyond it the connections that hold most and do not read are closed with 4508. When not set: a quarter of the memory of the cgroup or machine.";
    "limits.unauthenticated_message_bytes" live Size, default("4KiB"), config.limits.unauthenticated_message_bytes,
        "The maximum size of a message from a client that is not authenticated. Raise it for authenticate messages with a longer token; tokens in a header or in ?token= are not affected.";
    "limits.http_per_ip_per_second" live Number, default("50"), config.limits.http_per_ip_per_second,
        "The sustained rate of HTTP requests without a valid API key from one address (IPv6: one /64). The burst is four times as many. /health/live and /health/ready are not limited.";
    "limits.http_per_key_per_second" live Number, default("1000"), config.limits.http_per_key_per_second,
        "The sustained rate of HTTP requests with one API key, from any address. The burst is four times as many.";
    "limits.bad_tokens_per_ip_per_minute" live Number, default("20"), config.limits.bad_tokens_per_ip_per_minute,
        "The maximum number of invalid tokens from one address (IPv6: one /64) per minute. Beyond it such tokens are answered with 429 or 4429 for the rest of the minute; valid and expired tokens are not affected.";
    "heartbeat.interval" fixed Duration, default("25s"), config.heartbeat.interval,
        "The interval of WebSocket pings.";
    "heartbeat.timeout" fixed Duration, default("60s"), config.heartbeat.timeout,
        "The time without a frame from the client after which a connection is closed.";
    "presence.grace" fixed Duration, default("10s"), config.presence_grace,
        "How long a user counts as present after the last session has ended.";
    "presence.max_announced" live Number, default("200"), config.presence_max_announced,
        "The number of users in a clan or topic up to which every change of presence is announced immediately. In larger ones the changes of a second are announced in one message.";
    "history.max_entries" fixed Number, default("1000"), config.history.max_entries,
        "The maximum number of entries in the log of a clan or topic.";
    "history.max_age" fixed Duration, default("7d"), config.history.max_age,
        "The maximum age of these entries.";
    "history.limit_entries" live Number, default("10000"), config.history.limit_entries,
        "The maximum of history.max_entries of a topic in the contract of a declared service. A contract above it is refused.";
    "notifications.ttl" fixed Duration, default("30d"), config.notifications.ttl,
        "How long a notification is kept unacknowledged.";
    "notifications.escalate_after" live Duration, sample("10m"), config.notifications.escalate_after,
        "When set, a notification that is not acknowledged after this time is reported to backend services with notification.unacked, unless escalateAfterSeconds gives another time, or 0 for never. Below notifications.ttl.";
    "notifications.max_pending" fixed Number, default("1000"), config.notifications.max_pending,
        "The maximum number of pending notifications of a user. Beyond it the oldest is dropped.";
    "drain.delay" fixed Duration, default("5s"), config.drain.delay,
        "How long the node still accepts connections after SIGTERM, so that load balancers can notice.";
    "drain.spread" fixed Duration, default("30s"), config.drain.spread,
        "Then connections are closed within this time, each at a random time of which its client is informed.";
    "drain.grace" fixed Duration, default("45s"), config.drain.grace,
        "The time limit of the whole shutdown.";
    "docs.services" live Choice(DocsServices::NAMES), default("private"), config.docs_services,
        "Who gets documents with the declared services, and /contracts.json: with private, only requests to a gateway with --dev, to internal.listen, or with an API key that has the scope read; with public, everyone.";
    "demo.enabled" fixed Switch, default("false"), config.demo_enabled,
        "Whether /demo is served without --dev.";
    "metrics.token" fixed Secret, sample("a token"), config.metrics_token,
        "When set, /metrics requires it as a bearer token. Without it, /metrics is refused if listen is open to other machines and internal.listen is not set.";
    "tls.cert" live Path, sample("fullchain.pem"), tls_cert,
        "The certificate chain in PEM, for TLS on the port itself.";
    "tls.key" live Path, sample("privkey.pem"), tls_key,
        "The private key of the certificate in PEM.";
};

/// The keys of a declared service, in its section `[services.NAME]`, in the order in which they are shown.
pub(in crate::config) static SERVICE_KEYS: &[Key<ServiceDraft>] = keys! {
    "contract" live Path, sample("services/orders.service.toml"), contract,
        "The contract file of the service, whose name is that of the section. A relative path is relative to the configuration file, or to the working directory when a variable sets it.";
    "backend.url" live Url, sample("http://orders:8080/gateway"), backend_url,
        "The backend of the service: an http:// or https:// URL, to which the gateway sends the calls of clients, or amqp for the broker of bus.url.";
    "backend.secret_file" live Path, sample("/run/secrets/orders"), secret_file,
        "The file with the secrets that sign requests to an HTTP backend, one a line: whsec_ and the base64 of 24 to 64 bytes. Each of them signs, so that they can be rotated.";
    "backend.timeout" live Duration, default("2s"), timeout,
        "The time limit of a request to the backend, 100ms to 30s.";
    "backend.max_in_flight" live Number, default("256"), max_in_flight,
        "The maximum number of concurrent requests of a node to the backend.";
    "backend.claims" live Texts, sample("tenant"), claims,
        "The claims of the client's token that are passed on to the backend: names or paths, as in auth.claims.user. A reload applies to a client with its next token.";
};

/// The keys of a webhook, in its section `[webhooks.NAME]`, in the order in which they are shown.
pub(in crate::config) static WEBHOOK_KEYS: &[Key<WebhookDraft>] = keys! {
    "url" live Url, sample("https://api.example.com/hooks/gateway"), url,
        "The http:// or https:// URL that takes events by POST. Redirects are not followed.";
    "secret_file" live Path, sample("/run/secrets/hooks"), secret_file,
        "The file with the secrets that sign requests, one a line: whsec_ and the base64 of 24 to 64 bytes. Each of them signs, so that they can be rotated. A reload reads it again.";
    "events" live Texts, sample("chat.message,notification.*,session.*,service.orders"), events,
        "The events that are sent: the first words of their routing keys, with * for any one word. Everything below these words is covered.";
    "backend_events" live Switch, default("false"), backend_events,
        "Whether events that backend services have published are sent too.";
    "max_batch" live Number, default("100"), max_batch,
        "The maximum number of events in one request, 1 to 1000. A request has at most 1 MiB.";
    "timeout" live Duration, default("15s"), timeout,
        "The time limit of a request, 100ms to 60s.";
    "retry_for" live Duration, default("24h"), retry_for,
        "How long after it has happened an event is sent, 1s to 30d. An older one becomes a dead letter.";
    "max_waiting" live Number, default("1000000"), max_waiting,
        "The maximum number of events that wait. Beyond it the oldest become dead letters.";
    "max_dead" live Number, default("100000"), max_dead,
        "The maximum number of dead letters. Beyond it the oldest are deleted.";
};
