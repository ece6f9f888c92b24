//! Notifications for several users: order, duplicates, the cap, expiry, and bodies that are stored once.

use std::time::Duration;

use bytes::Bytes;
use realtime_gateway_protocol::{NotificationId, Timestamp, UserId, topic::Shard};

use super::{Subject, WINDOW, bodies, content, counts, offsets, user_topic};
use crate::{Broadcast, Event, EventDetail, EventSource, Notified, Recipient, StoreError};

/// More recipients than a store handles in one step.
const MANY: usize = 600;

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn id(id: &str) -> NotificationId {
    NotificationId::new(id).unwrap()
}

/// Returns the names of many users.
fn many() -> Vec<String> {
    (0..MANY).map(|n| format!("u{n}")).collect()
}

/// Returns a broadcast that expires after ten minutes, with a body that is long enough to be shared.
pub fn broadcast<S: AsRef<str>>(subject: &Subject, users: &[S], named: &str) -> Broadcast {
    let recipient = |name: &S| Recipient { user: user(name.as_ref()), dropped_event: None };
    Broadcast {
        id: id(named),
        content: content(named),
        at: subject.now(),
        body: Bytes::from(long_body(named)),
        expires: Timestamp::from_millis(subject.now().millis() + 600_000),
        escalate_at: None,
        max_pending: 1_000,
        recipients: users.iter().map(recipient).collect(),
    }
}

/// Returns the body of a broadcast.
pub fn long_body(named: &str) -> String {
    format!("{named}-{}", "x".repeat(2_000))
}

async fn notify_all(subject: &Subject, broadcast: Broadcast) -> Vec<Notified> {
    subject.store.notify_all(broadcast).await.into_iter().map(Result::unwrap).collect()
}

async fn acknowledge(subject: &Subject, name: &str, ids: &[&str]) -> Vec<NotificationId> {
    let ids: Vec<_> = ids.iter().map(|named| id(named)).collect();
    subject.store.acknowledge(&user(name), &ids, None).await.unwrap()
}

async fn pending(subject: &Subject, name: &str) -> Vec<String> {
    let page = subject.read(&user_topic(name), 0).await;
    assert!(page.lost.is_none(), "{:?}", page.lost);
    assert_eq!(subject.store.pending_count(&user(name)).await.unwrap(), page.entries.len() as u64);
    bodies(&page).iter().map(|body| body.split('-').next().unwrap().to_owned()).collect()
}

pub async fn stores_broadcast_for_each_recipient_in_order(subject: &Subject) {
    let users = many();
    subject.notify(subject.notification("u1", "earlier")).await;
    let shards: Vec<Shard> = users.iter().map(|name| user_topic(name).shard()).collect();
    let before = counts(&*subject.store, &shards).await;
    let stored = notify_all(subject, broadcast(subject, &users, "a")).await;
    let expected: Vec<u64> = (0..MANY).map(|n| if n == 1 { 2 } else { 1 }).collect();
    assert_eq!(stored.iter().map(|notified| notified.offset).collect::<Vec<_>>(), expected);
    assert!(stored.iter().all(|notified| !notified.duplicate && notified.dropped.is_empty()));
    assert!(stored.iter().all(|notified| notified.epoch == subject.store.epoch()));
    let after = counts(&*subject.store, &shards).await;
    for (index, shard) in shards.iter().enumerate() {
        let recipients = shards.iter().filter(|other| *other == shard).count() as u64;
        assert_eq!(after[index], before[index] + recipients, "a counter rises with each notification");
        assert!(stored[index].shard_count > before[index] && stored[index].shard_count <= after[index]);
    }
    for name in ["u0", "u1", "u299", "u599"] {
        let page = subject.read(&user_topic(name), 0).await;
        assert_eq!(bodies(&page).last().unwrap(), &long_body("a"));
        assert_eq!(page.entries.last().unwrap().at, subject.now());
        let back = subject.store.read_back(&user_topic(name), u64::MAX, super::ALL).await.unwrap();
        assert_eq!(offsets(&back), offsets(&page));
    }
    subject.assert_bodies(1).await;
    notify_all(subject, broadcast(subject, &users, "b")).await;
    assert_eq!(pending(subject, "u1").await, ["earlier", "a", "b"]);
    subject.assert_bodies(2).await;
}

pub async fn recognises_duplicates_within_and_across_broadcasts(subject: &Subject) {
    subject.notify(subject.notification("v", "a")).await;
    let first = notify_all(subject, broadcast(subject, &["u", "v", "w", "u"], "a")).await;
    let seen = |stored: &[Notified]| stored.iter().map(|one| (one.offset, one.duplicate)).collect::<Vec<_>>();
    assert_eq!(seen(&first), [(1, false), (1, true), (1, false), (1, true)]);
    assert_eq!(acknowledge(subject, "w", &["a"]).await, [id("a")]);
    let again = notify_all(subject, broadcast(subject, &["x", "w", "u"], "a")).await;
    assert_eq!(seen(&again), [(1, false), (1, true), (1, true)]);
    let single = subject.notify(subject.notification("u", "a")).await;
    assert!(single.duplicate, "a notification for one user repeats a broadcast");
    for (name, expected) in [("u", 1), ("v", 1), ("w", 0), ("x", 1)] {
        assert_eq!(pending(subject, name).await.len(), expected, "{name}");
    }
    subject.pass(WINDOW);
    subject.sweep().await;
    let later = notify_all(subject, broadcast(subject, &["u", "w"], "a")).await;
    assert_eq!(seen(&later), [(2, false), (2, false)], "the window is over");
}

pub async fn broadcast_drops_oldest_of_each_recipient_beyond_limit(subject: &Subject) {
    let capped = |users: &[&str], named: &str| Broadcast { max_pending: 2, ..broadcast(subject, users, named) };
    notify_all(subject, capped(&["u", "v", "w"], "a")).await;
    notify_all(subject, capped(&["u", "v"], "b")).await;
    let third = notify_all(subject, capped(&["u", "v", "w"], "c")).await;
    let dropped: Vec<_> = third.iter().map(|notified| notified.dropped.clone()).collect();
    assert_eq!(dropped, [vec![id("a")], vec![id("a")], vec![]]);
    assert_eq!(pending(subject, "u").await, ["b", "c"]);
    assert_eq!(pending(subject, "w").await, ["a", "c"]);
    subject.assert_bodies(3).await;
    notify_all(subject, capped(&["w", "v"], "d")).await;
    assert_eq!(pending(subject, "w").await, ["c", "d"]);
    // No user has the first one any more.
    subject.assert_bodies(3).await;
    assert!(subject.notify(subject.notification("w", "a")).await.duplicate, "a dropped one is remembered too");
}

pub async fn removes_shared_body_with_its_last_notification(subject: &Subject) {
    let users = many();
    notify_all(subject, broadcast(subject, &users, "a")).await;
    notify_all(subject, broadcast(subject, &["u0", "u1"], "b")).await;
    for name in &users[1..] {
        assert_eq!(acknowledge(subject, name, &["a"]).await, [id("a")]);
    }
    subject.assert_bodies(2).await;
    assert_eq!(pending(subject, "u0").await, ["a", "b"], "the body stays while one user has not seen it");
    assert_eq!(pending(subject, "u1").await, ["b"]);
    assert_eq!(acknowledge(subject, "u0", &["a", "a"]).await, [id("a")]);
    subject.assert_bodies(1).await;
    for name in ["u0", "u1"] {
        assert_eq!(acknowledge(subject, name, &["b"]).await, [id("b")]);
    }
    subject.assert_bodies(0).await;
    assert!(notify_all(subject, broadcast(subject, &["u0", "u1"], "a")).await.iter().all(|one| one.duplicate));
    subject.assert_bodies(0).await;
}

pub async fn removes_shared_bodies_that_expired(subject: &Subject) {
    let users = many();
    let expires = Timestamp::from_millis(subject.now().millis() + 10_000);
    notify_all(subject, Broadcast { expires, ..broadcast(subject, &users, "short") }).await;
    notify_all(subject, broadcast(subject, &["u0", "u1"], "long")).await;
    subject.pass(Duration::from_secs(10));
    assert_eq!(pending(subject, "u0").await, ["long"]);
    assert_eq!(pending(subject, "u2").await, [""; 0]);
    // Expired notifications make room.
    let capped = Broadcast { max_pending: 2, ..broadcast(subject, &["u0", "u1"], "next") };
    assert!(notify_all(subject, capped).await.iter().all(|notified| notified.dropped.is_empty()));
    assert_eq!(subject.sweep().await.1, MANY as u64 - 2);
    subject.assert_bodies(2).await;
    subject.pass(Duration::from_secs(600));
    assert_eq!(subject.sweep().await.1, 4);
    subject.assert_bodies(0).await;
}

pub async fn does_not_share_body_that_is_short_or_for_one_user(subject: &Subject) {
    let short = Broadcast { body: "short-".into(), ..broadcast(subject, &["u", "v"], "a") };
    notify_all(subject, short).await;
    notify_all(subject, broadcast(subject, &["u"], "b")).await;
    assert!(subject.store.notify_all(broadcast::<&str>(subject, &[], "c")).await.is_empty());
    subject.assert_bodies(0).await;
    assert_eq!(pending(subject, "u").await, ["short", "b"]);
    assert_eq!(pending(subject, "v").await, ["short"]);
}

pub async fn stores_concurrent_broadcasts_once(subject: &Subject) {
    let users = many();
    let copies = (0..12).map(|n| {
        let (store, all) = (subject.store.clone(), broadcast(subject, &users, &format!("{}", n % 3)));
        async move { store.notify_all(all).await.into_iter().filter(|one| !one.as_ref().unwrap().duplicate).count() }
    });
    assert_eq!(subject.concurrently(copies).await.iter().sum::<usize>(), 3 * MANY);
    for name in ["u0", "u255", "u599"] {
        let mut seen = pending(subject, name).await;
        seen.sort();
        assert_eq!(seen, ["0", "1", "2"]);
    }
    for name in &users {
        acknowledge(subject, name, &["0", "1", "2"]).await;
    }
    subject.assert_bodies(0).await;
}

pub async fn closed_store_refuses_each_recipient(subject: &Subject) {
    subject.store.close().await;
    let refused = subject.store.notify_all(broadcast(subject, &many(), "a")).await;
    assert_eq!(refused.len(), MANY);
    assert!(refused.iter().all(Result::is_err));
}

/// Applies to stores with an outbox.
pub async fn reports_notifications_dropped_by_broadcast(subject: &Subject) {
    let reported = |named: &str| {
        let mut all = broadcast(subject, &["u", "v"], named);
        all.max_pending = 1;
        for recipient in &mut all.recipients {
            let (id, body) = (format!("{named}-{}", recipient.user).into(), Bytes::from_static(b"{}"));
            recipient.dropped_event =
                Some(Event { id, key: "dropped".into(), at: subject.now(), body, source: EventSource::Client });
        }
        all
    };
    notify_all(subject, reported("a")).await;
    notify_all(subject, reported("b")).await;
    let entries = subject.store.read_outbox(0, 100, Duration::ZERO).await.unwrap();
    let seen: Vec<_> = entries.iter().map(|entry| (&*entry.event.id, entry.detail.clone())).collect();
    let dropped = || EventDetail::Notifications(vec![id("a")]);
    assert_eq!(seen, [("b-u", dropped()), ("b-v", dropped())]);
}

pub async fn refuses_broadcast_only_for_recipients_with_conflict(subject: &Subject) {
    let first = broadcast(subject, &["v"], "a");
    notify_all(subject, first.clone()).await;
    let other = Broadcast { content: content("other"), ..broadcast(subject, &["u", "v", "w"], "a") };
    let results = subject.store.notify_all(other.clone()).await;
    assert!(matches!(results[..], [Ok(_), Err(StoreError::Conflict), Ok(_)]), "{results:?}");
    for name in ["u", "v", "w"] {
        assert_eq!(subject.read(&user_topic(name), 0).await.entries.len(), 1, "{name}");
    }
    let again = subject.store.notify_all(other).await;
    let is_duplicate = |result: &Result<Notified, StoreError>| result.as_ref().is_ok_and(|notified| notified.duplicate);
    assert!(is_duplicate(&again[0]) && is_duplicate(&again[2]), "{again:?}");
    assert!(notify_all(subject, first).await[0].duplicate);
}
