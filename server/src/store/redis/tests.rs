//! The store in Redis, against real servers.

mod broadcast;
mod clock;
mod epochs;
mod login;
mod loss;
mod nodes;
mod outages;
mod outbox;
mod pairing;
mod space;
mod takeover;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use realtime_gateway_brokers::redis::{RedisServer, shared};
use realtime_gateway_protocol::{SessionId, UserId};

use super::{RedisOptions, RedisStore, TimeSource};
use crate::store::{
    Beat, NodeName, NodeRecord, Nodes, OnExcess, Options, Pulse, SessionKey, SessionPolicy, SessionRecord, TokenClaims,
    clock::Clock,
    conformance::{Subject, beat, conformance, options, options_with_outbox},
};

/// Options for the server that all tests of this process share, with a prefix that no other has.
pub(in crate::store) fn alone() -> RedisOptions {
    static TESTS: AtomicU64 = AtomicU64::new(0);
    RedisOptions::new(&shared().url(), &format!("t{}", TESTS.fetch_add(1, Ordering::Relaxed)))
}

/// A subject in a store of its own.
pub(in crate::store) async fn subject() -> Subject {
    subject_with(options()).await
}

async fn subject_with(options: Options) -> Subject {
    let redis = RedisOptions { time: TimeSource::Given, ..alone() };
    let keys = format!("{{{}}}:bod*", redis.prefix);
    let mut subject = Subject::made(async |clock| RedisStore::open(redis, options, clock).await.unwrap()).await;
    subject.bodies = Some(Box::new(move || {
        let keys = keys.clone();
        Box::pin(async move { count_bodies(&keys) })
    }));
    subject
}

/// Counts the bodies of a store by its keys. The index has as many.
pub(in crate::store) fn count_bodies(keys: &str) -> u64 {
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

conformance!(subject().await);
conformance!(outbox: subject_with(options_with_outbox()).await);

/// One of several nodes on one Redis.
struct TestNode {
    store: RedisStore,
    name: NodeName,
    /// What its pulses have read.
    read: u64,
}

impl TestNode {
    /// A node that keeps an outbox, and has had its first pulse.
    async fn join(redis: &RedisOptions, id: &str) -> Self {
        let mut node = Self::silent(redis, id).await;
        node.pulse().await;
        node
    }

    /// A node without a pulse.
    async fn silent(redis: &RedisOptions, id: &str) -> Self {
        let name = NodeName::new(id);
        let options = Options { node: name.clone(), outbox: Some(1_000_000), ..options() };
        let store = RedisStore::open(redis.clone(), options, Clock::system()).await.unwrap();
        Self { store, name, read: 0 }
    }

    async fn pulse(&mut self) -> Pulse {
        let (id, incarnation) = (self.name.id.to_string(), self.name.incarnation.to_string());
        let node = NodeRecord { id, incarnation, ..beat(&[]).node };
        let pulse = self.store.pulse(Beat { node, shards: Vec::new(), read: self.read }).await.unwrap();
        self.read = pulse.read;
        pulse
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

const ONE: SessionPolicy =
    SessionPolicy { max: 1, on_excess: OnExcess::Replace, key: SessionKey::User, max_devices: 10 };

/// A server of a test's own, and options for it.
fn own(server: &RedisServer) -> RedisOptions {
    RedisOptions { patience: Duration::from_secs(5), ..RedisOptions::new(&server.url(), "own") }
}

/// Asks again and again until it holds: what a server does by itself tells nobody.
async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < Duration::from_secs(20), "{what} did not come to hold");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
