//! Appends that are sent to Redis together.

use std::{collections::BTreeSet, future::poll_fn, task::Poll};

use bytes::Bytes;
use futures_util::future::join_all;
use realtime_gateway_brokers::redis::{Persistence, shared};

use super::{RedisOptions, RedisServer, TestNode, options_for, outbox::all, own_prefix};
use crate::{
    Append, Appended, Event, EventSource, Log, Outbox, PageLimit, StoreError,
    testing::conformance::{content, entry_at, key, topic},
};

const LOGS: usize = 16;
const WHOLE: PageLimit = PageLimit { entries: 10_000, bytes: usize::MAX };

fn entry(log: usize, body: &str) -> Append {
    entry_at(std::time::SystemTime::now().into(), &format!("c{log}"), body)
}

/// Returns a node whose logs exist, so that further appends are usual.
async fn node_with_logs(redis: &RedisOptions) -> TestNode {
    let node = TestNode::join(redis, "a").await;
    for log in 0..LOGS {
        node.store.append(entry(log, "first")).await.unwrap();
    }
    node
}

/// Runs appends at the same time.
async fn append_all(node: &TestNode, appends: impl IntoIterator<Item = Append>) -> Vec<Result<Appended, StoreError>> {
    join_all(appends.into_iter().map(|append| node.store.append(append))).await
}

/// Returns the bodies of a log, in the order of their offsets.
async fn bodies(node: &TestNode, log: usize) -> Vec<String> {
    let page = node.store.read(&topic(&format!("c{log}")), 0, WHOLE).await.unwrap();
    assert!(page.entries.iter().map(|entry| entry.offset).eq(1..=page.entries.len() as u64), "offsets without gaps");
    page.entries.iter().map(|entry| String::from_utf8(entry.body.to_vec()).unwrap()).collect()
}

/// Returns how many scripts a server has run.
fn scripts(server: &RedisServer) -> u64 {
    let statistics = server.cli(&["info", "commandstats"]);
    let evalsha = statistics.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls=")).unwrap();
    evalsha.split(',').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn concurrent_appends_share_scripts_and_are_stored_once_in_order() {
    let server = RedisServer::start(Persistence::None);
    let node = node_with_logs(&options_for(&server)).await;
    let before = scripts(&server);
    let appended = append_all(&node, (0..64).map(|n| entry(n % LOGS, &n.to_string()))).await;
    assert!(scripts(&server) - before <= 3, "64 appends took {} scripts", scripts(&server) - before);
    for (n, appended) in appended.iter().enumerate() {
        let appended = appended.as_ref().unwrap();
        assert_eq!((appended.offset, appended.duplicate), ((n / LOGS + 2) as u64, false));
        assert_eq!((appended.id.as_str(), &appended.epoch), (&*format!("m-{n}"), &node.store.epoch()));
    }
    for log in 0..LOGS {
        let expected: Vec<_> = (0..4).map(|round| (round * LOGS + log).to_string()).collect();
        assert_eq!(bodies(&node, log).await[1..], expected);
    }
}

#[tokio::test]
async fn shard_counters_of_concurrent_appends_have_no_gaps() {
    let node = node_with_logs(&own_prefix()).await;
    let log = topic("c0");
    let counts = append_all(&node, (0..50).map(|n| entry(0, &n.to_string()))).await;
    let counts: BTreeSet<u64> = counts.into_iter().map(|appended| appended.unwrap().shard_count).collect();
    let before = counts.first().unwrap() - 1;
    assert!(counts.into_iter().eq(before + 1..=before + 50), "{log}");
}

#[tokio::test]
async fn same_key_in_one_script_is_stored_once() {
    let node = node_with_logs(&own_prefix()).await;
    let keyed = |body: &str, name: &str| Append { key: key("u", name), ..entry(0, body) };
    let appended = append_all(&node, [keyed("one", "k"), keyed("two", "k"), keyed("three", "other")]).await;
    let appended: Vec<_> = appended.into_iter().map(Result::unwrap).collect();
    assert_eq!(appended.iter().map(|it| it.duplicate).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!((appended[0].offset, appended[0].id.clone()), (appended[1].offset, appended[1].id.clone()));
    assert_eq!(bodies(&node, 0).await, ["first", "one", "three"]);
    let mut other = keyed("four", "k");
    other.key.as_mut().unwrap().content = content("another");
    assert!(matches!(node.store.append(other).await, Err(StoreError::Conflict)));
}

#[tokio::test]
async fn log_that_cannot_be_written_fails_no_other_append_of_its_script() {
    let redis = own_prefix();
    let node = node_with_logs(&redis).await;
    let key = format!("{{{}}}:entries:{}", redis.prefix, topic("c3"));
    shared().cli(&["set", &key, "not a stream"]);
    let appended = append_all(&node, (0..LOGS).map(|log| entry(log, "second"))).await;
    for (log, appended) in appended.iter().enumerate() {
        assert_eq!(appended.is_ok(), log != 3, "{log}: {appended:?}");
    }
    for log in (0..LOGS).filter(|log| *log != 3) {
        assert_eq!(bodies(&node, log).await, ["first", "second"]);
    }
}

#[tokio::test]
async fn appends_of_one_script_write_their_events() {
    let node = node_with_logs(&own_prefix()).await;
    let event = |n: usize| {
        let (id, at) = (n.to_string().into(), std::time::SystemTime::now().into());
        Some(Event {
            id,
            key: "chat.message.a".into(),
            at,
            body: Bytes::from_static(b"{}"),
            source: EventSource::Client,
        })
    };
    append_all(&node, (0..20).map(|n| Append { event: event(n), ..entry(n % 4, &n.to_string()) })).await;
    let ids: Vec<_> = all(&node.store).await.iter().map(|entry| entry.event.id.to_string()).collect();
    assert_eq!(ids, (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(node.store.outbox_status().await.unwrap().overflowed, 0);
}

#[tokio::test]
async fn large_appends_are_spread_over_scripts() {
    let server = RedisServer::start(Persistence::None);
    let node = node_with_logs(&options_for(&server)).await;
    let before = scripts(&server);
    let body = "x".repeat(100 * 1024);
    let large = |log| Append { body: Bytes::from(body.clone()), ..entry(log, "large") };
    let appended = append_all(&node, (0..LOGS).map(large)).await;
    assert!(appended.iter().all(Result::is_ok));
    assert!(scripts(&server) - before >= 8, "at most two of 100 KiB go into one script");
}

#[tokio::test]
async fn append_whose_caller_is_gone_does_not_disturb_others() {
    let node = node_with_logs(&own_prefix()).await;
    let mut dropped = Box::pin(node.store.append(entry(0, "dropped")));
    poll_fn(|context| {
        assert!(dropped.as_mut().poll(context).is_pending());
        Poll::Ready(())
    })
    .await;
    let other = node.store.append(entry(1, "other"));
    drop(dropped);
    assert_eq!(other.await.unwrap().offset, 2);
    assert_eq!(node.store.append(entry(0, "next")).await.unwrap().offset, 3, "a queued append is carried out");
}

#[tokio::test]
async fn appends_continue_in_new_epoch_after_the_store_was_emptied() {
    let server = RedisServer::start(Persistence::None);
    let node = node_with_logs(&options_for(&server)).await;
    let epoch = node.store.epoch();
    server.cli(&["flushall"]);
    let appended = append_all(&node, (0..32).map(|n| entry(n % LOGS, &n.to_string()))).await;
    for appended in appended {
        let appended = appended.unwrap();
        assert_ne!(appended.epoch, epoch);
        assert!((1..=2).contains(&appended.offset));
    }
    for log in 0..LOGS {
        assert_eq!(bodies(&node, log).await.len(), 2);
    }
}

#[tokio::test]
async fn append_that_fails_halfway_is_not_repeated() {
    let redis = own_prefix();
    let node = node_with_logs(&redis).await;
    // The entry is written before the counter of its shard.
    shared().cli(&["set", &format!("{{{}}}:shards", redis.prefix), "no counters"]);
    let appended = append_all(&node, [entry(0, "second"), entry(1, "second")]).await;
    assert!(appended.iter().all(|appended| matches!(appended, Err(StoreError::Unavailable(_)))), "{appended:?}");
    for log in 0..2 {
        assert_eq!(bodies(&node, log).await, ["first", "second"]);
    }
}
