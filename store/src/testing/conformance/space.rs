//! Space: beyond its limit a store refuses new entries and nothing else, and accepts them again once there is space.

use std::time::{Duration, Instant};

use super::{ALL, KEEP, Subject, WINDOW, broadcast, key, topic, user_topic};
use crate::{
    Append, Escalation, Event, EventSource, Notify, Redaction, Retention, SpaceLimits, StoreError, StoreStatus,
};

const MIB: u64 = 1024 * 1024;
/// How much the store may grow in a case.
const ROOM: u64 = 2 * MIB;
/// How long entries live, so that a sweep frees their space.
const ONE_MINUTE: Retention = Retention { max_age: Duration::from_secs(60), ..KEEP };
/// The limits of a store that is not limited.
const NONE: SpaceLimits = SpaceLimits { max_bytes: None, min_free_percent: 0 };

/// Waits until the status is as expected: a server reports its memory about once a second.
async fn status_with(subject: &Subject, what: &str, holds: impl Fn(&StoreStatus) -> bool) -> StoreStatus {
    let began = Instant::now();
    loop {
        let status = subject.store.status();
        if holds(&status) {
            return status;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{what} did not come to hold: {status:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Lets the store grow by a number of bytes.
async fn limit(subject: &Subject, room: u64) -> SpaceLimits {
    let used = status_with(subject, "the usage", |status| status.space.used.is_some()).await.space.used.unwrap();
    let limits = SpaceLimits { max_bytes: Some(used + room), min_free_percent: 0 };
    subject.store.set_space_limits(limits);
    limits
}

fn large(subject: &Subject) -> Append {
    Append { body: vec![7; 16 * 1024].into(), retention: ONE_MINUTE, ..subject.entry("a", "x") }
}

/// Appends until the store refuses all new entries, and returns the last offset. Before that it refuses what may not
/// fit until it has measured its usage again.
pub async fn fill(subject: &Subject, entry: impl Fn() -> Append) -> u64 {
    let (began, mut last) = (Instant::now(), 0);
    while subject.store.status().space.refusing.is_none() {
        match subject.store.append(entry()).await {
            Ok(appended) => last = appended.offset,
            Err(error) => {
                assert!(error.to_string().contains("space"), "{error}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        let is_late = began.elapsed() > Duration::from_secs(20);
        assert!(!is_late, "after {last} entries the limit is not reached: {:?}", subject.store.status());
    }
    last
}

fn is_refused<T>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Full(reason)) if reason.contains("store.max_bytes"))
}

pub async fn refuses_only_new_entries_beyond_space_limit(subject: &Subject) {
    let store = &subject.store;
    for id in ["n1", "n2"] {
        subject.notify(subject.notification("u", id)).await;
    }
    let first = Append { key: key("u", "first"), ..subject.entry("b", "first") };
    subject.append(first).await;
    limit(subject, ROOM).await;
    assert_eq!(store.status().space.refusing, None);
    let last = fill(subject, || large(subject)).await;
    let status = store.status();
    assert!(status.writable, "the store works, and new entries are refused");
    assert!(status.space.limit.is_some() && status.space.used > Some(0));
    let refused = store.append(subject.entry("a", "small")).await;
    assert!(is_refused(&refused), "{refused:?}");
    let refused = store.notify(subject.notification("u", "n3")).await;
    assert!(is_refused(&refused), "{refused:?}");
    let refused = store.notify_all(broadcast(subject, &["u", "v"], "n4")).await;
    assert!(refused.iter().all(is_refused) && refused.len() == 2, "{refused:?}");

    // Operations that free space, and those of the node itself, still succeed.
    let user = subject.notification("u", "n1").user;
    let acknowledged = store.acknowledge(&user, &[subject.notification("u", "n1").id], None).await.unwrap();
    assert_eq!(acknowledged.len(), 1);
    let redaction = Some(Redaction { offset: last, body: "gone".into() });
    let deleted = store.append(Append { redaction, retention: ONE_MINUTE, ..subject.entry("a", "deletion") }).await;
    assert_eq!(deleted.unwrap().offset, last + 1);
    assert_eq!(subject.read(&topic("a"), last - 1).await.entries[0].body, "gone");
    store.probe().await.unwrap();
    assert_eq!(subject.read(&user_topic("u"), 0).await.entries.len(), 1);

    subject.pass(Duration::from_secs(60));
    assert_eq!(subject.sweep().await.0, last + 1);
    status_with(subject, "accepting", |status| status.space.refusing.is_none()).await;
    assert_eq!(subject.append(large(subject)).await, last + 2);
    subject.notify(subject.notification("u", "n3")).await;
}

pub async fn concurrent_writers_do_not_exceed_space_limit_by_much(subject: &Subject) {
    let max = limit(subject, ROOM).await.max_bytes.unwrap();
    let writers = (0..1_000).map(|n| {
        let (store, append) = (subject.store.clone(), large(subject));
        async move { store.append(Append { topic: topic(&format!("c{}", n % 16)), ..append }).await.is_ok() }
    });
    let accepted = subject.concurrently(writers).await.into_iter().filter(|accepted| *accepted).count();
    assert!((20..=140).contains(&accepted), "16 KiB each, {accepted} were accepted");
    fill(subject, || large(subject)).await;
    let status = subject.store.status();
    assert!(status.space.used < Some(max + MIB), "{status:?}");
    subject.store.set_space_limits(NONE);
    assert_eq!(subject.store.status().space.refusing, None);
    subject.append(large(subject)).await;
}

pub async fn escalation_waits_for_space(subject: &Subject) {
    let base = subject.notification("u", "a");
    subject.notify(Notify { escalate_at: Some(subject.now()), ..base.clone() }).await;
    limit(subject, ROOM).await;
    fill(subject, || large(subject)).await;
    let event = Event {
        id: "e".into(),
        key: "notification.unacked.u".into(),
        at: subject.now(),
        body: base.body.clone(),
        source: EventSource::Client,
    };
    let escalate = async || {
        subject
            .store
            .escalate(vec![Escalation { user: base.user.clone(), offset: 1, event: Some(event.clone()) }])
            .await
    };
    let refused = escalate().await;
    assert!(is_refused(&refused), "{refused:?}");
    assert_eq!(subject.store.due_escalations(ALL).await.unwrap().due.len(), 1, "it is due as before");
    subject.pass(Duration::from_secs(60));
    subject.sweep().await;
    status_with(subject, "accepting", |status| status.space.refusing.is_none()).await;
    assert_eq!(escalate().await.unwrap(), [true]);
}

/// Stores 1,200 messages and 100 notifications, each with a key, and returns how many keys there were before.
async fn store_keys(subject: &Subject) -> u64 {
    let status = status_with(subject, "the usage", |status| status.space.used.is_some()).await;
    let before = status.idempotency_keys;
    let appends = (0..1_200).map(|n| {
        let (store, append) = (subject.store.clone(), subject.entry("a", "x"));
        async move { store.append(Append { key: key("u", &n.to_string()), ..append }).await.is_ok() }
    });
    assert!(subject.concurrently(appends).await.into_iter().all(|accepted| accepted));
    let notify = |n: usize| Notify { max_pending: 1, ..subject.notification("u", &n.to_string()) };
    for n in 0..100 {
        subject.notify(notify(n)).await;
    }
    let all = |status: &StoreStatus| status.idempotency_keys >= before + 1_300;
    status_with(subject, "counting the keys", all).await;
    before
}

pub async fn counts_idempotency_keys(subject: &Subject) {
    store_keys(subject).await;
}

pub async fn forgets_idempotency_keys_after_window(subject: &Subject) {
    let before = store_keys(subject).await;
    subject.pass(WINDOW);
    let first = subject.store.sweep(subject.now()).await.unwrap();
    assert!(first.more, "a sweep is bounded: {first:?}");
    subject.sweep().await;
    assert_eq!(subject.store.status().idempotency_keys, before);
}
