//! Pending notifications: order, copies, expiry, cap.

use std::time::Duration;

use realtime_gateway_protocol::{NotificationId, Timestamp, UserId};

use super::{ALL, Subject, WINDOW, bodies, content, offsets, user_topic};
use crate::{LogBounds, Notify, PageLimit, StoreError};

fn user() -> UserId {
    UserId::new("u").unwrap()
}

fn ids(texts: &[&str]) -> Vec<NotificationId> {
    texts.iter().map(|text| NotificationId::new(text).unwrap()).collect()
}

async fn acknowledge(subject: &Subject, texts: &[&str]) -> Vec<NotificationId> {
    subject.store.acknowledge(&user(), &ids(texts), None).await.unwrap()
}

async fn count(subject: &Subject) -> u64 {
    let count = subject.store.pending_count(&user()).await.unwrap();
    assert_eq!(count, subject.read(&user_topic("u"), 0).await.entries.len() as u64);
    count
}

fn lasting(subject: &Subject, id: &str, time: Duration) -> Notify {
    let expires = Timestamp::from_millis(subject.now().millis() + time.as_millis() as u64);
    Notify { expires, ..subject.notification("u", id) }
}

pub async fn keeps_notifications_in_order_until_acknowledged(subject: &Subject) {
    for (n, id) in ["a", "b", "c", "d"].into_iter().enumerate() {
        let notified = subject.notify(subject.notification("u", id)).await;
        assert_eq!((notified.offset, notified.duplicate), (n as u64 + 1, false));
        assert!(notified.dropped.is_empty());
    }
    assert_eq!(acknowledge(subject, &["c", "unknown", "a", "c"]).await, ids(&["c", "a"]));
    let page = subject.read(&user_topic("u"), 0).await;
    assert_eq!((bodies(&page), offsets(&page)), (vec!["b".into(), "d".into()], vec![2, 4]));
    assert_eq!((page.bounds, page.next), (LogBounds { head: 4, floor: 1 }, 4));
    assert_eq!(page.entries[0].at, subject.now());
    assert_eq!(count(subject).await, 2);
    assert!(acknowledge(subject, &["a"]).await.is_empty(), "it is pending no more");
    acknowledge(subject, &["b", "d"]).await;
    assert_eq!(subject.read(&user_topic("u"), 0).await.next, 4);
    assert_eq!(subject.notify(subject.notification("u", "e")).await.offset, 5, "offsets continue");
}

pub async fn recognises_repeat_after_acknowledgement(subject: &Subject) {
    subject.notify(subject.notification("u", "a")).await;
    let copy = subject.notify(subject.notification("u", "a")).await;
    assert_eq!((copy.offset, copy.duplicate), (1, true));
    acknowledge(subject, &["a"]).await;
    subject.pass(WINDOW - Duration::from_millis(1));
    subject.sweep().await;
    assert!(subject.notify(subject.notification("u", "a")).await.duplicate);
    assert_eq!(count(subject).await, 0);
    subject.pass(Duration::from_millis(1));
    let later = subject.notify(subject.notification("u", "a")).await;
    assert_eq!((later.offset, later.duplicate), (2, false), "the window is over");
    subject.sweep().await;
    assert!(subject.notify(subject.notification("u", "a")).await.duplicate, "the sweep kept the newer");
    assert_eq!(acknowledge(subject, &["a"]).await, ids(&["a"]));
}

pub async fn recognises_repeat_while_first_is_pending(subject: &Subject) {
    subject.notify(lasting(subject, "a", WINDOW * 10)).await;
    subject.pass(WINDOW * 2);
    subject.sweep().await;
    assert!(subject.notify(lasting(subject, "a", WINDOW)).await.duplicate);
    assert_eq!(acknowledge(subject, &["a"]).await, ids(&["a"]), "its id was not forgotten");
    assert!(!subject.notify(lasting(subject, "a", WINDOW)).await.duplicate);
}

pub async fn stores_concurrent_repeats_of_notification_once(subject: &Subject) {
    let copies = (0..100).map(|n| {
        let (store, notify) = (subject.store.clone(), subject.notification("u", &format!("{}", n % 5)));
        async move { store.notify(notify).await.unwrap().duplicate }
    });
    let copies = subject.concurrently(copies).await;
    assert_eq!(copies.iter().filter(|duplicate| !**duplicate).count(), 5);
    assert_eq!(count(subject).await, 5);
}

pub async fn refuses_same_notification_id_with_other_content(subject: &Subject) {
    let with_content = |text: &str| Notify { content: content(text), ..lasting(subject, "a", WINDOW * 2) };
    subject.notify(with_content("one")).await;
    assert!(matches!(subject.store.notify(with_content("two")).await, Err(StoreError::Conflict)));
    assert!(!subject.notify(Notify { user: UserId::new("v").unwrap(), ..with_content("two") }).await.duplicate);
    assert_eq!(count(subject).await, 1);
    // While it is pending, and then within the window.
    subject.pass(WINDOW);
    subject.sweep().await;
    assert!(matches!(subject.store.notify(with_content("two")).await, Err(StoreError::Conflict)));
    assert!(subject.notify(with_content("one")).await.duplicate);
    assert_eq!(acknowledge(subject, &["a"]).await, ids(&["a"]));
    assert!(!subject.notify(with_content("two")).await.duplicate);
    assert_eq!(acknowledge(subject, &["a"]).await, ids(&["a"]));
    assert!(matches!(subject.store.notify(with_content("one")).await, Err(StoreError::Conflict)), "within the window");
}

pub async fn does_not_return_expired_notifications(subject: &Subject) {
    subject.notify(lasting(subject, "long", Duration::from_secs(100))).await;
    subject.notify(lasting(subject, "short", Duration::from_secs(10))).await;
    subject.notify(lasting(subject, "middle", Duration::from_secs(50))).await;
    subject.pass(Duration::from_millis(9_999));
    assert_eq!(count(subject).await, 3);
    subject.pass(Duration::from_millis(1));
    assert_eq!(count(subject).await, 2);
    assert_eq!(bodies(&subject.read(&user_topic("u"), 0).await), ["long", "middle"]);
    assert!(acknowledge(subject, &["short"]).await.is_empty(), "it ended before it was acknowledged");
    subject.pass(Duration::from_secs(40));
    assert_eq!(subject.sweep().await.1, 1, "the other was acknowledged away");
    assert_eq!(count(subject).await, 1);
    assert!(subject.notify(lasting(subject, "middle", Duration::from_secs(50))).await.duplicate, "ids outlive it");
    subject.pass(Duration::from_secs(50));
    assert_eq!(subject.sweep().await.1, 1);
    assert_eq!(count(subject).await, 0);
}

pub async fn drops_oldest_notification_beyond_limit(subject: &Subject) {
    for n in 1..=3 {
        let notify = Notify { max_pending: 3, ..subject.notification("u", &format!("{n}")) };
        assert!(subject.notify(notify).await.dropped.is_empty());
    }
    acknowledge(subject, &["2"]).await;
    for (id, dropped) in [("4", vec![]), ("5", ids(&["1"])), ("6", ids(&["3"]))] {
        let notify = Notify { max_pending: 3, ..subject.notification("u", id) };
        assert_eq!(subject.notify(notify).await.dropped, dropped);
    }
    assert_eq!(bodies(&subject.read(&user_topic("u"), 0).await), ["4", "5", "6"]);
    assert_eq!(count(subject).await, 3);
    assert!(subject.notify(subject.notification("u", "1")).await.duplicate, "a dropped one is remembered too");
}

pub async fn removes_expired_before_dropping_pending(subject: &Subject) {
    subject.notify(lasting(subject, "a", Duration::from_secs(100))).await;
    subject.notify(lasting(subject, "b", Duration::from_secs(10))).await;
    subject.pass(Duration::from_secs(10));
    let notify = Notify { max_pending: 2, ..subject.notification("u", "c") };
    assert!(subject.notify(notify).await.dropped.is_empty());
    assert_eq!(bodies(&subject.read(&user_topic("u"), 0).await), ["a", "c"]);
    assert_eq!(count(subject).await, 2);
}

pub async fn lower_limit_drops_as_many_as_needed(subject: &Subject) {
    for n in 1..=9 {
        subject.notify(subject.notification("u", &format!("{n}"))).await;
    }
    let notify = Notify { max_pending: 3, ..subject.notification("u", "10") };
    assert_eq!(subject.notify(notify).await.dropped, ids(&["1", "2", "3", "4", "5", "6", "7"]));
    assert_eq!(bodies(&subject.read(&user_topic("u"), 0).await), ["8", "9", "10"]);
    let notify = Notify { max_pending: 0, ..subject.notification("u", "11") };
    assert_eq!(subject.notify(notify).await.dropped, ids(&["8", "9", "10"]));
    assert_eq!(count(subject).await, 1, "the newest always has room");
}

pub async fn pages_pending_notifications(subject: &Subject) {
    for n in 1..=7 {
        subject.notify(subject.notification("u", &format!("{n}"))).await;
    }
    acknowledge(subject, &["1", "4"]).await;
    let limit = PageLimit { entries: 2, ..ALL };
    let (mut position, mut pages) = (0, Vec::new());
    while position < 7 {
        let page = subject.store.read(&user_topic("u"), position, limit).await.unwrap();
        position = page.next;
        pages.push(offsets(&page));
    }
    assert_eq!(pages, [vec![2, 3], vec![5, 6], vec![7]]);
    assert_eq!(offsets(&subject.store.read_back(&user_topic("u"), 6, limit).await.unwrap()), [3, 5]);
    acknowledge(subject, &["6", "7"]).await;
    let page = subject.store.read(&user_topic("u"), 3, limit).await.unwrap();
    assert_eq!((offsets(&page), page.next), (vec![5], 7), "after the last one the position is the head");
}

pub async fn keeps_users_apart(subject: &Subject) {
    subject.notify(subject.notification("u", "a")).await;
    assert!(!subject.notify(subject.notification("v", "a")).await.duplicate);
    let other = UserId::new("v").unwrap();
    assert_eq!(subject.store.acknowledge(&other, &ids(&["a"]), None).await.unwrap(), ids(&["a"]));
    assert_eq!(count(subject).await, 1);
    assert_eq!(subject.store.pending_count(&other).await.unwrap(), 0);
    assert_eq!(subject.store.pending_count(&UserId::new("w").unwrap()).await.unwrap(), 0);
}
