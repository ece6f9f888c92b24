//! The store that any number of nodes share (`store.url = redis://…`): one Redis decides order, sessions and leases.
//!
//! Every operation is one script, and so one atomic step for all nodes. Redis' own clock decides what is too old,
//! expired or a repeat, and how long a lease lasts; nodes follow that clock. All keys begin with `{prefix}:`, so that a
//! cluster would keep them in one slot, as scripts require. A cluster is refused, because its redirections are not
//! supported:
//!
//! | key | type | |
//! | --- | --- | --- |
//! | `store` | hash | `epoch`, `format`; `run` and `durable`: which run of the server was entered last, and whether it has every write on its disk; `seen`: the time of the last sweep; `accepted`: how often its clock was confirmed |
//! | `log:<topic>`, `entries:<topic>`, `redacted:<topic>` | hash, stream, hash | a log |
//! | `repeat:<topic> <sender> <id>` | text | the result of the append with this key; expires with the window |
//! | `user:<user>`, `pending:<user>` | hash, stream | what a user has not acknowledged |
//! | `body:<number>`, `bodies` | hash, sorted set | the body of a broadcast, with the number of notifications that refer to it; when each is removed at the latest |
//! | `notified:<user> <id>` | text | a known id; expires with the window, or with its notification if that is later |
//! | `ages`, `expiries` | sorted set | when a log's oldest entry, and when a notification, ends |
//! | `shards` | hash | the counters of shards |
//! | `sessions:<user>`, `connected` | text, sorted set | the live sessions of a user, oldest first; the users who have some |
//! | `clan:<clan>`, `present:<clan>` | hash, sorted set | who is present in a clan, with the sessions of each node |
//! | `users:<topic>`, `sorted_users:<topic>` | hash, sorted set | the same for a topic of a service |
//! | `presence_data:<topic>` | hash | the data of each present user that has some |
//! | `nodes`, `lease:<incarnation>`, `inbox:<incarnation>`, `held:<incarnation>` | hash, text, stream, set | a node: its record, its lease, its mailbox, and what is to be removed when it has stopped |
//! | `subscriptions:<user>`, `subscription_ends` | text, sorted set | the server-side subscriptions of a user; when the first of each user ends |
//! | `blocks:<user>`, `blocks_changed`, `blocks_until`, `blocks_revision` | text, sorted set, sorted set, number | the blocks of a user; who has some, by the revision of the last change and by when they may be forgotten |
//! | `outbox`, `publisher` | stream, text | events for the broker, and who publishes them |
//! | `webhook:<name>`, `webhook_dead:<name>`, `webhook_dead_ids:<name>`, `webhook_sender:<name>` | stream, stream, hash, text | a webhook: waiting events, dead letters, their rows by the ids of their events, and who sends |
//!
//! Nodes receive each other's entries and control messages from the Pub/Sub channels `shard:<number>` and
//! `node:<incarnation>`, with the same prefix (`cluster.rs`).

mod address;
mod append_queue;
mod arguments;
mod blocks;
mod broadcast;
mod cluster;
mod connect;
mod copy;
mod enter;
mod escalations;
mod fault;
mod link;
mod log;
mod nodes;
mod outbox;
mod pending;
mod presence;
mod request;
mod scripts;
mod server_info;
mod server_subscriptions;
mod sessions;
mod stream_id;
#[cfg(test)]
pub(super) mod tests;
mod webhooks;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use realtime_gateway_protocol::Timestamp;

use self::{
    address::Address,
    append_queue::{AppendQueue, QueueArguments},
    arguments::OutboxArguments,
    cluster::Membership,
    connect::Connector,
    fault::Fault,
    link::Link,
    request::ScriptTime,
    scripts::AcceptClock,
    webhooks::WebhookLines,
};
use super::{
    ClusterChannel, ClusterEvents, LEASE, NodeName, Options, SpaceLimits, Store, StoreError, StoreStatus, Swept,
    clock::Clock,
    damage::Damage,
    open::{OpenError, StoreUrl},
};

/// How much longer than needed Redis keeps a row that expires, because clocks may differ a little.
const EXPIRY_MARGIN: Duration = Duration::from_secs(60);
/// The longest expiry of a key. Redis rejects an expiry that overflows its clock.
const MAX_EXPIRY: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

/// The address of Redis, and how it is used.
#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// `store.url`
    pub url: StoreUrl,
    /// `store.prefix`
    pub prefix: String,
    /// `store.ca`
    pub ca: Option<PathBuf>,
    /// How long a lease lasts: [`LEASE`]. Tests use shorter ones.
    pub lease: Duration,
    /// The time limit for the first connection.
    pub patience: Duration,
    /// Which clock decides.
    pub time: TimeSource,
}

/// Which clock decides what is too old, expired or a duplicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeSource {
    /// The clock of Redis.
    Server,
    /// The clock that the store is opened with. Tests set it.
    Given,
}

impl RedisOptions {
    /// Returns the default options for a URL and a prefix.
    pub fn new(url: &str, prefix: &str) -> Self {
        let (url, prefix) = (StoreUrl::new(url), prefix.to_owned());
        Self { url, prefix, ca: None, lease: LEASE, patience: Duration::from_secs(10), time: TimeSource::Server }
    }
}

/// A store in Redis.
pub struct RedisStore {
    link: Arc<Link>,
    /// The appends that are sent together.
    appends: AppendQueue,
    prefix: String,
    /// The part of channel names that distinguishes databases (`db3:`); empty for database 0.
    database: String,
    node: NodeName,
    window: Duration,
    lease: Duration,
    /// The limit of the outbox, as scripts take it; empty if no outbox is kept.
    max_events: String,
    /// The webhooks for which events are written.
    webhooks: Arc<WebhookLines>,
    clock: Clock,
    time: TimeSource,
    /// Whether `clock` follows the clock of Redis.
    follows: AtomicBool,
    /// The subscriptions, mailbox and status of this node in the channel between nodes.
    membership: Arc<Membership>,
    /// Whether a sweep of this node has succeeded.
    swept: AtomicBool,
    pending: AtomicU64,
    /// Counts rows that were found missing.
    damage: Damage,
    overflowed: AtomicU64,
}

/// Checks that a URL of Redis can be parsed.
///
/// # Errors
/// A sentence about the correct form, without any part of the URL.
pub fn check_url(url: &str) -> Result<(), Arc<str>> {
    Address::parse(url).map(drop)
}

impl RedisStore {
    /// Connects, and makes a new store where there is none.
    ///
    /// # Errors
    /// [`OpenError`] if the URL or the server cannot be used.
    pub async fn open(redis: RedisOptions, options: Options, clock: Clock) -> Result<Self, OpenError> {
        let address = Address::parse(redis.url.as_str()).map_err(OpenError::RedisUrl)?;
        let shown = address.to_string();
        let database = if address.database == 0 { String::new() } else { format!("db{}:", address.database) };
        let connector = Connector::new(address, redis.ca.as_deref())?;
        let prefix = format!("{{{}}}:", redis.prefix);
        let link = Link::new(connector, format!("{prefix}store"), options.space, &options.supervisor);
        if let Err(fault) = link.start(redis.patience).await {
            link.close().await;
            return Err(match fault {
                Fault::ClusterNode => OpenError::RedisCluster { address: shown },
                fault => OpenError::Redis { address: shown, reason: fault.to_string() },
            });
        }
        let membership = Arc::new(Membership::new(clock.now()));
        let max_events = options.outbox.map(|max| max.to_string()).unwrap_or_default();
        let webhooks = Arc::new(WebhookLines::new(&options.webhooks));
        let (node, window) = (options.node, options.window);
        let arguments = QueueArguments {
            node: node.clone(),
            max_events: max_events.clone(),
            webhooks: webhooks.clone(),
            database: database.clone(),
            kept_for: window,
        };
        Ok(Self {
            appends: AppendQueue::start(&link, arguments),
            link,
            membership,
            prefix,
            database,
            node,
            window,
            lease: redis.lease,
            max_events,
            webhooks,
            clock,
            time: redis.time,
            follows: AtomicBool::new(false),
            swept: AtomicBool::new(false),
            pending: AtomicU64::new(0),
            damage: Damage::default(),
            overflowed: AtomicU64::new(0),
        })
    }

    /// Reserves room for new entries with this many bytes of bodies.
    fn reserve(&self, entries: usize, body_bytes: usize) -> Result<(), StoreError> {
        // Redis rounds up to the size classes of its allocator, and keeps the request for a short time.
        let bytes = 1_024 * entries + 2 * body_bytes;
        self.link.space().reserve(bytes as u64).map_err(StoreError::Full)
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Returns the outbox arguments of a script that may write events.
    fn outbox(&self) -> OutboxArguments<'_> {
        OutboxArguments { node: &self.node.id, limit: &self.max_events, webhooks: self.webhooks.get() }
    }

    /// Returns the time that a script has to use.
    fn script_time(&self) -> ScriptTime {
        match self.time {
            // Until then the node's clock is not comparable with the clock of Redis, so no time is expected.
            TimeSource::Server if !self.follows.load(Ordering::Acquire) => ScriptTime::Server,
            TimeSource::Server => ScriptTime::Expected(self.clock.now()),
            TimeSource::Given => ScriptTime::Given(self.clock.now()),
        }
    }

    /// Returns the time that a script has to use which stores something at time `at`.
    fn script_time_as_of(&self, at: Timestamp) -> ScriptTime {
        match self.time {
            TimeSource::Server => self.script_time(),
            TimeSource::Given => ScriptTime::Given(at),
        }
    }
}

/// Returns the expiry, in milliseconds, of a row that is needed for `time`.
fn expiry(time: Duration) -> u64 {
    millis(time.min(MAX_EXPIRY).saturating_add(EXPIRY_MARGIN))
}

/// Returns a duration in milliseconds, as scripts take it.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Drop for RedisStore {
    fn drop(&mut self) {
        self.link.mark_closed();
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn sweep(&self, now: Timestamp) -> Result<Swept, StoreError> {
        Ok(self.sweep_some(now).await?)
    }

    fn clock_follows(&self) {
        self.follows.store(true, Ordering::Release);
    }

    async fn accept_clock(&self) -> Result<(), StoreError> {
        self.link.run_script(|_| self.link.request(&AcceptClock {})).await?;
        Ok(())
    }

    fn join_cluster(&self) -> Option<(Arc<dyn ClusterChannel>, ClusterEvents)> {
        let (channel, events) = self.join();
        Some((Arc::new(channel), events))
    }

    fn set_space_limits(&self, limits: SpaceLimits) {
        self.link.space().set_limits(limits);
    }

    fn status(&self) -> StoreStatus {
        let space = self.link.space().status();
        StoreStatus {
            writable: self.link.is_writable(),
            last_error: self.link.last_error(),
            bytes: space.used,
            pending_notifications: self.pending.load(Ordering::Relaxed),
            warnings: self.link.warnings(),
            damaged: self.damage.count(),
            space,
            idempotency_keys: self.link.keys_with_expiry(),
            ..StoreStatus::default()
        }
    }

    async fn close(&self) {
        self.link.close().await;
    }
}
