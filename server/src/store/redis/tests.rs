//! The store in Redis, against real servers.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use realtime_gateway_brokers::redis::shared;

use super::{RedisOptions, RedisStore};
use crate::store::{
    Store,
    clock::Clock,
    conformance::{Subject, conformance, options},
};

/// Options for the server that all tests of this process share, with a prefix that no other has.
fn alone() -> RedisOptions {
    static TESTS: AtomicU64 = AtomicU64::new(0);
    RedisOptions::new(&shared().url(), &format!("t{}", TESTS.fetch_add(1, Ordering::Relaxed)))
}

/// A new store.
async fn opened(clock: Clock) -> Arc<dyn Store> {
    Arc::new(RedisStore::open(alone(), options(), clock).await.unwrap())
}

/// A subject in a store of its own.
pub(in crate::store) async fn subject() -> Subject {
    Subject::made(opened).await
}

conformance!(subject().await);
