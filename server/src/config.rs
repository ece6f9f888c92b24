//! The configuration: what can be set, and the defaults. `config/` reads it from its layers.

mod agreement;
mod check;
mod dotenv;
mod draft;
mod environment;
mod error;
pub mod example;
mod exposure;
mod file;
mod in_force;
mod keys;
mod load;
pub(crate) mod origin;
mod random;
mod setting;
mod show;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use crate::store::{OnExcess, SessionKey};

pub use environment::Environment;
pub(crate) use environment::command_line;
pub use error::ConfigError;
pub use in_force::{Change, InForce};
pub use load::{Flags, Loaded, Source};
pub(crate) use random::hexadecimal;

/// A text that no log line, error or page shows.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Everything that can be set. Each section is handed to the part that it is about.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address and port of `/ws` and, unless `internal.listen` is set, of everything else.
    pub listen: SocketAddr,
    /// When set, everything but `/ws` and the health routes is served there only.
    pub internal_listen: Option<SocketAddr>,
    /// Names this node.
    pub node_id: String,
    /// Whether this is a developer's gateway: `--dev`, and only it.
    pub dev: bool,
    /// Logs.
    pub log: Log,
    /// The bus between nodes and backend services.
    pub bus: Bus,
    /// The store.
    pub store: Store,
    /// `outbox.max_entries`: events waiting for the broker.
    pub outbox_max_entries: u64,
    /// `idempotency.window`: how long repeats are recognised.
    pub idempotency_window: Duration,
    /// Who somebody is.
    pub auth: Auth,
    /// What somebody may do.
    pub permissions: Permissions,
    /// `origins.allowed`: exact origins or `https://*.example.com`, beside the request's own host.
    pub origins_allowed: Vec<String>,
    /// `proxies.trusted`: networks whose `X-Forwarded-For` is believed.
    pub proxies_trusted: Vec<ipnet::IpNet>,
    /// Sessions of one user.
    pub sessions: Sessions,
    /// Bounds.
    pub limits: Limits,
    /// Pings.
    pub heartbeat: Heartbeat,
    /// `presence.grace`: how long after the last session a user counts as present.
    pub presence_grace: Duration,
    /// How long chat and events are kept.
    pub history: History,
    /// How long notifications are kept.
    pub notifications: Notifications,
    /// How the node goes.
    pub drain: Drain,
    /// `demo.enabled`: whether `/demo` is served without `--dev`.
    pub demo_enabled: bool,
    /// `metrics.token`: when set, `/metrics` wants it as a bearer token.
    pub metrics_token: Option<Secret>,
    /// TLS on the port itself.
    pub tls: Option<Tls>,
}

/// `log.*`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// `error`, `warn`, `info` or `debug`.
    pub level: String,
    /// How lines look.
    pub format: LogFormat,
    /// Whether the end of each session is logged at `info`, with its user and address.
    pub audit: bool,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// For programs, one object a line.
    Json,
}

/// `bus.*`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bus {
    /// `embedded`, or the URLs of a broker's hosts, separated by commas.
    pub url: Secret,
    /// Stands for `gateway` in every AMQP name.
    pub prefix: String,
    /// How many inbound events are in flight at most.
    pub prefetch: u16,
    /// Certificate authority of the broker, PEM.
    pub ca: Option<PathBuf>,
}

/// `store.*`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// `redb:PATH`, `memory`, or where Redis is.
    pub url: Secret,
    /// When an append counts as confirmed.
    pub durability: Durability,
    /// Prefix of all keys in a shared store.
    pub prefix: String,
    /// The certificate authority of a shared store, in PEM; without it those of the operating system.
    pub ca: Option<PathBuf>,
    /// How many bytes the store may hold; 0 or nothing for any number.
    pub max_bytes: Option<u64>,
    /// How much of the file system, or of Redis' `maxmemory`, must be free, in percent; 0 for no watermark.
    pub min_free_percent: u16,
}

/// When an append counts as confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// When it is on the disk.
    Fsync,
    /// When the operating system has it.
    Os,
}

/// `auth.*`
#[derive(Debug, Clone)]
pub struct Auth {
    /// Secrets of HS256, HS384 and HS512, of at least 32 bytes each.
    pub jwt_secrets: Vec<Secret>,
    /// Public keys of RS, PS, ES and EdDSA, in PEM.
    pub jwt_public_keys: Vec<String>,
    /// Where keys are fetched from (RFC 7517).
    pub jwks_url: Option<String>,
    /// Checked against `iss` when set.
    pub issuer: Option<String>,
    /// Checked against `aud` when set.
    pub audience: Option<String>,
    /// How far clocks may differ.
    pub leeway: Duration,
    /// How long after the upgrade an identity may be missing.
    pub timeout: Duration,
    /// How long pushes go on after the token's end.
    pub expiry_grace: Duration,
    /// Keys of the HTTP API.
    pub api_keys: Vec<ApiKey>,
}

/// A key of the HTTP API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Names it in the log.
    pub name: String,
    /// The SHA-256 of the key.
    pub sha256: [u8; 32],
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// Whether the configuration lists its scopes. A key without a list may do everything.
    pub has_scopes: bool,
}

/// What a key of the HTTP API may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Send notifications, messages and events.
    Publish,
    /// Read history, sessions and nodes.
    Read,
    /// Disconnect, unsubscribe and delete.
    Admin,
}

/// `permissions.*`
#[derive(Debug, Clone)]
pub struct Permissions {
    /// Who decides.
    pub source: PermissionSource,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How long an answer holds that does not say so itself.
    pub cache_ttl: Duration,
    /// How much longer a grant holds while the service does not answer.
    pub stale_grace: Duration,
    /// Requests to the service that are under way at most.
    pub max_in_flight: usize,
}

/// Who decides what somebody may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PermissionSource {
    /// The token's claims: `clans` and `topics`.
    Claims,
    /// A backend service, asked by HTTP at this URL.
    Http(Secret),
    /// Nobody: everything is allowed (`--dev` only).
    AllowAll,
}

/// `sessions.*`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sessions {
    /// Live sessions a user (or device) may have.
    pub max_per_user: usize,
    /// What happens beyond it.
    pub on_excess: OnExcess,
    /// What is counted.
    pub key: SessionKey,
    /// Devices a user may have, when devices are counted.
    pub max_devices: usize,
}

/// `limits.*`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections of this node.
    pub connections: usize,
    /// Connections from one address (IPv6: one /64).
    pub connections_per_ip: usize,
    /// New connections from one address in a minute.
    pub connects_per_ip_per_minute: usize,
    /// Bytes of one message from a client.
    pub message_bytes: usize,
    /// Sustained rate of a session's commands.
    pub messages_per_second: u32,
    /// Commands that may come at once.
    pub burst: u32,
    /// Subscriptions of a session.
    pub subscriptions: usize,
    /// Bytes that may wait for a session.
    pub outbound_queue: usize,
    /// From accept to the end of the upgrade.
    pub handshake_timeout: Duration,
    /// Bytes of an HTTP request's body.
    pub http_body: usize,
    /// How long an HTTP connection may wait for its next request.
    pub http_idle_timeout: Duration,
    /// Bytes that clients may make the node hold together; a quarter of the memory when it is not set.
    pub outbound_total: Option<usize>,
    /// Bytes of one message from a client that is not authenticated.
    pub unauthenticated_message_bytes: usize,
    /// Sustained rate of the HTTP requests of one address (IPv6: one /64) without a valid API key.
    pub http_per_ip_per_second: u32,
    /// Sustained rate of the HTTP requests with one API key.
    pub http_per_key_per_second: u32,
    /// Tokens that are not valid, from one address (IPv6: one /64) in a minute.
    pub bad_tokens_per_ip_per_minute: u32,
}

/// `heartbeat.*`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// How often a WebSocket ping is sent.
    pub interval: Duration,
    /// How long a connection may be silent.
    pub timeout: Duration,
}

/// `history.*`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History {
    /// Entries of a clan or topic.
    pub max_entries: u64,
    /// Their age.
    pub max_age: Duration,
}

/// `notifications.*`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notifications {
    /// How long one is kept that does not say so itself.
    pub ttl: Duration,
    /// How many a user may have pending.
    pub max_pending: u64,
}

/// `drain.*`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// How long accepting goes on while balancers notice.
    pub delay: Duration,
    /// Within which sessions are asked to go, each at a moment of its own.
    pub spread: Duration,
    /// Within which all is over.
    pub grace: Duration,
}

/// `tls.*`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Certificate chain, PEM.
    pub cert: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 4000)),
            internal_listen: None,
            node_id: "node".into(),
            dev: false,
            log: Log { level: "info".into(), format: LogFormat::Json, audit: false },
            bus: Bus { url: Secret("embedded".into()), prefix: "gateway".into(), prefetch: 256, ca: None },
            store: Store {
                url: Secret("redb:./data/gateway.redb".into()),
                durability: Durability::Fsync,
                prefix: "gw".into(),
                ca: None,
                max_bytes: None,
                min_free_percent: 5,
            },
            outbox_max_entries: 1_000_000,
            idempotency_window: Duration::from_secs(24 * 3600),
            auth: Auth {
                jwt_secrets: Vec::new(),
                jwt_public_keys: Vec::new(),
                jwks_url: None,
                issuer: None,
                audience: None,
                leeway: Duration::from_secs(5),
                timeout: Duration::from_secs(10),
                expiry_grace: Duration::from_secs(10),
                api_keys: Vec::new(),
            },
            permissions: Permissions {
                source: PermissionSource::Claims,
                timeout: Duration::from_secs(1),
                cache_ttl: Duration::from_secs(30),
                stale_grace: Duration::from_secs(5 * 60),
                max_in_flight: 64,
            },
            origins_allowed: Vec::new(),
            proxies_trusted: Vec::new(),
            sessions: Sessions {
                max_per_user: 1,
                on_excess: OnExcess::Replace,
                key: SessionKey::User,
                max_devices: 10,
            },
            limits: Limits {
                connections: 20_000,
                connections_per_ip: 1_000,
                connects_per_ip_per_minute: 1_200,
                message_bytes: 64 * 1024,
                messages_per_second: 20,
                burst: 40,
                subscriptions: 100,
                outbound_queue: 1024 * 1024,
                handshake_timeout: Duration::from_secs(5),
                http_body: 256 * 1024,
                http_idle_timeout: Duration::from_secs(75),
                outbound_total: None,
                unauthenticated_message_bytes: 4 * 1024,
                http_per_ip_per_second: 50,
                http_per_key_per_second: 1_000,
                bad_tokens_per_ip_per_minute: 20,
            },
            heartbeat: Heartbeat { interval: Duration::from_secs(25), timeout: Duration::from_secs(60) },
            presence_grace: Duration::from_secs(10),
            history: History { max_entries: 1_000, max_age: Duration::from_secs(7 * 24 * 3600) },
            notifications: Notifications { ttl: Duration::from_secs(30 * 24 * 3600), max_pending: 1_000 },
            drain: Drain {
                delay: Duration::from_secs(5),
                spread: Duration::from_secs(30),
                grace: Duration::from_secs(45),
            },
            demo_enabled: false,
            metrics_token: None,
            tls: None,
        }
    }
}
