//! Copies stores in every direction, and compares everything that the contract can read.

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use realtime_gateway_protocol::{CloseCode, NotificationId, UserId};
use tempfile::TempDir;

use super::*;
use crate::{
    Append, Block, BlockedTokens, DeadReason, Durability, Escalation, Event, EventSource, Notify, Options, Redaction,
    Retention, Store,
    clock::Clock,
    redb::{self, RedbStore},
    redis::{self, RedisOptions, RedisStore, TimeSource, tests::own_prefix},
    testing::conformance::{
        ALL, ONE, Subject, WINDOW, broadcast, content, give_up, key, key_with, options_with_webhooks, report,
        server_subscription, session, topic, user_topic, webhook,
    },
};

/// The location of a store.
#[derive(Clone)]
enum StoreKind {
    File(PathBuf),
    Redis(RedisOptions),
}

/// A store that can be used and copied.
#[derive(Clone)]
struct Both {
    store: Arc<dyn Store>,
    copied: Arc<dyn Copied>,
}

impl StoreKind {
    async fn open(&self, clock: Clock) -> Both {
        let options = Options { outbox: Some(1_000), ..options_with_webhooks() };
        match self {
            Self::File(path) => {
                let store = Arc::new(RedbStore::open(path, Durability::Os, options, clock).unwrap());
                Both { store: store.clone(), copied: store }
            }
            Self::Redis(redis) => {
                let given = RedisOptions { time: TimeSource::Given, ..redis.clone() };
                let store = Arc::new(RedisStore::open(given, options, clock).await.unwrap());
                Both { store: store.clone(), copied: store }
            }
        }
    }
}

impl StoreKind {
    /// Counts the bodies that notifications share. A file must be closed.
    fn count_bodies(&self) -> u64 {
        match self {
            Self::File(path) => redb::tests::count_bodies(path),
            Self::Redis(options) => redis::tests::count_bodies(&format!("{{{}}}:bod*", options.prefix)),
        }
    }
}

/// A folder for the files of one test.
struct StoreFolder(TempDir);

impl StoreFolder {
    fn file(&self, name: &str) -> StoreKind {
        StoreKind::File(self.0.path().join(name))
    }
}

fn event(subject: &Subject, id: &str) -> Event {
    Event {
        id: id.into(),
        key: format!("chat.{id}").into(),
        at: subject.now(),
        body: Bytes::from(format!("{{\"{id}\":1}}")),
        source: EventSource::Client,
    }
}

/// Fills a store with items of every kind.
async fn fill(subject: &Subject) {
    for n in 0..700 {
        let named = key("anna", &n.to_string());
        let body = Bytes::from(format!("{n:0900}"));
        subject.append(Append { key: named, body, ..subject.entry("long", &n.to_string()) }).await;
    }
    let few = Retention { max_entries: 3, max_age: Duration::from_secs(100_000) };
    for n in 1..=5 {
        let redaction = (n == 5).then(|| Redaction { offset: 4, body: "-".into() });
        let append = Append { retention: few, redaction, ..subject.entry("few", &n.to_string()) };
        subject.append(Append { event: Some(event(subject, &format!("e{n}"))), ..append }).await;
    }
    // An empty log, which keeps its head.
    let short = Retention { max_age: Duration::from_secs(10), ..few };
    subject.append(Append { retention: short, ..subject.entry("gone", "x") }).await;
    subject.pass(Duration::from_secs(10));
    subject.sweep().await;
    for n in 1..=5 {
        let dropped_event = Some(event(subject, "dropped"));
        let base = subject.notification("anna", &format!("n{n}"));
        subject.notify(Notify { max_pending: 4, dropped_event, ..base }).await;
    }
    let long = Timestamp::from_millis(subject.now().millis() + 100 * WINDOW.as_millis() as u64);
    // The first notification is escalated, the second one is to be, and the third one is due.
    for (id, escalate_in) in [("n1", 0), ("n2", 1_000_000), ("n3", 0)] {
        let escalate_at = Some(Timestamp::from_millis(subject.now().millis() + escalate_in));
        subject.notify(Notify { expires: long, escalate_at, ..subject.notification("bert", id) }).await;
    }
    let (bert, unacked) = (UserId::new("bert").unwrap(), Some(event(subject, "unacked")));
    let escalation = Escalation { user: bert, offset: 1, event: unacked };
    assert_eq!(subject.store.escalate(vec![escalation]).await.unwrap(), [true]);
    let users = ["carl", "dora"];
    for id in ["b1", "b2", "b3"] {
        assert!(subject.store.notify_all(broadcast(subject, &users, id)).await.iter().all(Result::is_ok));
    }
    let (carl, b2) = (UserId::new("carl").unwrap(), [NotificationId::new("b2").unwrap()]);
    subject.store.acknowledge(&carl, &b2, None).await.unwrap();
    let (anna, n3) = (UserId::new("anna").unwrap(), [NotificationId::new("n3").unwrap()]);
    subject.store.acknowledge(&anna, &n3, Some(event(subject, "acked"))).await.unwrap();
    for n in 0..300 {
        let until = Timestamp::from_millis(subject.now().millis() + 1_000_000_000);
        let block = Block { tokens: BlockedTokens::All, until, since: subject.now(), reason: None };
        subject.store.block(&UserId::new(format!("blocked{n}")).unwrap(), block).await.unwrap();
    }
    for n in 0..300 {
        let until = (n % 2 == 0).then(|| Timestamp::from_millis(subject.now().millis() + 1_000_000_000 + n));
        for name in ["order-1", "order-2"] {
            let subscription = server_subscription(subject, name, until);
            subject.store.keep_subscription(&UserId::new(format!("user{n}")).unwrap(), subscription).await.unwrap();
        }
    }
    report(subject, &["w1", "w2", "w3"]).await;
    give_up(subject, 2, DeadReason::Refused, 10).await;
    let record = session(subject, "s");
    subject.store.open_session(record.clone(), ONE).await.unwrap();
    subject.store.close_session(&record.user, &record.id, CloseCode::NORMAL).await.unwrap();
}

/// Reads everything that the contract can read.
async fn seen(store: &dyn Store) -> String {
    let topics = [
        topic("long"),
        topic("few"),
        topic("gone"),
        topic("never"),
        user_topic("anna"),
        user_topic("bert"),
        user_topic("carl"),
        user_topic("dora"),
    ];
    let mut seen = format!("{:?}\n{:?}\n", store.epoch(), store.heads(&topics).await.unwrap().bounds);
    for topic in &topics {
        let page = store.read(topic, 0, ALL).await.unwrap();
        seen += &format!("{topic}: {:?} {:?} {:?}\n", page.epoch, page.bounds, page.entries);
    }
    for user in ["anna", "bert", "carl", "dora"] {
        let user = UserId::new(user).unwrap();
        seen += &format!("{:?}\n", store.pending_count(&user).await.unwrap());
        seen += &format!("{:?}\n", store.escalations_of(&user, &[1, 2, 3, 4, 5]).await.unwrap());
    }
    seen += &format!("{:?}\n", store.due_escalations(ALL).await.unwrap());
    for n in 0..300 {
        let user = UserId::new(format!("blocked{n}")).unwrap();
        seen += &format!("{:?}\n", store.blocks_of(&user).await.unwrap());
    }
    for n in 0..300 {
        let user = UserId::new(format!("user{n}")).unwrap();
        seen += &format!("{:?}\n", store.subscriptions_of(&user).await.unwrap());
    }
    seen += &format!("{:?}\n", store.block_changes(0, 1_000).await.unwrap().users.len());
    for entry in store.read_outbox(0, 1_000, Duration::ZERO).await.unwrap() {
        seen += &format!("{:?} {:?} {:?}\n", entry.node, entry.event, entry.detail);
    }
    for name in ["chat", "all"] {
        for event in store.read_webhook(&webhook(name), ALL, Duration::ZERO).await.unwrap() {
            seen += &format!("{:?} {:?} {:?}\n", event.entry.event, event.entry.detail, event.since);
        }
        for dead in store.read_dead(&webhook(name), None, ALL).await.unwrap().unwrap() {
            let DeadEvent { entry, reason, attempts, failed_at } = dead;
            seen += &format!("{:?} {:?} {reason:?} {attempts} {failed_at:?}\n", entry.event, entry.detail);
        }
    }
    seen
}

/// Checks state that cannot be read directly, by the results of further operations.
async fn goes_on(subject: &Subject) {
    let store = &subject.store;
    for (n, offset) in [(0, 1), (699, 700)] {
        let other = Append { key: key_with("anna", &n.to_string(), "other"), ..subject.entry("long", "other") };
        assert!(matches!(store.append(other).await, Err(StoreError::Conflict)), "the content of a key is known");
        let repeat = Append { key: key("anna", &n.to_string()), ..subject.entry("long", "again") };
        let repeated = store.append(repeat).await.unwrap();
        assert_eq!((repeated.duplicate, repeated.offset), (true, offset));
        assert_eq!(repeated.id.as_str(), format!("m-{n}"));
    }
    assert_eq!(subject.append(subject.entry("long", "next")).await, 701);
    assert_eq!(subject.append(subject.entry("gone", "next")).await, 2);
    for id in ["n1", "n2", "n3"] {
        let other = Notify { content: content("other"), ..subject.notification("anna", id) };
        assert!(matches!(store.notify(other).await, Err(StoreError::Conflict)), "the content of {id} is known");
        assert!(subject.notify(subject.notification("anna", id)).await.duplicate, "{id} is remembered");
    }
    let notified = subject.notify(Notify { max_pending: 4, ..subject.notification("anna", "n6") }).await;
    assert_eq!((notified.offset, notified.dropped.len()), (6, 0));
    let n2 = [NotificationId::new("n2").unwrap()];
    assert_eq!(store.acknowledge(&UserId::new("anna").unwrap(), &n2, None).await.unwrap(), n2);
    // Ages and expiries are kept too.
    subject.pass(WINDOW * 2);
    assert!(subject.notify(subject.notification("bert", "n1")).await.duplicate, "it is pending still");
    let swept = subject.sweep().await;
    assert_eq!(swept.1, 3, "those of anna have ended");
    subject.pass(Duration::from_secs(100_000));
    subject.sweep().await;
    assert_eq!(store.heads(&[topic("few")]).await.unwrap().bounds[0].floor, 6);
    subject.pass(WINDOW * 100);
    assert_eq!(subject.sweep().await.1, 3);
}

async fn there_and_back(from: StoreKind, to: StoreKind) {
    let mut shared_clock = None;
    let mut subject = Subject::open(async |clock| {
        shared_clock = Some(clock.clone());
        from.open(clock).await.store
    })
    .await;
    let clock = shared_clock.unwrap();
    fill(&subject).await;
    let expected = seen(&*subject.store).await;
    subject.store.close().await;

    let (source, target) = (from.open(clock.clone()).await, to.open(clock.clone()).await);
    let now = subject.now();
    let tally = copy(&*source.copied, &*target.copied, WINDOW, now).await.unwrap();
    assert_eq!(
        tally,
        Tally {
            logs: 4,
            entries: 706,
            keys: 700,
            pending: 11,
            events: 13,
            webhook_events: 16,
            blocked: 300,
            subscriptions: 600
        }
    );
    // The copy into a store that is not empty fails and changes nothing.
    assert!(matches!(copy(&*source.copied, &*target.copied, WINDOW, now).await, Err(CopyError::NotEmpty)));
    target.store.close().await;
    assert_eq!(to.count_bodies(), 3, "bodies are not copied for each user");
    assert_eq!(seen(&*source.store).await, expected, "the source is as it was");
    source.store.close().await;
    subject.store = to.open(clock).await.store;
    assert_eq!(seen(&*subject.store).await, expected);
    for user in ["carl", "dora"] {
        let ids = ["b1", "b2", "b3"].map(|id| NotificationId::new(id).unwrap());
        let seen = subject.store.acknowledge(&UserId::new(user).unwrap(), &ids, None).await.unwrap();
        assert_eq!(seen.len(), if user == "carl" { 2 } else { 3 });
    }
    if let StoreKind::Redis(_) = to {
        assert_eq!(to.count_bodies(), 0, "references were counted again");
    }
    goes_on(&subject).await;
    subject.store.close().await;
    assert_eq!(to.count_bodies(), 0, "references were counted again");
}

fn folder() -> StoreFolder {
    StoreFolder(tempfile::tempdir().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_file_to_redis() {
    there_and_back(folder().file("a"), StoreKind::Redis(own_prefix())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_redis_to_file() {
    let folder = folder();
    there_and_back(StoreKind::Redis(own_prefix()), folder.file("a")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_file_to_file() {
    let folder = folder();
    there_and_back(folder.file("a"), folder.file("b")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_redis_to_redis() {
    there_and_back(StoreKind::Redis(own_prefix()), StoreKind::Redis(own_prefix())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn does_not_copy_keys_out_of_window() {
    let folder = folder();
    let (from, to) = (folder.file("a"), folder.file("b"));
    let subject = Subject::open(async |clock| from.open(clock).await.store).await;
    subject.append(Append { key: key("anna", "1"), ..subject.entry("a", "x") }).await;
    subject.pass(WINDOW);
    subject.store.close().await;
    let now = subject.now();
    let clock = Clock::new(move || now);
    let (source, target) = (from.open(clock.clone()).await, to.open(clock).await);
    assert_eq!(copy(&*source.copied, &*target.copied, WINDOW, now).await.unwrap().keys, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ends_copy_when_target_fails() {
    let folder = folder();
    let (from, to) = (folder.file("a"), folder.file("b"));
    let subject = Subject::open(async |clock| from.open(clock).await.store).await;
    for n in 0..3_000 {
        subject.append(subject.entry("a", &n.to_string())).await;
    }
    subject.store.close().await;
    let (source, target) = (from.open(Clock::system()).await, to.open(Clock::system()).await);
    let copying = copy(&*source.copied, &*target.copied, WINDOW, subject.now());
    // The dump ends in any case, and does not wait for room in the queue.
    let (copied, ()) = tokio::join!(copying, target.store.close());
    assert!(matches!(copied, Err(CopyError::Store(_))));
}
