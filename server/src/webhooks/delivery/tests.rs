//! Batches, their bounds, and what responses do to them.

use super::*;
use crate::store::{Event, EventDetail, EventSource, OutboxEntry};

fn event(sequence: u64, body_bytes: usize) -> WaitingEvent {
    let body = format!("{{\"x\":\"{}\"}}", "x".repeat(body_bytes)).into();
    let at = Timestamp::from_millis(1_000 * sequence);
    let event = Event {
        id: format!("e{sequence}").into(),
        key: "chat.message.c".into(),
        at,
        body,
        source: EventSource::Client,
    };
    WaitingEvent {
        entry: OutboxEntry { sequence, node: "n".into(), event, detail: EventDetail::None },
        since: at,
        attempts: 0,
    }
}

fn delivery(events: std::ops::RangeInclusive<u64>, max_batch: usize) -> Delivery {
    let mut delivery = Delivery::new(WebhookName::new("shop").unwrap());
    delivery.load(events.map(|sequence| event(sequence, 1)).collect(), max_batch);
    delivery
}

/// Returns the ids of the events of a body.
fn ids(batch: &Batch) -> Vec<String> {
    let body: serde_json::Value = serde_json::from_str(&batch.body).unwrap();
    let events = body["events"].as_array().unwrap().clone();
    assert_eq!(events.len(), batch.events);
    events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn repeat_keeps_body_and_id() {
    let mut delivery = delivery(1..=3, 10);
    let first = delivery.next();
    assert_eq!(ids(&first), ["e1", "e2", "e3"]);
    assert!(first.id.strip_prefix("msg_").is_some_and(|digest| digest.len() == 32));
    assert_eq!((delivery.failed(), delivery.failed()), (1, 2));
    assert_eq!(delivery.next(), first);
    assert_eq!(delivery.taken(), [1, 2, 3]);
    assert!(delivery.is_empty());
    delivery.load(vec![event(4, 1)], 10);
    assert_ne!(delivery.next().id, first.id);
    assert_eq!(delivery.failed(), 1, "a batch that was taken ends the failures");
}

#[test]
fn same_event_under_another_sequence_has_another_id() {
    let mut delivery = delivery(1..=1, 10);
    let first = delivery.next();
    delivery.taken();
    let mut replayed = event(1, 1);
    replayed.entry.sequence = 9;
    delivery.load(vec![replayed], 10);
    let second = delivery.next();
    assert_eq!(second.body, first.body);
    assert_ne!(second.id, first.id);
}

#[test]
fn bounds_number_and_bytes_of_events() {
    let mut delivery = delivery(1..=10, 4);
    assert_eq!(delivery.next().events, 4);
    let quarter = MAX_BODY_BYTES / 4;
    delivery.load((1..=10).map(|sequence| event(sequence, quarter)).collect(), 100);
    let batch = delivery.next();
    assert_eq!(batch.events, 3);
    assert!(batch.body.len() <= MAX_BODY_BYTES);
    delivery.load(vec![event(1, 2 * MAX_BODY_BYTES), event(2, 1)], 100);
    assert_eq!(delivery.next().events, 1, "an event that is too large is sent alone");
}

/// Sends all events to a receiver that refuses some, and returns what was taken, what was refused, and the requests.
fn run(delivery: &mut Delivery, is_refused: impl Fn(&str) -> bool) -> (Vec<u64>, Vec<Death>, usize) {
    let (mut taken, mut dead, mut requests) = (Vec::new(), Vec::new(), 0);
    while !delivery.is_empty() {
        requests += 1;
        if ids(&delivery.next()).iter().any(|id| is_refused(id)) {
            dead.extend(delivery.refused());
        } else {
            taken.extend(delivery.taken());
        }
    }
    (taken, dead, requests)
}

#[test]
fn halves_refused_batch_until_one_event_is_refused_alone() {
    let (taken, dead, requests) = run(&mut delivery(1..=100, 100), |id| id == "e77");
    assert_eq!(taken.len(), 99);
    assert!(taken.is_sorted(), "the order is kept");
    let [death] = dead[..] else { panic!("{dead:?}") };
    assert_eq!((death.sequence, death.reason), (77, DeadReason::Refused));
    assert!(requests < 25, "{requests}");
    // A receiver that refuses everything costs two requests for each event.
    let (taken, dead, requests) = run(&mut delivery(1..=100, 100), |_| true);
    assert_eq!((taken.len(), dead.len()), (0, 100));
    assert!(requests <= 220, "{requests}");
}

#[test]
fn gives_up_events_that_wait_for_too_long() {
    let mut delivery = delivery(1..=3, 10);
    delivery.next();
    let at = |seconds: u64| Timestamp::from_millis(1_000 * seconds);
    let minute = Duration::from_secs(60);
    assert_eq!(delivery.expired(at(60), minute), (Vec::new(), Some(at(61))));
    let (expired, next) = delivery.expired(at(62), minute);
    assert_eq!((expired.len(), next), (2, Some(at(63))));
    assert_eq!(expired[0], Death { sequence: 1, reason: DeadReason::Expired, attempts: 1 });
    delivery.remove(&expired);
    assert_eq!(ids(&delivery.next()), ["e3"]);
    assert_eq!(delivery.expired(at(63), minute).1, None);
}

#[test]
fn gives_up_oldest_events_beyond_limit_with_their_attempts() {
    let mut delivery = delivery(1..=2, 10);
    delivery.next();
    let dead = delivery.overflowing([1, 2, 7].into_iter());
    assert_eq!(dead.iter().map(|death| death.attempts).collect::<Vec<_>>(), [1, 1, 0]);
    assert!(dead.iter().all(|death| death.reason == DeadReason::Overflow));
    delivery.remove(&dead);
    assert!(delivery.is_empty());
}
