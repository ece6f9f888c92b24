//! Redis' own clock decides, and it is not believed when it has jumped.

use std::time::{Duration, SystemTime};

use realtime_gateway_brokers::redis::shared;
use realtime_gateway_protocol::Timestamp;

use super::{RedisOptions, TestNode, alone};
use crate::store::{
    Append, Log, Retention, Store, Swept,
    conformance::{ALL, KEEP, bodies, entry_at, key, topic},
};

const DAY: u64 = 24 * 3_600_000;

fn now() -> Timestamp {
    SystemTime::now().into()
}

fn ago(millis: u64) -> Timestamp {
    Timestamp::from_millis(now().millis() - millis)
}

/// What Redis refuses to sweep.
fn refused() -> Swept {
    Swept { refused: true, ..Swept::default() }
}

/// Sets when the store was swept last.
fn set_swept(redis: &RedisOptions, at: Timestamp) {
    shared().cli(&["hset", &format!("{{{}}}:store", redis.prefix), "seen", &at.millis().to_string()]);
}

/// An entry that is too old at once.
fn short_lived(body: &str) -> Append {
    Append { retention: Retention { max_age: Duration::ZERO, ..KEEP }, ..entry_at(now(), "a", body) }
}

#[tokio::test]
async fn stamps_and_windows_go_by_the_clock_of_redis() {
    let node = TestNode::join(&alone(), "n").await;
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
    let node = TestNode::join(&alone(), "n").await;
    node.store.append(short_lived("x")).await.unwrap();
    for expected in [ago(8 * DAY), ago(6_000), Timestamp::from_millis(now().millis() + DAY)] {
        assert_eq!(node.store.sweep(expected).await.unwrap(), refused());
    }
    assert_eq!(node.store.sweep(now()).await.unwrap().entries, 1);
}

#[tokio::test]
async fn refuses_new_node_when_others_have_stopped_sweeping() {
    let redis = alone();
    let first = TestNode::join(&redis, "first").await;
    assert_eq!(first.store.sweep(now()).await.unwrap(), Swept::default());
    // The clock jumped by two minutes, as far as the new node can tell, and the first does not trust it.
    set_swept(&redis, ago(120_000));
    let second = TestNode::join(&redis, "second").await;
    assert_eq!(second.store.sweep(now()).await.unwrap(), refused());
    assert_eq!(first.store.sweep(now()).await.unwrap(), Swept::default(), "it knows the clock from before");
    assert_eq!(second.store.sweep(now()).await.unwrap(), Swept::default());
}

#[tokio::test]
async fn node_that_is_alone_believes_a_day_and_no_more() {
    for (last, is_refused) in [(3 * 3_600_000, false), (2 * DAY, true)] {
        let redis = alone();
        let node = TestNode::join(&redis, "n").await;
        set_swept(&redis, ago(last));
        assert_eq!(node.store.sweep(now()).await.unwrap().refused, is_refused, "{last} ms");
    }
    let redis = alone();
    let node = TestNode::join(&redis, "n").await;
    set_swept(&redis, Timestamp::from_millis(now().millis() + DAY));
    assert_eq!(node.store.sweep(now()).await.unwrap(), refused(), "time does not go back");
}

#[tokio::test]
async fn operator_confirms_the_clock_for_all_nodes() {
    let redis = alone();
    let mut node = TestNode::join(&redis, "n").await;
    set_swept(&redis, ago(8 * DAY));
    assert_eq!(node.store.sweep(now()).await.unwrap(), refused());
    let operator = TestNode::silent(&redis, "operator").await;
    operator.store.accept_clock().await.unwrap();
    assert_eq!(node.store.sweep(now()).await.unwrap(), Swept::default());
    let time = node.pulse().await.time.unwrap();
    assert_eq!(time.accepted, 1);
    assert!(time.at.millis().abs_diff(now().millis()) < 5_000);
}
