//! Broadcasts in the file: the bytes written, the state after a killed process, and damage to a shared body.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::Stdio,
    sync::Arc,
};

use futures_util::future::join_all;
use realtime_gateway_protocol::{NotificationId, UserId};
use redb::Database;

use super::{CHILD, RedbStore, child_of_this_test, count_bodies, damage::spoil, open, this_test_again};
use crate::{
    Broadcast, Durability, Log, Store,
    clock::Clock,
    redb::bodies::{BODIES, BODY_USES},
    testing::conformance::{ALL, Subject, bodies, broadcast, long_body, options, user_topic},
};

/// How many users one request of the HTTP API may name.
const USERS: usize = 1_000;
/// How many users get the broadcasts of the killed process: more than one batch.
const USERS_OF_KILLED: usize = 300;
/// After how many confirmations the child is killed.
const CONFIRMED: usize = 12;

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("u{n}")).collect()
}

/// Returns a subject on a file, and a clock that shows the same time.
fn subject(path: &Path) -> (Subject, Clock) {
    let mut shared_clock = None;
    let subject = Subject::new(|clock| {
        shared_clock = Some(clock.clone());
        Arc::new(open(path, Durability::Os, clock))
    });
    (subject, shared_clock.unwrap())
}

fn reopen(path: &Path, clock: &Clock) -> RedbStore {
    RedbStore::open(path, Durability::Os, options(), clock.clone()).unwrap()
}

async fn acknowledge(store: &dyn Store, name: &str, id: &str) -> Vec<NotificationId> {
    let ids = [NotificationId::new(id).unwrap()];
    store.acknowledge(&UserId::new(name).unwrap(), &ids, None).await.unwrap()
}

#[tokio::test]
async fn large_broadcast_stores_its_body_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.redb");
    let (subject, _) = subject(&path);
    let body = vec![b'x'; 250 * 1024];
    let grown = |subject: &Subject| subject.store.status().bytes.unwrap();
    let before = grown(&subject);
    let all = Broadcast { body: body.into(), ..broadcast(&subject, &names(USERS), "a") };
    assert!(subject.store.notify_all(all).await.iter().all(Result::is_ok));
    let bytes = grown(&subject) - before;
    assert!(bytes < 8 * 1024 * 1024, "{bytes} bytes for a body of 250 KiB and {USERS} users");
    subject.store.close().await;
    assert_eq!(count_bodies(&path), 1);
}

#[tokio::test]
async fn killed_process_leaves_no_reference_without_body() {
    if let Some(path) = child_of_this_test() {
        return broadcast_until_killed(&path).await;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("killed.redb");
    let mut again = this_test_again("broadcast::killed_process_leaves_no_reference_without_body");
    let mut child = again.env(CHILD, &path).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut confirmed = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some(id) = line.strip_prefix("confirmed ") else { continue };
        confirmed.push(id.to_owned());
        if confirmed.len() == CONFIRMED {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(confirmed.len() >= CONFIRMED, "the child ended by itself");

    let store = open(&path, Durability::Os, Clock::new(|| realtime_gateway_protocol::Timestamp::from_millis(0)));
    for (n, name) in names(USERS_OF_KILLED).iter().enumerate() {
        let page = store.read(&user_topic(name), 0, ALL).await.unwrap();
        assert!(page.lost.is_none(), "{name}: {:?}", page.lost);
        let found = bodies(&page);
        for id in confirmed.iter().filter(|_| !is_acknowledged(n)) {
            assert!(found.contains(&long_body(id)), "{name} has not got {id}, which was confirmed");
        }
    }
    store.close().await;
    assert!(count_bodies(&path) >= confirmed.len() as u64);
}

/// Returns whether the child acknowledges the notifications of a user.
fn is_acknowledged(user: usize) -> bool {
    user.is_multiple_of(3)
}

async fn broadcast_until_killed(path: &Path) {
    let (subject, _) = subject(path);
    let names = names(USERS_OF_KILLED);
    for n in 0u64.. {
        let id = n.to_string();
        let stored = subject.store.notify_all(broadcast(&subject, &names, &id)).await;
        assert!(stored.iter().all(Result::is_ok));
        // One write, so that a line is whole or not there.
        std::io::stdout().write_all(format!("\nconfirmed {id}\n").as_bytes()).unwrap();
        // All together, so that they share a few commits, one of which the kill may interrupt.
        let seen = names.iter().enumerate().filter(|(n, _)| is_acknowledged(*n));
        let seen = seen.map(|(_, name)| acknowledge(&*subject.store, name, &id));
        assert!(join_all(seen).await.iter().all(|acknowledged| acknowledged.len() == 1));
    }
}

/// Writes three broadcasts for two users, and closes the file.
async fn three_broadcasts(path: &Path) -> (Subject, Clock) {
    let (subject, clock) = subject(path);
    for id in ["first", "second", "third"] {
        assert!(subject.store.notify_all(broadcast(&subject, &["u", "v"], id)).await.iter().all(Result::is_ok));
    }
    subject.store.close().await;
    (subject, clock)
}

/// Reads all pending notifications. Returns the names of the broadcasts, and the lost offsets.
async fn replay(store: &RedbStore, name: &str) -> Vec<String> {
    let (mut reported, mut position) = (Vec::new(), 0);
    while position < 3 {
        let page = store.read(&user_topic(name), position, ALL).await.unwrap();
        reported.extend(bodies(&page).iter().map(|body| body.split('-').next().unwrap().to_owned()));
        reported.extend(page.lost.map(|lost| format!("lost {lost}")));
        position = page.next;
    }
    reported
}

#[tokio::test]
async fn reports_damaged_body_to_each_recipient() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.redb");
    let (mut subject, clock) = three_broadcasts(&path).await;
    spoil(&path, "second-xxx");
    let store = reopen(&path, &clock);
    for name in ["u", "v"] {
        assert_eq!(replay(&store, name).await, ["first", "lost 2", "third"]);
        assert_eq!(bodies(&store.read_back(&user_topic(name), u64::MAX, ALL).await.unwrap()).len(), 2);
        assert_eq!(acknowledge(&store, name, "second").await.len(), 1, "it can be acknowledged");
        assert_eq!(replay(&store, name).await, ["first", "third"]);
    }
    assert!(store.status().damaged > 0);
    store.close().await;
    assert_eq!(count_bodies(&path), 2, "the damaged body is removed with its last reference");
    subject.store = Arc::new(reopen(&path, &clock));
    assert!(subject.store.notify_all(broadcast(&subject, &["u", "v"], "next")).await.iter().all(Result::is_ok));
    assert_eq!(bodies(&subject.read(&user_topic("u"), 3).await), [long_body("next")]);
}

#[tokio::test]
async fn tolerates_missing_body_and_missing_count() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.redb");
    let (mut subject, clock) = three_broadcasts(&path).await;
    {
        let database = Database::open(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.open_table(BODIES).unwrap().remove(1).unwrap();
        transaction.open_table(BODY_USES).unwrap().remove(3).unwrap();
        transaction.commit().unwrap();
    }
    subject.store = Arc::new(reopen(&path, &clock));
    let store = &subject.store;
    assert!(store.read(&user_topic("u"), 0, ALL).await.unwrap().lost.is_some());
    assert_eq!(bodies(&store.read(&user_topic("u"), 1, ALL).await.unwrap()), [long_body("second"), long_body("third")]);
    for id in ["first", "second", "third"] {
        for name in ["u", "v"] {
            assert_eq!(acknowledge(&**store, name, id).await.len(), 1);
        }
    }
    assert!(store.status().damaged > 0);
    // The body without a count stays until all of its notifications have expired.
    subject.pass(std::time::Duration::from_secs(3 * 3_600));
    subject.sweep().await;
    subject.store.close().await;
    assert_eq!(count_bodies(&path), 0);
}
