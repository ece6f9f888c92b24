//! Cases of a broker that publishes events to backend services.

use std::{collections::BTreeMap, time::Duration};

use futures_util::FutureExt;
use realtime_gateway_protocol::Timestamp;
use tokio::time::timeout;

use super::{BrokerSubject, PATIENCE, Received};
use crate::bus::broker::{Broker, ChannelError, OutboundEvent, Outcome, Publisher};

fn event(tag: u64, key: &str) -> OutboundEvent {
    let body = format!("{{\"n\":{tag}}}").into();
    let (id, at) = (format!("event-{tag}").into(), Timestamp::from_millis(1_000));
    OutboundEvent { id, key: key.into(), at, body, trace: None }
}

/// Waits until this many events are settled, and returns what became of each.
async fn settled<P: Publisher<OutboundEvent>>(publisher: &mut P, count: usize) -> BTreeMap<u64, Outcome> {
    let mut outcomes = BTreeMap::new();
    while outcomes.len() < count {
        let settled = timeout(PATIENCE, publisher.settled()).await.expect("events are settled in time").unwrap();
        assert!(!settled.is_empty(), "at least one is settled");
        for settled in settled {
            assert_eq!(outcomes.insert(settled.tag, settled.outcome), None, "{} is settled twice", settled.tag);
        }
    }
    outcomes
}

/// Publishes one event, and checks that it arrives.
async fn check_publishing<S: BrokerSubject>(subject: &S, tag: u64) {
    let mut publisher = timeout(PATIENCE, subject.broker().open_events()).await.expect("a channel opens in time");
    publisher.publish(tag, event(tag, "chat.message.a"));
    assert_eq!(settled(&mut publisher, 1).await, [(tag, Outcome::Routed)].into());
    assert_eq!(subject.receive("chat.message").await.id, format!("event-{tag}"));
    publisher.close().await;
}

/// Events reach the queue that is bound for them with id, key and body, in the order of publication.
pub async fn events_arrive_in_order_and_are_routed<S: BrokerSubject>(subject: &S) {
    subject.bind("chat.message", None).await;
    let mut publisher = subject.broker().open_events().await;
    (1..=300).for_each(|tag| publisher.publish(tag, event(tag, "chat.message.a")));
    assert!(settled(&mut publisher, 300).await.values().all(|outcome| *outcome == Outcome::Routed));
    for tag in 1..=300 {
        let OutboundEvent { id, key, body, .. } = event(tag, "chat.message.a");
        let expected = Received { id: id.as_ref().into(), key: key.as_ref().into(), body };
        assert_eq!(subject.receive("chat.message").await, expected);
    }
    publisher.close().await;
}

/// An event that no queue is bound for is settled, and not lost without a sign.
pub async fn events_without_a_queue_are_unroutable<S: BrokerSubject>(subject: &S) {
    let mut publisher = subject.broker().open_events().await;
    publisher.publish(1, event(1, "session.opened.alice"));
    assert_eq!(settled(&mut publisher, 1).await, [(1, Outcome::Unroutable)].into());
    publisher.close().await;
}

/// Each event is settled once and as what it is, also where the broker settles many together.
pub async fn each_event_is_settled_once_among_routed_and_unroutable_ones<S: BrokerSubject>(subject: &S) {
    subject.bind("chat.message", None).await;
    let mut publisher = subject.broker().open_events().await;
    let is_bound = |tag: u64| !tag.is_multiple_of(3);
    for round in 0..4 {
        for tag in round * 500..(round + 1) * 500 {
            publisher.publish(tag, event(tag, if is_bound(tag) { "chat.message.a" } else { "session.opened.a" }));
        }
        for (tag, outcome) in settled(&mut publisher, 500).await {
            let expected = if is_bound(tag) { Outcome::Routed } else { Outcome::Unroutable };
            assert_eq!(outcome, expected, "{tag}");
        }
    }
    publisher.close().await;
}

/// A queue that is full refuses events, and those that it has accepted are in it.
pub async fn a_full_queue_refuses_events_and_accepts_them_later<S: BrokerSubject>(subject: &S) {
    subject.bind("chat.message", Some(1)).await;
    let mut publisher = subject.broker().open_events().await;
    publisher.publish(1, event(1, "chat.message.a"));
    assert_eq!(settled(&mut publisher, 1).await, [(1, Outcome::Routed)].into());
    // A broker may accept a little more than the capacity.
    let mut accepted = vec![1];
    let refused = loop {
        let tag = accepted.len() as u64 + 1;
        assert!(tag < 1_000, "the queue is never full");
        publisher.publish(tag, event(tag, "chat.message.a"));
        match settled(&mut publisher, 1).await[&tag] {
            Outcome::Refused => break tag,
            outcome => assert_eq!(outcome, Outcome::Routed),
        }
        accepted.push(tag);
    };
    for tag in accepted {
        assert_eq!(subject.receive("chat.message").await.id, format!("event-{tag}"));
    }
    publisher.publish(refused, event(refused, "chat.message.a"));
    assert_eq!(settled(&mut publisher, 1).await, [(refused, Outcome::Routed)].into());
    publisher.close().await;
}

/// A wait for settlements can be dropped at any time.
pub async fn dropping_a_wait_for_settlements_loses_none<S: BrokerSubject>(subject: &S) {
    subject.bind("chat.message", None).await;
    let mut publisher = subject.broker().open_events().await;
    let mut outcomes = BTreeMap::new();
    for tag in 1..=100 {
        publisher.publish(tag, event(tag, "chat.message.a"));
        if let Some(settled) = publisher.settled().now_or_never() {
            outcomes.extend(settled.unwrap().into_iter().map(|settled| (settled.tag, settled.outcome)));
        }
    }
    outcomes.extend(settled(&mut publisher, 100 - outcomes.len()).await);
    assert_eq!(outcomes.len(), 100);
    for tag in 1..=100 {
        assert_eq!(subject.receive("chat.message").await.id, format!("event-{tag}"), "each is published once");
    }
    publisher.close().await;
}

/// A channel reports the loss of its connection, also when nothing is under way on it.
pub async fn publishers_fail_with_their_connection_and_can_be_opened_again<S: BrokerSubject>(subject: &S) {
    subject.bind("chat.message", None).await;
    let mut publisher = subject.broker().open_events().await;
    assert!(timeout(Duration::from_millis(10), publisher.settled()).await.is_err(), "there is nothing to settle");
    subject.disconnect().await;
    let failed = timeout(PATIENCE, publisher.settled()).await.expect("the loss is reported in time");
    assert!(matches!(failed, Err(ChannelError::Disconnected(_))), "{failed:?}");
    check_publishing(subject, 1).await;
}

/// After a connection was given up, another one is used.
pub async fn an_abandoned_connection_is_replaced<S: BrokerSubject>(subject: &S) {
    subject.bind("chat.message", None).await;
    for tag in 1..=2 {
        let publisher = subject.broker().open_events().await;
        publisher.abandon("a test").await;
        check_publishing(subject, tag).await;
    }
}
