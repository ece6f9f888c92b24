//! Cases of a broker that delivers events of backend services.

use std::time::Duration;

use tokio::time::timeout;

use super::{BrokerSubject, PATIENCE};
use crate::bus::broker::{Broker, ChannelError, Consumer, Delivery};

/// How long to wait for what must not happen.
const QUIET: Duration = Duration::from_millis(300);

async fn publish<S: BrokerSubject>(subject: &S, numbers: std::ops::Range<u32>) {
    for number in numbers {
        subject.publish("notification.alice", Some(&number.to_string()), "{}").await;
    }
}

async fn next<O, C: Consumer<O>>(consumer: &mut C) -> Delivery<O> {
    timeout(PATIENCE, consumer.next()).await.expect("an event is delivered in time").unwrap()
}

/// Checks that these come next, and returns their tags.
async fn expect<O, C: Consumer<O>>(consumer: &mut C, numbers: std::ops::Range<u32>) -> Vec<u64> {
    let mut tags = Vec::new();
    for number in numbers {
        let delivery = next(consumer).await;
        assert_eq!(delivery.id, Some(number.to_string()));
        tags.push(delivery.tag);
    }
    tags
}

async fn is_quiet<O, C: Consumer<O>>(consumer: &mut C) {
    assert!(timeout(QUIET, consumer.next()).await.is_err(), "nothing is delivered");
}

/// Deliveries have key, id and body of what was published, in the order of publication.
pub async fn deliveries_hold_what_was_published_in_order<S: BrokerSubject>(subject: &S) {
    publish(subject, 0..50).await;
    subject.publish("clan_chat.a%2Eb", None, "not {JSON").await;
    let mut consumer = subject.broker().open_inbound().await;
    expect(&mut consumer, 0..50).await;
    let delivery = next(&mut consumer).await;
    assert_eq!((delivery.key.as_str(), delivery.id, &delivery.body[..]), ("clan_chat.a%2Eb", None, &b"not {JSON"[..]));
    assert_eq!(delivery.unreadable, None);
    consumer.close().await;
}

/// What was not acknowledged comes to the next consumer in its order, and before what is behind it.
pub async fn unacknowledged_deliveries_come_again_in_order<S: BrokerSubject>(subject: &S) {
    publish(subject, 0..10).await;
    let mut consumer = subject.broker().open_inbound().await;
    let tags = expect(&mut consumer, 0..5).await;
    consumer.acknowledge(tags[0]).await.unwrap();
    consumer.close().await;
    let mut consumer = subject.broker().open_inbound().await;
    expect(&mut consumer, 1..10).await;
    consumer.close().await;
}

/// An event that was acknowledged is not delivered again, in whatever order the acknowledgements come.
pub async fn acknowledged_deliveries_do_not_come_again<S: BrokerSubject>(subject: &S) {
    publish(subject, 0..10).await;
    let mut consumer = subject.broker().open_inbound().await;
    let tags = expect(&mut consumer, 0..10).await;
    for tag in tags.into_iter().rev() {
        consumer.acknowledge(tag).await.unwrap();
    }
    consumer.close().await;
    let mut consumer = subject.broker().open_inbound().await;
    is_quiet(&mut consumer).await;
    consumer.close().await;
}

/// No number of deliveries removes an event, or moves it to the dead letters.
pub async fn deliveries_come_again_however_often_a_channel_ends<S: BrokerSubject>(subject: &S) {
    publish(subject, 0..3).await;
    for _ in 0..25 {
        let mut consumer = subject.broker().open_inbound().await;
        expect(&mut consumer, 0..3).await;
        consumer.close().await;
    }
    let dead = timeout(QUIET, subject.receive_dead_letter()).await;
    assert!(dead.is_err(), "{dead:?}");
}

/// A consumer reports the loss of its connection, and the next one gets what was not acknowledged.
pub async fn consumers_fail_with_their_connection_and_lose_nothing<S: BrokerSubject>(subject: &S) {
    publish(subject, 0..3).await;
    let mut consumer = subject.broker().open_inbound().await;
    expect(&mut consumer, 0..3).await;
    subject.disconnect().await;
    let failed = timeout(PATIENCE, consumer.next()).await.expect("the loss is reported in time");
    assert!(matches!(failed, Err(ChannelError::Disconnected(_))));
    consumer.close().await;
    let mut consumer = timeout(PATIENCE, subject.broker().open_inbound()).await.expect("a channel opens in time");
    expect(&mut consumer, 0..3).await;
    consumer.close().await;
}

/// After a cancellation nothing is delivered, deliveries can be acknowledged, and the rest stays at the broker.
pub async fn a_cancelled_consumer_delivers_nothing_and_still_acknowledges<S: BrokerSubject>(subject: &S) {
    publish(subject, 0..2).await;
    let mut consumer = subject.broker().open_inbound().await;
    let tags = expect(&mut consumer, 0..2).await;
    consumer.cancel().await.unwrap();
    publish(subject, 2..3).await;
    is_quiet(&mut consumer).await;
    consumer.acknowledge(tags[0]).await.unwrap();
    consumer.close().await;
    let mut consumer = subject.broker().open_inbound().await;
    expect(&mut consumer, 1..3).await;
    consumer.close().await;
}
