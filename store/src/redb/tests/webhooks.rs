//! The events of webhooks in the file: they outlive the process, and a damaged row costs no client.

use std::{path::Path, sync::Arc, time::Duration};

use super::super::{RedbStore, webhooks::WEBHOOKS};
use crate::{
    DeadReason, Durability, PageLimit, Store, WebhookStatus,
    clock::Clock,
    testing::conformance::{Subject, give_up, options_with_webhooks, report, webhook},
};

const ALL: PageLimit = PageLimit { entries: 100, bytes: usize::MAX };

fn opened(path: &Path) -> Subject {
    let open =
        |clock: Clock| Arc::new(RedbStore::open(path, Durability::Fsync, options_with_webhooks(), clock).unwrap());
    Subject::new(|clock| open(clock))
}

async fn ids(store: &dyn Store) -> Vec<String> {
    let waiting = store.read_webhook(&webhook("chat"), ALL, Duration::ZERO).await.unwrap();
    waiting.iter().map(|event| event.entry.event.id.to_string()).collect()
}

#[tokio::test]
async fn keeps_waiting_events_and_dead_letters_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.redb");
    let subject = opened(&path);
    report(&subject, &["1", "2", "3"]).await;
    give_up(&subject, 1, DeadReason::Refused, 10).await;
    subject.store.close().await;

    let again = opened(&path);
    report(&again, &["4"]).await;
    assert_eq!(ids(&*again.store).await, ["2", "3", "4"]);
    let status = again.store.webhook_status(&webhook("chat")).await.unwrap();
    assert_eq!(status, WebhookStatus { waiting: 3, dead: 1 });
    again.store.close().await;
}

#[tokio::test]
async fn counts_events_again_when_their_number_is_damaged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.redb");
    let subject = opened(&path);
    report(&subject, &["1", "2", "3"]).await;
    give_up(&subject, 1, DeadReason::Refused, 10).await;
    subject.store.close().await;
    drop(subject);
    let database = ::redb::Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(WEBHOOKS).unwrap().insert("chat", [1, 2, 3].as_slice()).unwrap();
    transaction.commit().unwrap();
    drop(database);

    let again = opened(&path);
    report(&again, &["4"]).await;
    assert_eq!(ids(&*again.store).await, ["2", "3", "4"]);
    let status = again.store.webhook_status(&webhook("chat")).await.unwrap();
    assert_eq!(status, WebhookStatus { waiting: 3, dead: 1 });
    assert_eq!(again.store.status().damaged, 1);
    again.store.close().await;
}
