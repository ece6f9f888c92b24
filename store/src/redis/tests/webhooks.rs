//! The events of a webhook that several nodes share.

use std::time::Duration;

use bytes::Bytes;

use super::{TestNode, eventually, own_prefix};
use crate::{
    Append, Event, EventSource, Log, PageLimit, Settlement, Webhooks,
    testing::conformance::{entry_at, options_with_webhooks, webhook},
};

const ALL: PageLimit = PageLimit { entries: 100, bytes: usize::MAX };

#[tokio::test]
async fn one_node_at_a_time_holds_lease_of_webhook() {
    let redis = own_prefix();
    let (a, b) = (TestNode::join(&redis, "a").await, TestNode::join(&redis, "b").await);
    let (long, shop, other) = (Duration::from_secs(60), webhook("shop"), webhook("other"));
    assert!(a.store.lease_webhook(&shop, long).await.unwrap());
    assert!(!b.store.lease_webhook(&shop, long).await.unwrap());
    assert!(b.store.lease_webhook(&other, long).await.unwrap(), "each webhook has a lease of its own");
    assert!(a.store.lease_webhook(&shop, Duration::from_millis(50)).await.unwrap(), "its own lease is renewed");
    eventually("the lease's end", async || b.store.lease_webhook(&shop, long).await.unwrap()).await;
    a.store.release_webhook(&shop).await.unwrap();
    assert!(!a.store.lease_webhook(&shop, long).await.unwrap(), "a node releases only its own lease");
    b.store.release_webhook(&shop).await.unwrap();
    eventually("the released lease", async || a.store.lease_webhook(&shop, long).await.unwrap()).await;
}

#[tokio::test]
async fn events_of_all_nodes_wake_reader_in_one_order() {
    let redis = own_prefix();
    let (a, b) = (TestNode::join(&redis, "a").await, TestNode::join(&redis, "b").await);
    let chat = webhook("chat");
    for node in [&a, &b] {
        node.store.set_webhooks(options_with_webhooks().webhooks);
    }
    let report = async |node: &TestNode, id: &str| {
        let entry = entry_at(std::time::SystemTime::now().into(), "a", id);
        let (key, body) = ("chat.message.a".into(), Bytes::from_static(b"{}"));
        let event = Event { id: id.into(), key, at: entry.at, body, source: EventSource::Client };
        node.store.append(Append { event: Some(event), ..entry }).await.unwrap();
    };
    let waiting = a.store.read_webhook(&chat, ALL, Duration::from_secs(30));
    let (found, ()) = tokio::join!(waiting, report(&b, "0"));
    assert_eq!(found.unwrap().len(), 1, "an event of another node wakes the reader");
    for n in 1..10 {
        report(if n % 2 == 0 { &a } else { &b }, &n.to_string()).await;
    }
    let events = a.store.read_webhook(&chat, ALL, Duration::ZERO).await.unwrap();
    let ids: Vec<_> = events.iter().map(|event| event.entry.event.id.to_string()).collect();
    assert_eq!(ids, (0..10).map(|n| n.to_string()).collect::<Vec<_>>());
    assert!(events.is_sorted_by_key(|event| event.entry.sequence));
    let taken = events[..4].iter().map(|event| event.entry.sequence).collect();
    b.store.settle_webhook(&chat, Settlement { taken, ..Settlement::default() }).await.unwrap();
    assert_eq!(a.store.read_webhook(&chat, ALL, Duration::ZERO).await.unwrap(), events[4..]);
}
