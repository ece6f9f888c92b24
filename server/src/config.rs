//! The configuration: the settings and their defaults. `config/` reads it from its layers.

mod agreement;
mod api_key;
mod auth;
mod check;
mod claims;
mod dotenv;
mod draft;
mod environment;
mod error;
pub mod example;
mod exposure;
mod file;
mod in_force;
mod keys;
mod live;
mod load;
pub(crate) mod origin;
mod providers;
mod random;
mod services;
mod setting;
mod show;
mod signing_secrets;
mod webhook_secret;
mod webhooks;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

pub use gateway_store::Durability;
use gateway_store::{OnExcess, SessionKey, WebhookName};
use realtime_gateway_protocol::ServiceName;

pub use api_key::{ApiKey, Scope};
pub use auth::Auth;
pub use claims::{ClaimMapping, ClaimPath, TopicTemplate, WordTemplate};
pub use environment::Environment;
pub(crate) use environment::command_line;
pub use error::ConfigError;
pub use in_force::{Change, InForce};
pub use live::LiveConfig;
pub use load::{Flags, Loaded, Source};
pub(crate) use random::hexadecimal;
pub use services::{BackendAddress, DeclaredService, DocsServices, ServiceBackend};
pub use signing_secrets::read_signing_secrets;
pub use webhooks::{Webhook, filters};

/// A secret text. Its `Debug` output is masked, so that it cannot appear in logs, errors or pages.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// All settings. Each section is passed to the part that it configures.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address and port of `/ws` and, unless `internal.listen` is set, of everything else.
    pub listen: SocketAddr,
    /// The address and port of everything except `/ws` and the health routes, if set.
    pub internal_listen: Option<SocketAddr>,
    /// The number of event loops that serve connections. Without one, it is the number of cores less one, at least 1.
    pub loops: Option<usize>,
    /// The id of this node.
    pub node_id: String,
    /// Whether the gateway runs with `--dev`.
    pub dev: bool,
    /// The log.
    pub log: Log,
    /// The broker of backend services.
    pub bus: Bus,
    /// The store.
    pub store: Store,
    /// `outbox.max_entries`: the maximum number of events that wait for the broker.
    pub outbox_max_entries: u64,
    /// `idempotency.window`: how long repeated messages are recognized.
    pub idempotency_window: Duration,
    /// Authentication.
    pub auth: Auth,
    /// Permissions.
    pub permissions: Permissions,
    /// `origins.allowed`: origins or `https://*.example.com`, in addition to the request's own host.
    pub origins_allowed: Vec<String>,
    /// `proxies.trusted`: networks whose `X-Forwarded-For` header is trusted.
    pub proxies_trusted: Vec<ipnet::IpNet>,
    /// The session policy.
    pub sessions: Sessions,
    /// The limits.
    pub limits: Limits,
    /// The heartbeat.
    pub heartbeat: Heartbeat,
    /// `presence.grace`: how long a user counts as present after the last session has ended.
    pub presence_grace: Duration,
    /// `presence.max_announced`: the number of users in a clan or topic up to which every change of presence is announced
    /// immediately. In larger ones the changes of a second are announced in one message.
    pub presence_max_announced: u64,
    /// The retention of chat messages and events.
    pub history: History,
    /// The retention of notifications.
    pub notifications: Notifications,
    /// The graceful shutdown.
    pub drain: Drain,
    /// `demo.enabled`: whether `/demo` is served without `--dev`.
    pub demo_enabled: bool,
    /// `metrics.token`: the bearer token that `/metrics` requires, if set.
    pub metrics_token: Option<Secret>,
    /// TLS of the port.
    pub tls: Option<Tls>,
    /// `docs.services`: who gets documents with the declared services.
    pub docs_services: DocsServices,
    /// `services.*`: the declared services, by name.
    pub services: BTreeMap<ServiceName, DeclaredService>,
    /// `webhooks.*`: the receivers of events over HTTP, by name.
    pub webhooks: BTreeMap<WebhookName, Webhook>,
}

/// `log.*`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// `error`, `warn`, `info` or `debug`.
    pub level: String,
    /// The format of log lines.
    pub format: LogFormat,
    /// Whether the end of each session is logged at `info`, with its user and address.
    pub audit: bool,
}

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text for people.
    Pretty,
    /// JSON for programs, one object per line.
    Json,
}

/// `bus.*`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bus {
    /// `embedded` for no broker, or the URLs of a broker's hosts, separated by commas.
    pub url: Secret,
    /// The prefix of every AMQP name.
    pub prefix: String,
    /// The maximum number of inbound events in flight.
    pub prefetch: u16,
    /// The file with the certificate authority of the broker, in PEM.
    pub ca: Option<PathBuf>,
}

/// `store.*`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// `redb:PATH`, `memory`, or the URL of Redis.
    pub url: Secret,
    /// When an append counts as confirmed.
    pub durability: Durability,
    /// The prefix of all keys in a shared store.
    pub prefix: String,
    /// The file with the certificate authority of a shared store, in PEM. Without it those of the operating system are
    /// used.
    pub ca: Option<PathBuf>,
    /// The maximum number of bytes in the store. 0 or `None` for no limit.
    pub max_bytes: Option<u64>,
    /// The share of the file system, or of the `maxmemory` of Redis, that has to be free, in percent. 0 disables the
    /// check.
    pub min_free_percent: u16,
}

/// `permissions.*`
#[derive(Debug, Clone)]
pub struct Permissions {
    /// The source of permissions.
    pub source: PermissionSource,
    /// The time limit of a request to the permission service.
    pub timeout: Duration,
    /// How long an answer without `ttlSeconds` is cached.
    pub cache_ttl: Duration,
    /// How much longer an expired grant holds while the service does not answer.
    pub stale_grace: Duration,
    /// The maximum number of concurrent requests to the service.
    pub max_in_flight: usize,
    /// The secrets of Standard Webhooks. Each signs every request; without any, requests are not signed.
    pub secrets: Vec<Secret>,
    /// The claims of the client's token that requests contain.
    pub claims: Vec<ClaimPath>,
}

/// The source of permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PermissionSource {
    /// The claims of the token: `clans` and `topics`.
    Claims,
    /// A permission service with an HTTP API at this URL.
    Http(Secret),
    /// Everything is allowed (`--dev` only).
    AllowAll,
}

/// `sessions.*`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sessions {
    /// The maximum number of sessions of a user or device.
    pub max_per_user: usize,
    /// What happens when a session exceeds the maximum.
    pub on_excess: OnExcess,
    /// Whether the sessions of a user or of a device are counted.
    pub key: SessionKey,
    /// The maximum number of devices of a user, when the sessions of devices are counted.
    pub max_devices: usize,
}

/// `limits.*`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The maximum number of connections of this node.
    pub connections: usize,
    /// The maximum number of connections from one address (IPv6: one /64).
    pub connections_per_ip: usize,
    /// The maximum number of new connections from one address per minute.
    pub connects_per_ip_per_minute: usize,
    /// The maximum size of a message from a client, in bytes.
    pub message_bytes: usize,
    /// The sustained rate of a session's commands, per second.
    pub messages_per_second: u32,
    /// The maximum number of commands in a burst.
    pub burst: u32,
    /// The maximum number of subscriptions of a session.
    pub subscriptions: usize,
    /// The maximum number of calls of a session that are under way.
    pub calls_in_flight: usize,
    /// The maximum size of the outbound queue of a session, in bytes.
    pub outbound_queue: usize,
    /// The time limit from accepting a socket to the end of the upgrade.
    pub handshake_timeout: Duration,
    /// The maximum size of the body of an HTTP request, in bytes.
    pub http_body: usize,
    /// How long an idle HTTP connection stays open.
    pub http_idle_timeout: Duration,
    /// The memory budget of all connections together, in bytes. A quarter of the memory when it is not set.
    pub outbound_total: Option<usize>,
    /// The maximum size of a message from a client that is not authenticated, in bytes.
    pub unauthenticated_message_bytes: usize,
    /// The sustained rate of HTTP requests without a valid API key from one address (IPv6: one /64), per second.
    pub http_per_ip_per_second: u32,
    /// The sustained rate of HTTP requests with one API key, per second.
    pub http_per_key_per_second: u32,
    /// The maximum number of invalid tokens from one address (IPv6: one /64) per minute.
    pub bad_tokens_per_ip_per_minute: u32,
}

/// `heartbeat.*`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// The interval of WebSocket pings.
    pub interval: Duration,
    /// The time without a frame from the client after which a connection is closed.
    pub timeout: Duration,
}

/// `history.*`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History {
    /// The maximum number of entries of a clan or topic.
    pub max_entries: u64,
    /// The maximum age of the entries.
    pub max_age: Duration,
    /// The maximum of `history.max_entries` in a contract.
    pub limit_entries: u64,
}

/// `notifications.*`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notifications {
    /// How long a notification without its own time to live is kept.
    pub ttl: Duration,
    /// After what time without an acknowledgement a notification without its own time is escalated.
    pub escalate_after: Option<Duration>,
    /// The maximum number of pending notifications of a user.
    pub max_pending: u64,
}

/// `drain.*`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// How long the node still accepts connections, so that load balancers can notice the shutdown.
    pub delay: Duration,
    /// The time within which connections are closed, each at a random time.
    pub spread: Duration,
    /// The time limit of the whole shutdown.
    pub grace: Duration,
}

/// `tls.*`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The file with the certificate chain, in PEM.
    pub cert: PathBuf,
    /// The file with the private key, in PEM.
    pub key: PathBuf,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 4000)),
            internal_listen: None,
            loops: None,
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
            auth: Auth::default(),
            permissions: Permissions {
                source: PermissionSource::Claims,
                timeout: Duration::from_secs(1),
                cache_ttl: Duration::from_secs(30),
                stale_grace: Duration::from_secs(5 * 60),
                max_in_flight: 64,
                secrets: Vec::new(),
                claims: Vec::new(),
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
                calls_in_flight: 16,
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
            presence_max_announced: 200,
            history: History { max_entries: 1_000, max_age: Duration::from_secs(7 * 24 * 3600), limit_entries: 10_000 },
            notifications: Notifications {
                ttl: Duration::from_secs(30 * 24 * 3600),
                escalate_after: None,
                max_pending: 1_000,
            },
            drain: Drain {
                delay: Duration::from_secs(5),
                spread: Duration::from_secs(30),
                grace: Duration::from_secs(45),
            },
            demo_enabled: false,
            metrics_token: None,
            tls: None,
            docs_services: DocsServices::Private,
            services: BTreeMap::new(),
            webhooks: BTreeMap::new(),
        }
    }
}
