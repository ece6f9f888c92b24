//! The clock of Redis decides, except after it has jumped.

use std::time::{Duration, SystemTime};

use realtime_gateway_brokers::redis::shared;
use realtime_gateway_protocol::Timestamp;

use super::{RedisOptions, RedisStore, TestNode, own_prefix};
use crate::{
    Append, Log, NodeName, Notify, Options, Pending, Retention, Store, Swept,
    clock::Clock,
    testing::conformance::{ALL, KEEP, bodies, content, entry_at, key, options, topic},
};

const DAY: u64 = 24 * 3_600_000;

fn now() -> Timestamp {
    SystemTime::now().into()
}

fn ago(millis: u64) -> Timestamp {
    Timestamp::from_millis(now().millis() - millis)
}

/// Returns the result of a refused sweep.
fn refused() -> Swept {
    Swept { refused: true, ..Swept::default() }
}

/// Sets when the store was swept last.
fn set_swept(redis: &RedisOptions, at: Timestamp) {
    shared().cli(&["hset", &format!("{{{}}}:store", redis.prefix), "seen", &at.millis().to_string()]);
}

/// Returns an entry that is too old immediately.
fn short_lived(body: &str) -> Append {
    Append { retention: Retention { max_age: Duration::ZERO, ..KEEP }, ..entry_at(now(), "a", body) }
}

#[tokio::test]
async fn times_and_windows_follow_clock_of_redis() {
    let node = TestNode::join(&own_prefix(), "n").await;
    let store = &node.store;
    // The clock of the node that appends is eight days behind, and then eight days ahead.
    let retention = Retention { max_age: Duration::from_secs(3_600), ..KEEP };
    for (at, body) in [(ago(8 * DAY), "behind"), (Timestamp::from_millis(now().millis() + 8 * DAY), "ahead")] {
        let append = Append { retention, key: key("u", "1"), ..entry_at(at, "a", body) };
        assert_eq!(store.append(append).await.unwrap().duplicate, body == "ahead");
        assert_eq!(bodies(&store.read(&topic("a"), 0, ALL).await.unwrap()), ["behind"]);
        assert_eq!(store.sweep(now()).await.unwrap(), Swept::default());
    }
}

#[tokio::test]
async fn refuses_sweep_when_node_expects_another_time() {
    let node = TestNode::join(&own_prefix(), "n").await;
    node.store.append(short_lived("x")).await.unwrap();
    for expected in [ago(8 * DAY), ago(6_000), Timestamp::from_millis(now().millis() + DAY)] {
        assert_eq!(node.store.sweep(expected).await.unwrap(), refused());
    }
    assert_eq!(node.store.sweep(now()).await.unwrap().entries, 1);
}

#[tokio::test]
async fn refuses_new_node_when_others_have_stopped_sweeping() {
    let redis = own_prefix();
    let first = TestNode::join(&redis, "first").await;
    assert_eq!(first.store.sweep(now()).await.unwrap(), Swept::default());
    // To the new node it looks as if the clock had jumped by two minutes, so that the first node stopped sweeping.
    set_swept(&redis, ago(120_000));
    let second = TestNode::join(&redis, "second").await;
    assert_eq!(second.store.sweep(now()).await.unwrap(), refused());
    assert_eq!(first.store.sweep(now()).await.unwrap(), Swept::default(), "it knows the clock from before");
    assert_eq!(second.store.sweep(now()).await.unwrap(), Swept::default());
}

#[tokio::test]
async fn single_node_sweeps_within_a_day_of_last_sweep() {
    for (last, is_refused) in [(3 * 3_600_000, false), (2 * DAY, true)] {
        let redis = own_prefix();
        let node = TestNode::join(&redis, "n").await;
        set_swept(&redis, ago(last));
        assert_eq!(node.store.sweep(now()).await.unwrap().refused, is_refused, "{last} ms");
    }
    let redis = own_prefix();
    let node = TestNode::join(&redis, "n").await;
    set_swept(&redis, Timestamp::from_millis(now().millis() + DAY));
    assert_eq!(node.store.sweep(now()).await.unwrap(), refused(), "time does not go back");
}

#[tokio::test]
async fn operator_confirms_clock_for_all_nodes() {
    let redis = own_prefix();
    let mut node = TestNode::join(&redis, "n").await;
    set_swept(&redis, ago(8 * DAY));
    assert_eq!(node.store.sweep(now()).await.unwrap(), refused());
    let operator = TestNode::connect(&redis, "operator").await;
    operator.store.accept_clock().await.unwrap();
    assert_eq!(node.store.sweep(now()).await.unwrap(), Swept::default());
    let time = node.reconcile().await.time.unwrap();
    assert_eq!(time.accepted, 1);
    assert!(time.at.millis().abs_diff(now().millis()) < 5_000);
}

/// Returns a notification that expires an hour after `at`, for a user who may have one pending.
fn notification(id: &str, at: Timestamp) -> Notify {
    Notify {
        user: "anna".to_owned().try_into().unwrap(),
        id: id.to_owned().try_into().unwrap(),
        content: content(id),
        at,
        body: "x".into(),
        expires: Timestamp::from_millis(at.millis() + 3_600_000),
        escalate_at: None,
        max_pending: 1,
        dropped_event: None,
    }
}

#[tokio::test]
async fn uses_expected_time_when_clock_of_redis_differs() {
    // As if the clock of Redis had jumped eight days ahead.
    let (redis, expected) = (own_prefix(), ago(8 * DAY));
    let options = Options { node: NodeName::new("n"), ..options() };
    let store = RedisStore::open(redis, options, Clock::new(move || expected)).await.unwrap();
    store.clock_follows();
    let retention = Retention { max_age: Duration::from_secs(3_600), ..KEEP };
    let append = Append { retention, key: key("u", "1"), ..entry_at(expected, "a", "x") };
    assert!(!store.append(append.clone()).await.unwrap().duplicate);
    assert!(store.append(append).await.unwrap().duplicate);
    assert_eq!(bodies(&store.read(&topic("a"), 0, ALL).await.unwrap()), ["x"]);
    store.notify(notification("1", expected)).await.unwrap();
    assert_eq!(store.pending_count(&"anna".to_owned().try_into().unwrap()).await.unwrap(), 1);
    let second = store.notify(notification("2", expected)).await.unwrap();
    assert_eq!(second.dropped.len(), 1, "the first had not expired: it is dropped for want of room, and reported");
}
