//! The store that any number of nodes share (`store.url = redis://…`): one Redis decides order, sessions and leases.
//!
//! Every operation is one script, and so one atomic step for all nodes. Redis' own clock decides what is too old, expired
//! or a repeat, and how long a lease lasts; nodes follow it (`clock.rs`). All keys begin with `{prefix}:`, so that a cluster would keep
//! them in one slot, as scripts need it; a cluster is refused until its redirections are followed:
//!
//! | key | type | |
//! | --- | --- | --- |
//! | `store` | hash | `epoch`, `format`; `run` and `durable`: which life of the server was entered last, and how it kept its data; `seen`: when it was swept last; `accepted`: how often its clock was confirmed |
//! | `log:<topic>`, `entries:<topic>`, `redacted:<topic>` | hash, stream, hash | a log |
//! | `repeat:<topic> <sender> <id>` | text | what an append with this key was answered; goes with the window |
//! | `user:<user>`, `pending:<user>` | hash, stream | what a user has not acknowledged |
//! | `body:<number>`, `bodies` | hash, sorted set | the body of a broadcast, with the number of notifications that refer to it; when each is removed at the latest |
//! | `notified:<user> <id>` | text | an id that came; goes with the window, or with its notification if that is later |
//! | `ages`, `expiries` | sorted set | when a log's oldest entry, and when a notification, ends |
//! | `shards` | hash | the counters of shards |
//! | `sessions:<user>` | text | the live sessions of a user, oldest first |
//! | `clan:<clan>`, `present:<clan>` | hash, sorted set | who is present, with the sessions of each node |
//! | `nodes`, `lease:<incarnation>`, `inbox:<incarnation>`, `held:<incarnation>` | hash, text, stream, set | a node: what others see of it, its lease, what it is told, what is to be removed when it is gone |
//! | `blocks:<user>`, `blocks_changed`, `blocks_until`, `blocks_revision` | text, sorted set, sorted set, number | the blocks of a user; who has some, by the revision of the last change and by when they may be forgotten |
//! | `outbox`, `publisher` | stream, text | events for the broker, and who publishes them |

mod address;
mod advice;
mod blocks;
mod broadcast;
mod connect;
mod copy;
mod enter;
mod fault;
mod link;
mod log;
mod nodes;
mod outbox;
mod pending;
mod presence;
mod request;
mod sessions;
mod steps;
mod stream_id;
#[cfg(test)]
pub(super) mod tests;

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
    connect::Connector,
    fault::Fault,
    link::Link,
    request::{Moment, Request, Step},
};
use super::{
    LEASE, NodeName, Options, SpaceLimits, Store, StoreError, StoreStatus, Swept, clock::Clock, damage::Damage,
    open::OpenError,
};
use crate::config::Secret;

/// How much longer than it matters a row is kept, so that clocks may differ a little.
const SLACK: Duration = Duration::from_secs(60);
/// Redis refuses to keep something for longer than it can count.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

/// Where Redis is, and how it is used.
#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// `store.url`
    pub url: Secret,
    /// `store.prefix`
    pub prefix: String,
    /// `store.ca`
    pub ca: Option<PathBuf>,
    /// How long a lease lasts: [`LEASE`], but for tests.
    pub lease: Duration,
    /// How long the first connection may take.
    pub patience: Duration,
    /// Whose time decides.
    pub time: TimeSource,
}

/// Whose time decides what is too old, expired or a repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeSource {
    /// The clock of Redis.
    Server,
    /// The clock that the store is opened with: for tests, which set it.
    Given,
}

impl RedisOptions {
    /// The usual options for a URL and a prefix.
    pub fn new(url: &str, prefix: &str) -> Self {
        let (url, prefix) = (Secret(url.to_owned()), prefix.to_owned());
        Self { url, prefix, ca: None, lease: LEASE, patience: Duration::from_secs(10), time: TimeSource::Server }
    }
}

/// A store in Redis.
pub struct RedisStore {
    link: Arc<Link>,
    prefix: String,
    node: NodeName,
    window: Duration,
    lease: Duration,
    /// Empty without an outbox.
    max_events: String,
    clock: Clock,
    time: TimeSource,
    /// Whether `clock` follows that of Redis.
    follows: AtomicBool,
    /// Whether Redis has swept for this node.
    swept: AtomicBool,
    pending: AtomicU64,
    /// What turned out to be missing.
    damage: Damage,
    overflowed: AtomicU64,
}

/// Whether this is a URL of Redis that can be read.
///
/// # Errors
/// A sentence that says how to write one, without anything of the URL.
pub fn check_url(url: &str) -> Result<(), Arc<str>> {
    Address::parse(url).map(drop)
}

impl RedisStore {
    /// Connects, and makes a new store where there is none.
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong and how to mend it.
    pub async fn open(redis: RedisOptions, options: Options, clock: Clock) -> Result<Self, OpenError> {
        let address = Address::parse(&redis.url.0).map_err(OpenError::RedisUrl)?;
        let shown = address.to_string();
        let connector = Connector::new(address, redis.ca.as_deref())?;
        let prefix = format!("{{{}}}:", redis.prefix);
        let link = Link::new(connector, format!("{prefix}store"), options.space, &options.supervisor);
        if let Err(fault) = link.begin(redis.patience).await {
            link.close().await;
            return Err(match fault {
                Fault::Cluster => OpenError::RedisCluster { address: shown },
                fault => OpenError::Redis { address: shown, reason: fault.to_string() },
            });
        }
        Ok(Self {
            link,
            prefix,
            node: options.node,
            window: options.window,
            lease: redis.lease,
            max_events: options.outbox.map(|max| max.to_string()).unwrap_or_default(),
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
        // Redis rounds up to the size classes of its allocator, and keeps what it was sent for a moment.
        let bytes = 1_024 * entries + 2 * body_bytes;
        self.link.space().reserve(bytes as u64).map_err(StoreError::Full)
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// A request for a script that may write events.
    fn reporting(&self, step: &Step) -> Request {
        self.link.request(step).text(&self.node.id).text(&self.max_events)
    }

    /// The time of a script.
    fn moment(&self) -> Moment {
        match self.time {
            // Until then the clock of the node has learned nothing of this server's.
            TimeSource::Server if !self.follows.load(Ordering::Acquire) => Moment::Server,
            TimeSource::Server => Moment::Expected(self.clock.now()),
            TimeSource::Given => Moment::Given(self.clock.now()),
        }
    }

    /// The time of a script that stores something as of a time.
    fn moment_of(&self, at: Timestamp) -> Moment {
        match self.time {
            TimeSource::Server => self.moment(),
            TimeSource::Given => Moment::Given(at),
        }
    }

    /// For how many milliseconds Redis keeps what matters for so long.
    fn kept_for(&self, time: Duration) -> u64 {
        millis(time.min(LONGEST).saturating_add(SLACK))
    }
}

/// A duration as scripts take it.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Drop for RedisStore {
    fn drop(&mut self) {
        self.link.shut();
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
        self.link.run(&steps::ACCEPT_CLOCK, |_| self.link.request(&steps::ACCEPT_CLOCK)).await?;
        Ok(())
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
            idempotency_keys: self.link.expiring(),
            ..StoreStatus::default()
        }
    }

    async fn close(&self) {
        self.link.close().await;
    }
}
