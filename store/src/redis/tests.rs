//! Tests of the store in Redis, against real servers.

mod append_queue;
mod broadcast;
mod clock;
mod cluster;
mod epochs;
mod escalations;
mod login;
mod loss;
mod nodes;
mod outages;
mod outbox;
mod pairing;
mod server_subscriptions;
mod space;
mod takeover;
mod webhooks;

use std::{
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use realtime_gateway_brokers::redis::{RedisServer, shared};
use realtime_gateway_protocol::{SessionId, UserId};

use super::{RedisOptions, RedisStore, TimeSource};
use crate::{
    NodeName, NodeRecord, Nodes, OnExcess, Options, ReconcileRequest, Reconciled, SessionKey, SessionPolicy,
    SessionRecord, Store, TokenClaims,
    clock::Clock,
    testing::{
        conformance::{Subject, options, options_with_outbox, options_with_webhooks, reconcile_request},
        model,
    },
};

/// Returns options for the server that all tests of this process share, with a unique prefix.
pub(crate) fn own_prefix() -> RedisOptions {
    static TESTS: AtomicU64 = AtomicU64::new(0);
    RedisOptions::new(&shared().url(), &format!("t{}", TESTS.fetch_add(1, Ordering::Relaxed)))
}

/// Returns a subject with a unique prefix.
pub(crate) async fn subject() -> Subject {
    subject_with(options()).await
}

async fn subject_with(options: Options) -> Subject {
    let redis = RedisOptions { time: TimeSource::Given, ..own_prefix() };
    let keys = format!("{{{}}}:bod*", redis.prefix);
    let open = async |clock| Arc::new(RedisStore::open(redis, options, clock).await.unwrap()) as Arc<dyn Store>;
    Subject::open(open).await.counting_bodies(move || {
        let keys = keys.clone();
        async move { count_bodies(&keys) }
    })
}

/// Counts the shared bodies of a store by its keys. Asserts that the index has as many.
pub(crate) fn count_bodies(keys: &str) -> u64 {
    let found = shared().cli(&["--scan", "--pattern", keys]);
    let (mut bodies, mut indexed) = (0, 0);
    for key in found.lines() {
        if key.ends_with(":bodies") {
            indexed = shared().cli(&["zcard", key]).parse().unwrap();
        } else {
            bodies += 1;
        }
    }
    assert_eq!(indexed, bodies);
    bodies
}

crate::conformance!(core: subject().await);
#[test]
fn agrees_with_model() {
    model::check(48, subject);
}

crate::conformance!(outbox: subject_with(options_with_outbox()).await);
crate::conformance!(webhooks: subject_with(options_with_webhooks()).await);

/// One of several nodes that share a Redis.
struct TestNode {
    store: RedisStore,
    name: NodeName,
    /// The position up to which its reconciliations have read the mailbox.
    read: u64,
}

impl TestNode {
    /// Creates a node with an outbox, after its first reconciliation.
    async fn join(redis: &RedisOptions, id: &str) -> Self {
        let mut node = Self::connect(redis, id).await;
        node.reconcile().await;
        node
    }

    /// Creates a node before its first reconciliation.
    async fn connect(redis: &RedisOptions, id: &str) -> Self {
        let name = NodeName::new(id);
        let options = Options { node: name.clone(), outbox: Some(1_000_000), ..options() };
        let store = RedisStore::open(redis.clone(), options, Clock::system()).await.unwrap();
        Self { store, name, read: 0 }
    }

    async fn reconcile(&mut self) -> Reconciled {
        let (id, incarnation) = (self.name.id.to_string(), self.name.incarnation.to_string());
        let node = NodeRecord { id, incarnation, ..reconcile_request(&[]).node };
        let reconciled =
            self.store.reconcile(ReconcileRequest { node, shards: Vec::new(), read: self.read }).await.unwrap();
        self.read = reconciled.read;
        reconciled
    }

    fn session(&self, user: &str, id: &str) -> SessionRecord {
        SessionRecord {
            id: SessionId::new(id).unwrap(),
            user: UserId::new(user).unwrap(),
            device: None,
            node: self.name.id.clone(),
            since: std::time::SystemTime::now().into(),
            instance: None,
            attempt: None,
            token: TokenClaims::default(),
        }
    }
}

const ONE_SESSION: SessionPolicy =
    SessionPolicy { max: 1, on_excess: OnExcess::Replace, key: SessionKey::User, max_devices: 10 };

/// Returns options for a server that belongs to one test.
fn options_for(server: &RedisServer) -> RedisOptions {
    RedisOptions { patience: Duration::from_secs(5), ..RedisOptions::new(&server.url(), "own") }
}

/// Polls until a condition holds, because a server does not report its own changes of state.
async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < Duration::from_secs(20), "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
