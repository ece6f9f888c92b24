//! Cases of a broker that publishes dead letters.

use tokio::time::timeout;

use super::{BrokerSubject, PATIENCE, ReceivedDeadLetter};
use crate::bus::broker::{Broker, Consumer, DeadLetter, DeadLetterForm, Outcome, Publisher, Settled};

async fn check<S: BrokerSubject>(subject: &S, form: DeadLetterForm) {
    subject.publish("weather.today", Some("m"), "{\"a\":1}").await;
    let mut consumer = subject.broker().open_inbound().await;
    let delivery = timeout(PATIENCE, consumer.next()).await.expect("the event is delivered in time").unwrap();
    let mut publisher = subject.broker().open_dead_letters().await;
    let letter = DeadLetter {
        key: delivery.key,
        body: delivery.body,
        reason: "unknown_key",
        detail: "no kind of event has this routing key".into(),
        original: delivery.original,
        form,
    };
    publisher.publish(7, letter);
    let settled = timeout(PATIENCE, publisher.settled()).await.expect("the dead letter is settled in time").unwrap();
    assert_eq!(settled, [Settled { tag: 7, outcome: Outcome::Routed }]);
    consumer.acknowledge(delivery.tag).await.unwrap();
    let expected = ReceivedDeadLetter {
        key: "weather.today".into(),
        body: "{\"a\":1}".into(),
        reason: "unknown_key".into(),
        detail: "no kind of event has this routing key".into(),
    };
    let received = timeout(PATIENCE, subject.receive_dead_letter()).await.expect("the dead letter arrives in time");
    assert_eq!(received, expected);
    publisher.close().await;
    consumer.close().await;
}

/// A dead letter holds key and body of its event, and why it was refused.
pub async fn dead_letters_hold_the_event_and_the_reason<S: BrokerSubject>(subject: &S) {
    check(subject, DeadLetterForm::Complete).await;
}

/// The same without what else came with the event.
pub async fn plain_dead_letters_hold_the_event_and_the_reason<S: BrokerSubject>(subject: &S) {
    check(subject, DeadLetterForm::Plain).await;
}
