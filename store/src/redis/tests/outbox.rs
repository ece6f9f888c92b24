//! The outbox that several nodes share.

use std::time::{Duration, Instant};

use bytes::Bytes;
use realtime_gateway_protocol::Timestamp;

use super::{RedisOptions, RedisStore, TestNode, eventually, own_prefix};
use crate::{
    Append, Event, EventDetail, EventSource, Log, Nodes, Options, Outbox, OutboxEntry,
    clock::Clock,
    testing::conformance::{entry_at, options, topic},
};

/// Returns all events in the outbox.
pub(super) async fn all(store: &RedisStore) -> Vec<OutboxEntry> {
    store.read_outbox(0, 10_000, Duration::ZERO).await.unwrap()
}

fn event(id: &str) -> Option<Event> {
    let at = Timestamp::from_millis(1_800_000_000_000);
    Some(Event {
        id: id.into(),
        key: "chat.message.a".into(),
        at,
        body: Bytes::from_static(b"{}"),
        source: EventSource::Client,
    })
}

async fn report(store: &RedisStore, id: &str) {
    let entry = entry_at(std::time::SystemTime::now().into(), "a", id);
    store.append(Append { event: event(id), ..entry }).await.unwrap();
}

#[tokio::test]
async fn one_node_at_a_time_holds_lease_of_outbox() {
    let redis = own_prefix();
    let (a, b) = (TestNode::join(&redis, "a").await, TestNode::join(&redis, "b").await);
    let long = Duration::from_secs(60);
    assert!(a.store.lease_outbox(long).await.unwrap());
    assert!(!b.store.lease_outbox(long).await.unwrap());
    assert!(a.store.lease_outbox(Duration::from_millis(50)).await.unwrap(), "its own lease is renewed");
    eventually("the lease's end", async || b.store.lease_outbox(long).await.unwrap()).await;
    assert!(!a.store.lease_outbox(long).await.unwrap());
    a.store.resign().await.unwrap();
    assert!(!a.store.lease_outbox(long).await.unwrap(), "a node that resigns releases only its own lease");
    b.store.resign().await.unwrap();
    assert!(a.store.lease_outbox(long).await.unwrap());
}

#[tokio::test]
async fn events_of_all_nodes_have_one_order() {
    let redis = own_prefix();
    let (a, b) = (TestNode::join(&redis, "a").await, TestNode::join(&redis, "b").await);
    for n in 0..10 {
        report(if n % 2 == 0 { &a.store } else { &b.store }, &n.to_string()).await;
    }
    let events = all(&a.store).await;
    let ids: Vec<_> = events.iter().map(|entry| entry.event.id.to_string()).collect();
    assert_eq!(ids, (0..10).map(|n| n.to_string()).collect::<Vec<_>>());
    assert!(events.is_sorted_by_key(|entry| entry.sequence));
    assert_eq!(events[3].detail, EventDetail::Entry { offset: 4, epoch: a.store.epoch() });
    assert_eq!((&*events[3].node, Some(events[3].event.clone())), ("b", event("3")));
    let status = a.store.outbox_status().await.unwrap();
    assert_eq!((status.entries, status.oldest), (10, Some(events[0].event.at)));
    let later = a.store.read_outbox(events[3].sequence, 2, Duration::ZERO).await.unwrap();
    assert_eq!(later, events[4..6]);
    let removed: Vec<u64> = events[..4].iter().map(|entry| entry.sequence).collect();
    b.store.remove_from_outbox(&removed).await.unwrap();
    assert_eq!(all(&b.store).await, events[4..]);
}

#[tokio::test]
async fn event_of_another_node_wakes_reader() {
    let redis = own_prefix();
    let (a, b) = (TestNode::join(&redis, "a").await, TestNode::join(&redis, "b").await);
    let began = Instant::now();
    assert!(a.store.read_outbox(0, 10, Duration::from_millis(50)).await.unwrap().is_empty());
    assert!(began.elapsed() >= Duration::from_millis(50));
    for n in 0..3 {
        let after = all(&a.store).await.last().map_or(0, |entry| entry.sequence);
        let waiting = a.store.read_outbox(after, 10, Duration::from_secs(30));
        let id = n.to_string();
        let (events_of_reader, ()) = tokio::join!(waiting, report(&b.store, &id));
        assert_eq!(events_of_reader.unwrap().len(), 1);
    }
    assert!(began.elapsed() < Duration::from_secs(10), "no reader waited to the end");
}

#[tokio::test]
async fn counts_events_beyond_limit_and_applies_their_operations() {
    let redis = own_prefix();
    let options = Options { outbox: Some(3), ..options() };
    let store = RedisStore::open(redis.clone(), options, Clock::system()).await.unwrap();
    for n in 0..5 {
        report(&store, &n.to_string()).await;
    }
    let status = store.outbox_status().await.unwrap();
    assert_eq!((status.entries, status.overflowed), (3, 2));
    assert_eq!(store.heads(&[topic("a")]).await.unwrap().bounds[0].head, 5);
    let events = all(&store).await;
    store.remove_from_outbox(&[events[0].sequence]).await.unwrap();
    report(&store, "5").await;
    let ids: Vec<_> = all(&store).await.iter().map(|entry| entry.event.id.to_string()).collect();
    assert_eq!(ids, ["1", "2", "5"]);
}

#[tokio::test]
async fn writes_no_events_without_outbox() {
    let redis: RedisOptions = own_prefix();
    let store = RedisStore::open(redis, options(), Clock::system()).await.unwrap();
    report(&store, "1").await;
    assert!(store.read_outbox(0, 10, Duration::from_millis(10)).await.unwrap().is_empty());
    assert_eq!(store.outbox_status().await.unwrap().entries, 0);
}
