//! Events that the file keeps for backend services from one process to the next.

use std::{path::Path, sync::Arc, time::Duration};

use realtime_gateway_protocol::Timestamp;
use serde_json::Value;

use super::{Durability, RedbStore};
use crate::{
    Append, Event, EventSource, Options, Outbox, OutboxEntry, Sessions, Store,
    clock::Clock,
    testing::conformance::{ONE, Subject, options, options_with_outbox, session},
};

fn open(path: &Path, options: Options, now: Timestamp) -> RedbStore {
    RedbStore::open(path, Durability::Fsync, options, Clock::new(move || now)).unwrap()
}

async fn read(store: &RedbStore, after: u64) -> Vec<OutboxEntry> {
    store.read_outbox(after, 100, Duration::ZERO).await.unwrap()
}

#[tokio::test]
async fn reports_sessions_of_killed_process_as_closed_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.redb");
    let subject = Subject::new(|clock| {
        Arc::new(RedbStore::open(&path, Durability::Fsync, options_with_outbox(), clock).unwrap())
    });
    let (since, later) = (subject.now(), Timestamp::from_millis(subject.now().millis() + 7_000));
    for id in ["s1", "s2"] {
        subject.store.open_session(session(&subject, id), crate::SessionPolicy { max: 2, ..ONE }).await.unwrap();
    }
    // No session is closed: as when the process is killed.
    subject.store.close().await;

    let next = open(&path, options_with_outbox(), later);
    let reported = read(&next, 0).await;
    let keys: Vec<_> = reported.iter().map(|entry| &*entry.event.id).collect();
    assert_eq!(keys, ["opened-s1", "opened-s2", "closed-s1", "closed-s2"]);
    let body: Value = serde_json::from_slice(&reported[3].event.body).unwrap();
    assert_eq!((&body["code"], &body["durationMs"]), (&1006.into(), &7_000.into()));
    assert_eq!((reported[0].event.at, reported[3].event.at), (since, later));
    next.close().await;

    let again = open(&path, options_with_outbox(), later);
    assert_eq!(read(&again, 0).await.len(), 4, "once");
    let s1 = session(&subject, "s1");
    again.close_session(&s1.user, &s1.id, realtime_gateway_protocol::CloseCode::NORMAL).await.unwrap();
    assert_eq!(read(&again, 0).await.len(), 4);
}

#[tokio::test]
async fn keeps_order_of_events_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.redb");
    let subject = Subject::new(|clock| {
        Arc::new(RedbStore::open(&path, Durability::Fsync, options_with_outbox(), clock).unwrap())
    });
    let event = Event {
        id: "e".into(),
        key: "chat.message.a".into(),
        at: subject.now(),
        body: "{}".into(),
        source: EventSource::Client,
    };
    let append = |body: &str| Append { event: Some(event.clone()), ..subject.entry("a", body) };
    subject.append(append("1")).await;
    subject.store.close().await;

    let next = open(&path, options_with_outbox(), subject.now());
    let waiting = read(&next, 0).await;
    assert_eq!(waiting[0].event, event);
    crate::Log::append(&next, append("2")).await.unwrap();
    assert_eq!(read(&next, waiting[0].sequence).await.len(), 1);
    next.close().await;

    // Without a broker the outbox is not read, and nothing more is written into it.
    let without = open(&path, options(), subject.now());
    crate::Log::append(&without, append("3")).await.unwrap();
    assert_eq!(read(&without, 0).await.len(), 2);
}
