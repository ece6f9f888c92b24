//! The node: the parts that services, connections and the HTTP API work with, built once and shared.

use std::{
    future::Future,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use realtime_gateway_protocol::{CloseCode, ErrorCode, IdError, ServiceName, SessionId, Timestamp, UserId};
use uuid::Uuid;

use crate::{
    auth::{ApiKeys, AuthError, Authenticator, BadTokens, Identity, Permissions},
    bus::{Bus, Doorbell},
    command_error::CommandError,
    config::Config,
    drain::Tasks,
    hub::{Hub, SessionTable},
    memory::MemoryBudget,
    metrics::Metrics,
    services::{Notifications, Presences, Topics, TypingUsers},
    store::{Append, Appended, Entry, NodeName, SessionPolicy, Store, StoreError},
    upgrade::Forwarding,
};

mod condition;
mod connections;
mod hearing;
mod lease;
mod notes;
mod peers;
mod pulse;
mod relief;

pub(crate) use condition::{Condition, Status, is_overflowing};
pub(crate) use connections::Departure;
pub use connections::{ConnectionId, Connections};
pub use lease::Lease;

/// How long a confirmation may take, before the client is told `unavailable`.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(2);

/// One gateway process.
pub struct Node {
    config: RwLock<Arc<Config>>,
    /// Names this node and this life of it.
    pub name: NodeName,
    /// Whether its sessions are its own.
    pub lease: Arc<Lease>,
    /// Whether backend services are told what clients do.
    pub reports: bool,
    /// What must outlive the process.
    pub store: Arc<dyn Store>,
    /// How nodes tell each other.
    pub bus: Arc<dyn Bus>,
    /// Who subscribes to what.
    pub hub: Arc<Hub>,
    /// Who somebody is.
    pub auth: Authenticator,
    /// What somebody may do.
    pub permissions: Permissions,
    /// Who may use the HTTP API.
    pub api_keys: ApiKeys,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What runs.
    pub tasks: Tasks,
    /// What clients make this node hold.
    pub memory: Arc<MemoryBudget>,
    /// The connections of this node, with or without a session.
    pub connections: Connections,
    /// The sessions on this node.
    pub sessions: SessionTable,
    /// Notifications.
    pub notifications: Notifications,
    /// Who is where.
    pub presences: Presences,
    /// Who types.
    pub typing_users: TypingUsers,
    /// Services that were added.
    pub topics: Topics,
    /// When the process began.
    pub started: Instant,
    /// When the process began, by the clock on the wall.
    pub started_at: Timestamp,
    draining: AtomicBool,
    store_is_away: AtomicBool,
    condition: Condition,
    bad_tokens: BadTokens,
    /// Sessions that ended while the store was away, or that it may have admitted without saying so: their records are
    /// still to be removed.
    left_records: Mutex<Vec<(UserId, SessionId, CloseCode)>>,
    /// Where clients connect, and whose connections these are behind a proxy; known once the node listens.
    listening: OnceLock<(SocketAddr, Arc<Forwarding>)>,
}

/// The parts of a node that are made before it.
pub struct Parts {
    /// The configuration.
    pub config: Config,
    /// Names the node.
    pub name: NodeName,
    /// Whether its sessions are its own.
    pub lease: Arc<Lease>,
    /// What must outlive the process.
    pub store: Arc<dyn Store>,
    /// How nodes tell each other.
    pub bus: Arc<dyn Bus>,
    /// Who subscribes to what.
    pub hub: Arc<Hub>,
    /// Who somebody is.
    pub auth: Authenticator,
    /// What somebody may do.
    pub permissions: Permissions,
    /// Who may use the HTTP API.
    pub api_keys: ApiKeys,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What runs.
    pub tasks: Tasks,
    /// Services that were added.
    pub topics: Topics,
}

impl Node {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts { config, name, lease, store, bus, hub, auth, permissions, api_keys, metrics, tasks, topics } = parts;
        Arc::new(Self {
            reports: !config.bus.is_embedded(),
            memory: MemoryBudget::new(config.limits.memory_budget()),
            config: RwLock::new(Arc::new(config)),
            name,
            lease,
            store,
            bus,
            hub,
            auth,
            permissions,
            api_keys,
            metrics,
            tasks,
            connections: Connections::default(),
            sessions: SessionTable::default(),
            notifications: Notifications::default(),
            presences: Presences::default(),
            typing_users: TypingUsers::default(),
            topics,
            started: Instant::now(),
            started_at: SystemTime::now().into(),
            draining: AtomicBool::new(false),
            store_is_away: AtomicBool::new(false),
            condition: Condition::default(),
            bad_tokens: BadTokens::default(),
            left_records: Mutex::default(),
            listening: OnceLock::new(),
        })
    }

    /// The configuration as it is now.
    pub fn config(&self) -> Arc<Config> {
        self.config.read().clone()
    }

    /// Takes a changed configuration.
    pub fn set_config(&self, config: Config) {
        self.memory.set_limit(config.limits.memory_budget());
        *self.config.write() = Arc::new(config);
    }

    /// The time of day.
    pub fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }

    /// Whether the node is on its way out.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Notes that the node is on its way out.
    pub fn set_draining(&self) {
        self.draining.store(true, Ordering::Release);
        self.metrics.draining.set(1);
    }

    /// Whether the last reconciliation did not reach the store.
    pub(crate) fn store_is_away(&self) -> bool {
        self.store_is_away.load(Ordering::Acquire)
    }

    /// Notes that the node listens.
    pub(crate) fn note_listening(&self, address: SocketAddr, forwarding: Arc<Forwarding>) {
        // A node listens once.
        let _ = self.listening.set((address, forwarding));
    }

    /// Where clients connect; the configured address until the node listens.
    pub fn address(&self) -> SocketAddr {
        self.listening.get().map_or_else(|| self.config().listen, |(address, _)| *address)
    }

    /// What the accept loop noticed that an operator should look at.
    pub fn warnings(&self) -> Vec<String> {
        self.listening.get().map(|(_, forwarding)| forwarding.warnings()).unwrap_or_default()
    }

    /// The rule for sessions of one user.
    pub(crate) fn session_policy(&self) -> SessionPolicy {
        let sessions = self.config().sessions;
        SessionPolicy {
            max: sessions.max_per_user,
            on_excess: sessions.on_excess,
            key: sessions.key,
            max_devices: sessions.max_devices,
        }
    }

    /// Tells whose token it is. A token that is not valid counts against its address.
    pub(crate) async fn verify_token(&self, token: &str, from: IpAddr) -> Result<Identity, AuthError> {
        let error = match self.auth.verify(token).await {
            Ok(identity) => return Ok(identity),
            Err(error @ AuthError::Invalid(_)) => {
                let limit = self.config().limits.bad_tokens_per_ip_per_minute;
                self.bad_tokens
                    .count(from, limit, tokio::time::Instant::now())
                    .map_or_else(AuthError::Throttled, |()| error)
            }
            Err(error) => error,
        };
        self.metrics.auth_failure(&error);
        Err(error)
    }

    /// The names of all services.
    pub fn service_names(&self) -> Vec<ServiceName> {
        let mut names = vec![ServiceName::notifications(), ServiceName::clan_chat()];
        names.extend(self.topics.names());
        names
    }

    /// Appends an entry, and once it is confirmed tells everybody that its topic has grown.
    pub(crate) async fn append(&self, append: Append) -> Result<Appended, CommandError> {
        let (topic, at, body) = (append.topic.clone(), append.at, append.body.clone());
        let started = Instant::now();
        let appended = in_time(self.store.append(append)).await?;
        self.metrics.store_took("append", started.elapsed());
        if !appended.duplicate {
            let entry = Arc::new(Entry { offset: appended.offset, at, body });
            let epoch = appended.epoch.clone();
            self.hub.publish(Doorbell { topic, epoch, shard_count: appended.shard_count, entry });
        }
        Ok(appended)
    }

    /// What was encoded for the log, unless it is too large for it.
    pub(crate) fn checked_body(&self, body: Result<Bytes, serde_json::Error>) -> Result<Bytes, CommandError> {
        let body = body.map_err(CommandError::internal)?;
        if body.len() > self.config().limits.message_bytes {
            let message = "the message is over maxMessageBytes once it is stored";
            return Err(CommandError::new(ErrorCode::MessageTooLarge, message));
        }
        Ok(body)
    }
}

/// Waits for the store, but not longer than a client should.
pub(crate) async fn in_time<T>(answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, CommandError> {
    match tokio::time::timeout(CONFIRMED_WITHIN, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(CommandError::unavailable()),
    }
}

/// An identifier of the gateway's own making (UUIDv7, RFC 9562 section 5.7).
pub(crate) fn new_id<T: TryFrom<String, Error = IdError>>() -> Result<T, CommandError> {
    let id = T::try_from(Uuid::now_v7().to_string());
    id.map_err(CommandError::internal)
}
