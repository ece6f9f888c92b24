//! The conformance suite: the rules that every store must follow, one function for each rule.
//!
//! [`conformance!`](crate::conformance) makes a test of each rule. A rule gets a [`Subject`]: an empty store, whose
//! clock the rule sets.
#![allow(missing_docs, reason = "the name of a rule states the rule")]

mod admission;
mod append;
mod blocks;
mod broadcast;
mod escalations;
mod nodes;
mod outbox;
mod paging;
mod pending;
mod presence;
mod restore;
mod retention;
mod server_subscriptions;
mod sessions;
mod space;
mod webhooks;
mod whole;

use std::{
    any::Any,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use gateway_runtime::{supervision::Supervisor, tasks::Tasks};
use realtime_gateway_protocol::{
    ClanId, ClientMessageId, MessageId, NotificationId, Timestamp, UserId,
    topic::{Shard, Topic},
};

use crate::{
    Append, ContentDigest, Idempotency, IdempotencyKey, NodeName, NodeRecord, Notified, Notify, Options, Page,
    PageLimit, ReconcileRequest, Retention, SpaceLimits, Store, clock::Clock,
};

pub use self::{
    admission::*, append::*, blocks::*, broadcast::*, escalations::*, nodes::*, outbox::*, paging::*, pending::*,
    presence::*, restore::*, retention::*, server_subscriptions::*, sessions::*, space::*, webhooks::*, whole::*,
};

/// The idempotency window of a subject's store.
pub const WINDOW: Duration = Duration::from_secs(3600);
/// Returns the options of a subject's store.
pub fn options() -> Options {
    Options {
        window: WINDOW,
        node: NodeName::new("n"),
        outbox: None,
        webhooks: [].into(),
        space: SpaceLimits::default(),
        supervisor: Supervisor::default(),
    }
}

/// How many events wait at most in the outbox of a subject that has one.
pub const OUTBOX: u64 = 8;
/// Returns the options of a subject's store with an outbox.
pub fn options_with_outbox() -> Options {
    Options { outbox: Some(OUTBOX), ..options() }
}

/// Returns a reconciliation of the node under test.
pub fn reconcile_request(shards: &[Shard]) -> ReconcileRequest {
    let node = NodeRecord {
        id: "n".into(),
        incarnation: "1".into(),
        address: "127.0.0.1:4000".into(),
        version: "0".into(),
        started: Timestamp::from_millis(0),
        connections: 0,
        draining: false,
        settings: Vec::new(),
    };
    ReconcileRequest { node, shards: shards.to_vec(), read: 0 }
}

/// Returns the counters of shards.
pub async fn counts(store: &dyn Store, shards: &[Shard]) -> Vec<u64> {
    store.reconcile(reconcile_request(shards)).await.unwrap().counts
}

/// Retention that removes nothing.
pub const KEEP: Retention = Retention { max_entries: 1_000_000, max_age: Duration::from_secs(365 * 24 * 3600) };
/// A page that holds everything.
pub const ALL: PageLimit = PageLimit { entries: 100_000, bytes: usize::MAX };

/// A store under test, and its clock.
pub struct Subject {
    /// The store.
    pub store: Arc<dyn Store>,
    now: Arc<AtomicU64>,
    clock: Clock,
    tasks: Tasks,
    /// Opens the closed store again, if it keeps its data.
    reopen: Option<Reopen>,
    /// A value that must outlive the store, such as its directory.
    _kept: Option<Box<dyn Any + Send + Sync>>,
    /// Counts the shared bodies, for stores that keep them separately.
    bodies: Option<CountBodies>,
}

/// Opens a store again.
type Reopen = Box<dyn Fn(Clock) -> Arc<dyn Store> + Send + Sync>;
/// Counts the shared bodies of a store.
type CountBodies = Box<dyn Fn() -> BoxFuture<'static, u64> + Send + Sync>;

impl Subject {
    /// Creates a subject whose store is opened with a clock that the rules set.
    pub fn new(open: impl FnOnce(Clock) -> Arc<dyn Store>) -> Self {
        let (now, clock) = settable_clock();
        Self::of(open(clock.clone()), now, clock)
    }

    /// Creates a subject whose store is opened asynchronously.
    pub async fn open(open: impl AsyncFnOnce(Clock) -> Arc<dyn Store>) -> Self {
        let (now, clock) = settable_clock();
        Self::of(open(clock.clone()).await, now, clock)
    }

    fn of(store: Arc<dyn Store>, now: Arc<AtomicU64>, clock: Clock) -> Self {
        Self { store, now, clock, tasks: Tasks::default(), reopen: None, _kept: None, bodies: None }
    }

    /// Lets the model test close the store and open it again, with the data that it had.
    #[must_use]
    pub fn reopening(self, open: impl Fn(Clock) -> Arc<dyn Store> + Send + Sync + 'static) -> Self {
        Self { reopen: Some(Box::new(open)), ..self }
    }

    /// Closes the store and opens it again, if it keeps its data.
    pub async fn reopen(&mut self) {
        if let Some(reopen) = &self.reopen {
            self.store.close().await;
            self.store = reopen(self.clock.clone());
        }
    }

    /// Keeps a value for as long as the subject, such as the directory of the store.
    #[must_use]
    pub fn keeping(self, kept: impl Any + Send + Sync) -> Self {
        Self { _kept: Some(Box::new(kept)), ..self }
    }

    /// Lets the rules count the bodies that notifications share. Without it, they do not check that no body is left.
    #[must_use]
    pub fn counting_bodies<F>(self, count: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = u64> + Send + 'static,
    {
        Self { bodies: Some(Box::new(move || Box::pin(count()))), ..self }
    }

    /// Returns the current time.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::SeqCst))
    }

    /// Advances the clock.
    pub fn pass(&self, time: Duration) {
        self.now.fetch_add(time.as_millis() as u64, Ordering::SeqCst);
    }

    /// Returns an append to a clan, without a key, an event or a redaction.
    pub fn entry(&self, clan: &str, body: &str) -> Append {
        entry_at(self.now(), clan, body)
    }

    /// Asserts the number of shared bodies.
    pub async fn assert_bodies(&self, expected: u64) {
        if let Some(count) = &self.bodies {
            assert_eq!(count().await, expected, "shared bodies");
        }
    }

    /// Appends and returns the offset.
    pub async fn append(&self, append: Append) -> u64 {
        self.store.append(append).await.unwrap().offset
    }

    /// Returns a notification that ends after ten minutes.
    pub fn notification(&self, user: &str, id: &str) -> Notify {
        Notify {
            user: UserId::new(user).unwrap(),
            id: NotificationId::new(id).unwrap(),
            content: content(id),
            at: self.now(),
            body: Bytes::copy_from_slice(id.as_bytes()),
            expires: Timestamp::from_millis(self.now().millis() + 600_000),
            escalate_at: None,
            max_pending: 1_000,
            dropped_event: None,
        }
    }

    /// Stores a notification.
    pub async fn notify(&self, notify: Notify) -> Notified {
        self.store.notify(notify).await.unwrap()
    }

    /// Reads all entries after a position.
    pub async fn read(&self, topic: &Topic, after: u64) -> Page {
        self.store.read(topic, after, ALL).await.unwrap()
    }

    /// Sweeps until nothing is left to sweep. Returns how many entries and notifications were removed.
    pub async fn sweep(&self) -> (u64, u64) {
        let (mut entries, mut expired) = (0, 0);
        loop {
            let swept = self.store.sweep(self.now()).await.unwrap();
            entries += swept.entries;
            expired += swept.expired;
            if !swept.more {
                return (entries, expired);
            }
        }
    }

    /// Runs the futures concurrently on all threads and returns their outputs.
    pub async fn concurrently<F>(&self, futures: impl IntoIterator<Item = F>) -> Vec<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let running: Vec<_> = futures.into_iter().map(|future| self.tasks.spawn(future)).collect();
        let mut outputs = Vec::new();
        for task in running {
            outputs.push(task.await.unwrap());
        }
        outputs
    }
}

/// Returns an append to a clan, without a key, an event or a redaction.
pub fn entry_at(at: Timestamp, clan: &str, body: &str) -> Append {
    Append {
        topic: topic(clan),
        id: MessageId::new(format!("m-{body}")).unwrap(),
        key: None,
        at,
        body: Bytes::copy_from_slice(body.as_bytes()),
        retention: KEEP,
        redaction: None,
        event: None,
    }
}

/// Returns a time that can be set, and a clock that returns it.
fn settable_clock() -> (Arc<AtomicU64>, Clock) {
    let now = Arc::new(AtomicU64::new(1_800_000_000_000));
    let shared = now.clone();
    (now, Clock::new(move || Timestamp::from_millis(shared.load(Ordering::SeqCst))))
}

/// Returns the topic of a clan.
pub fn topic(clan: &str) -> Topic {
    Topic::Clan(ClanId::new(clan).unwrap())
}

/// Returns the topic of a user.
pub fn user_topic(user: &str) -> Topic {
    Topic::User(UserId::new(user).unwrap())
}

/// Returns the digest of a text.
pub fn content(text: &str) -> ContentDigest {
    ContentDigest::of(&text).unwrap()
}

/// Returns an idempotency key of a user, always with the same content.
pub fn key(sender: &str, id: &str) -> Option<Idempotency> {
    key_with(sender, id, "the same")
}

/// Returns an idempotency key of a user.
pub fn key_with(sender: &str, id: &str, text: &str) -> Option<Idempotency> {
    let key = IdempotencyKey::User(UserId::new(sender).unwrap(), ClientMessageId::new(id).unwrap());
    Some(Idempotency { key, content: content(text) })
}

/// Returns the bodies of a page as texts.
pub fn bodies(page: &Page) -> Vec<String> {
    page.entries.iter().map(|entry| String::from_utf8(entry.body.to_vec()).unwrap()).collect()
}

/// Returns the offsets of a page.
pub fn offsets(page: &Page) -> Vec<u64> {
    page.entries.iter().map(|entry| entry.offset).collect()
}
