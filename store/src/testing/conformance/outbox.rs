//! The outbox: events in the order of what they report, each once, within the bound.

use std::time::Duration;

use bytes::Bytes;
use realtime_gateway_protocol::{CloseCode, NotificationId, SessionId, Timestamp, UserId};
use serde_json::{Value, json};

use super::{OUTBOX, Subject, key, sessions};
use crate::{Admission, Append, Event, EventDetail, EventSource, Notify, OutboxEntry};

/// How long a read may wait. Events that are there are returned immediately.
const SOON: Duration = Duration::from_secs(10);

fn event(subject: &Subject, id: &str) -> Event {
    let (key, body) = (format!("chat.message.{id}").into(), Bytes::from(format!("{{\"n\":\"{id}\"}}")));
    Event { id: id.into(), key, at: subject.now(), body, source: EventSource::Client }
}

fn reported(subject: &Subject, clan: &str, id: &str) -> Append {
    Append { event: Some(event(subject, id)), ..subject.entry(clan, id) }
}

async fn read(subject: &Subject, after: u64) -> Vec<OutboxEntry> {
    subject.store.read_outbox(after, 1_000, Duration::ZERO).await.unwrap()
}

fn ids(entries: &[OutboxEntry]) -> Vec<&str> {
    entries.iter().map(|entry| &*entry.event.id).collect()
}

fn notifications(names: &[&str]) -> EventDetail {
    EventDetail::Notifications(names.iter().map(|name| NotificationId::new(name).unwrap()).collect())
}

pub async fn returns_events_in_order_of_operations(subject: &Subject) {
    let appended = subject.store.append(reported(subject, "a", "one")).await.unwrap();
    for id in ["n1", "n2"] {
        let base = subject.notification("u", id);
        let dropped_event = Some(event(subject, "dropped"));
        subject.notify(Notify { max_pending: 1, dropped_event, ..base }).await;
    }
    let (user, n2) = (UserId::new("u").unwrap(), [NotificationId::new("n2").unwrap()]);
    subject.store.acknowledge(&user, &n2, Some(event(subject, "acked"))).await.unwrap();
    subject.append(reported(subject, "b", "two")).await;

    let entries = read(subject, 0).await;
    assert_eq!(ids(&entries), ["one", "dropped", "acked", "two"]);
    let first = &entries[0];
    assert_eq!((&first.event, &*first.node), (&event(subject, "one"), "n"));
    let entry = |offset| EventDetail::Entry { offset, epoch: appended.epoch.clone() };
    let details: Vec<_> = entries.iter().map(|entry| entry.detail.clone()).collect();
    assert_eq!(details, [entry(1), notifications(&["n1"]), notifications(&["n2"]), entry(1)]);
    assert!(entries.is_sorted_by_key(|entry| entry.sequence));
}

pub async fn reports_only_what_happened(subject: &Subject) {
    let append = || Append { key: key("u", "1"), ..reported(subject, "a", "one") };
    subject.append(append()).await;
    assert!(subject.store.append(append()).await.unwrap().duplicate);
    let dropped_event = Some(event(subject, "dropped"));
    subject.notify(Notify { dropped_event, ..subject.notification("u", "n1") }).await;
    let (user, other) = (UserId::new("u").unwrap(), [NotificationId::new("n9").unwrap()]);
    subject.store.acknowledge(&user, &other, Some(event(subject, "acked"))).await.unwrap();
    subject.append(subject.entry("a", "without")).await;
    assert_eq!(ids(&read(subject, 0).await), ["one"]);
}

pub async fn reads_events_after_position_and_removes_them(subject: &Subject) {
    for id in ["1", "2", "3", "4"] {
        subject.append(reported(subject, "a", id)).await;
    }
    let first = subject.store.read_outbox(0, 2, SOON).await.unwrap();
    assert_eq!(ids(&first), ["1", "2"]);
    let rest = read(subject, first[1].sequence).await;
    assert_eq!(ids(&rest), ["3", "4"]);
    subject.store.remove_from_outbox(&[first[1].sequence, rest[0].sequence]).await.unwrap();
    let left = read(subject, 0).await;
    assert_eq!(ids(&left), ["1", "4"]);
    subject.store.remove_from_outbox(&[left[0].sequence, left[1].sequence, left[1].sequence]).await.unwrap();
    subject.append(reported(subject, "a", "5")).await;
    // A reader that has read the last event must get the next one, although the outbox was empty in between.
    assert_eq!(ids(&read(subject, left[1].sequence).await), ["5"]);
}

pub async fn wakes_reader_that_waits_for_event(subject: &Subject) {
    let store = subject.store.clone();
    let waits = async { store.read_outbox(0, 10, SOON).await.unwrap() };
    let (found, _) = tokio::join!(waits, subject.append(reported(subject, "a", "one")));
    assert_eq!(ids(&found), ["one"]);
    let leased = subject.store.lease_outbox(Duration::from_secs(10)).await.unwrap();
    assert!(leased, "no other node publishes");
    subject.store.release_outbox().await.unwrap();
}

pub async fn counts_events_beyond_limit(subject: &Subject) {
    for n in 0..OUTBOX + 3 {
        subject.append(reported(subject, "a", &n.to_string())).await;
    }
    let status = subject.store.outbox_status().await.unwrap();
    assert_eq!((status.entries, status.overflowed), (OUTBOX, 3));
    assert_eq!(subject.read(&super::topic("a"), 0).await.entries.len() as u64, OUTBOX + 3, "all was done");
    let entries = read(subject, 0).await;
    subject.store.remove_from_outbox(&[entries[0].sequence]).await.unwrap();
    subject.append(reported(subject, "a", "later")).await;
    assert_eq!(read(subject, 0).await.last().map(|entry| entry.event.id.to_string()).as_deref(), Some("later"));
}

pub async fn outbox_reports_age_of_oldest_event(subject: &Subject) {
    let empty = subject.store.outbox_status().await.unwrap();
    assert_eq!((empty.entries, empty.oldest), (0, None));
    let first = subject.now();
    subject.append(reported(subject, "a", "one")).await;
    subject.pass(Duration::from_secs(5));
    subject.append(reported(subject, "a", "two")).await;
    let status = subject.store.outbox_status().await.unwrap();
    assert_eq!((status.entries, status.oldest), (2, Some(first)));
}

pub async fn reports_session_as_opened_once_and_closed_once(subject: &Subject) {
    let record = |id: &str| sessions::session(subject, id);
    let close = async |id: &str, code| {
        let (user, id) = (UserId::new("u").unwrap(), SessionId::new(id).unwrap());
        subject.store.close_session(&user, &id, code).await.unwrap();
    };
    assert_eq!(subject.store.open_session(record("s1"), sessions::ONE).await.unwrap(), Admission::Admitted(vec![]));
    subject.pass(Duration::from_secs(3));
    subject.store.open_session(record("s2"), sessions::ONE).await.unwrap();
    // The connection of the replaced session ends later, and reports that again.
    close("s1", CloseCode::REPLACED).await;
    assert_eq!(subject.store.restore_session(record("s2"), sessions::ONE).await.unwrap(), Admission::Admitted(vec![]));
    subject.store.open_session(record("s3"), sessions::REJECT).await.unwrap();
    subject.pass(Duration::from_secs(2));
    close("s2", CloseCode::NORMAL).await;
    close("s2", CloseCode::NORMAL).await;
    close("s3", CloseCode::SESSION_LIMIT).await;

    let entries = read(subject, 0).await;
    let reported: Vec<_> = entries
        .iter()
        .map(|entry| {
            let body: Value = serde_json::from_slice(&entry.event.body).unwrap();
            (&*entry.event.id, &*entry.event.key, body)
        })
        .collect();
    let closed = |id: &str, code: u16, ms: u64| json!({ "sessionId": id, "code": code, "durationMs": ms });
    assert_eq!(
        reported,
        [
            ("opened-s1", "session.opened.u", json!({ "sessionId": "s1" })),
            ("closed-s1", "session.closed.u", closed("s1", 4409, 3_000)),
            ("opened-s2", "session.opened.u", json!({ "sessionId": "s2" })),
            ("closed-s2", "session.closed.u", closed("s2", 1000, 2_000)),
        ]
    );
    assert_eq!(entries[1].event.at, Timestamp::from_millis(entries[0].event.at.millis() + 3_000));
}
