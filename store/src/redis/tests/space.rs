//! The memory of Redis as a limit: the conformance cases on a server of their own, whose memory no other test uses, and
//! the watermark below `maxmemory`.

use realtime_gateway_brokers::redis::RedisServer;

use super::{RedisOptions, RedisStore, TimeSource, eventually, options_for};
use std::sync::Arc;

use crate::{
    Append, SpaceLimits, Store,
    testing::conformance::{self, Subject, options},
};

/// Returns a server that keeps nothing on its disk.
fn server(settings: &[(&str, &str)]) -> RedisServer {
    RedisServer::with(&[&[("save", ""), ("maxmemory-policy", "noeviction")], settings].concat())
}

async fn subject(server: &RedisServer, limits: SpaceLimits) -> Subject {
    let redis = RedisOptions { time: TimeSource::Given, ..options_for(server) };
    let options = crate::Options { space: limits, ..options() };
    Subject::open(async |clock| Arc::new(RedisStore::open(redis, options, clock).await.unwrap()) as Arc<dyn Store>)
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refuses_only_new_entries_beyond_space_limit() {
    let server = server(&[]);
    conformance::refuses_only_new_entries_beyond_space_limit(&subject(&server, SpaceLimits::default()).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_writers_do_not_exceed_space_limit_by_much() {
    let server = server(&[]);
    conformance::concurrent_writers_do_not_exceed_space_limit_by_much(&subject(&server, SpaceLimits::default()).await)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_idempotency_keys() {
    let server = server(&[]);
    conformance::counts_idempotency_keys(&subject(&server, SpaceLimits::default()).await).await;
}

/// Redis with maxmemory refuses every script that writes, also one that acknowledges. New entries are refused before.
#[tokio::test]
async fn keeps_memory_free_for_acknowledgements() {
    let server = server(&[("maxmemory", "32mb")]);
    let subject = subject(&server, SpaceLimits { max_bytes: None, min_free_percent: 25 }).await;
    let store = &subject.store;
    let pending = subject.notification("u", "n");
    subject.notify(pending.clone()).await;
    let large = || Append { body: vec![7; 64 * 1024].into(), ..subject.entry("a", "x") };
    // The gate refuses entries before Redis itself does.
    conformance::fill(&subject, large).await;
    let status = store.status();
    let reason = status.space.refusing.unwrap();
    assert!(reason.contains("the maxmemory of Redis") && reason.contains("is 25"), "{reason}");
    assert!(status.writable);
    assert_eq!(store.acknowledge(&pending.user, &[pending.id], None).await.unwrap().len(), 1);
    server.cli(&["config", "set", "maxmemory", "128mb"]);
    eventually("accepting", async || store.status().space.refusing.is_none()).await;
    subject.append(subject.entry("a", "x")).await;
}
