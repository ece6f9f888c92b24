//! The store as a whole: epoch, status, close.

use realtime_gateway_protocol::{NotificationId, UserId, topic::Shard};

use super::{ALL, Subject, key, reconcile_request, topic, user_topic};
use crate::Append;

pub async fn returns_same_epoch_everywhere(subject: &Subject) {
    let epoch = subject.store.epoch();
    assert!(!epoch.is_empty());
    let append = || Append { key: key("u", "1"), ..subject.entry("a", "x") };
    for _ in 0..2 {
        assert_eq!(subject.store.append(append()).await.unwrap().epoch, epoch);
        assert_eq!(subject.notify(subject.notification("u", "1")).await.epoch, epoch);
    }
    assert_eq!(subject.store.heads(&[topic("a")]).await.unwrap().epoch, epoch);
    for topic in [topic("a"), topic("never"), user_topic("u")] {
        assert_eq!(subject.read(&topic, 0).await.epoch, epoch);
        assert_eq!(subject.store.read_back(&topic, 9, ALL).await.unwrap().epoch, epoch);
    }
}

pub async fn closed_store_returns_unavailable(subject: &Subject) {
    subject.append(subject.entry("a", "x")).await;
    subject.store.close().await;
    subject.store.close().await;
    let user = UserId::new("u").unwrap();
    assert!(subject.store.append(subject.entry("a", "y")).await.is_err());
    assert!(subject.store.notify(subject.notification("u", "n")).await.is_err());
    assert!(subject.store.acknowledge(&user, &[NotificationId::new("n").unwrap()], None).await.is_err());
    assert!(subject.store.read(&topic("a"), 0, ALL).await.is_err());
    assert!(subject.store.read_back(&topic("a"), 9, ALL).await.is_err());
    assert!(subject.store.heads(&[topic("a")]).await.is_err());
    assert!(subject.store.reconcile(reconcile_request(&[Shard(0)])).await.is_err());
    assert!(subject.store.pending_count(&user).await.is_err());
    assert!(subject.store.sessions_of(&user).await.is_err());
    assert!(subject.store.subscriptions_of(&user).await.is_err());
    assert!(subject.store.sweep(subject.now()).await.is_err());
    assert!(!subject.store.status().writable);
}

pub async fn status_counts_pending_notifications(subject: &Subject) {
    assert!(subject.store.status().writable);
    for (user, id) in [("u", "1"), ("u", "2"), ("v", "1"), ("v", "1")] {
        subject.notify(subject.notification(user, id)).await;
    }
    assert_eq!(subject.store.status().pending_notifications, 3);
    subject.store.acknowledge(&UserId::new("u").unwrap(), &[NotificationId::new("1").unwrap()], None).await.unwrap();
    assert_eq!(subject.store.status().pending_notifications, 2);
    subject.pass(std::time::Duration::from_secs(600));
    subject.sweep().await;
    assert_eq!(subject.store.status().pending_notifications, 0);
    assert_eq!(subject.store.status().last_error, None);
}
