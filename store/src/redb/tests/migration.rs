//! Migrates files of format 2 to format 3, also if the process is killed meanwhile.

use std::{path::Path, sync::Arc};

use redb::{Database, ReadableTable, TableDefinition};

use super::{CHILD, Durability, child_of_this_test, open, this_test_again};
use crate::{
    Log, Pending, Store,
    clock::Clock,
    redb::{
        bodies::{BODIES, BODIES_BY_TIME, BODY_USES},
        format::{
            ENTRIES, EPOCH, IDS, KEYS, KNOWN, LOGS, META, NumbersRow, OPEN_SESSIONS, OUTBOX, PENDING, USERS,
            decode_epoch,
        },
        migrations,
    },
    testing::conformance::{ALL, Subject, bodies, content, key, key_with, topic, user_topic},
};

/// Entries in the large file: enough for several commits.
const MANY: usize = 15_000;

/// Removes the checksums, the digests and the numbers of shared bodies, so that the file is like one of version 0.1.
pub(super) fn to_format_2(path: &Path) {
    fn strip<K: redb::Key + 'static>(
        transaction: &redb::WriteTransaction,
        definition: TableDefinition<'static, K, &'static [u8]>,
        new_number: Option<usize>,
    ) {
        let mut table = transaction.open_table(definition).unwrap();
        let rows: Vec<(Vec<u8>, Vec<u8>)> = table
            .iter()
            .unwrap()
            .map(|row| {
                let (key, row) = row.unwrap();
                let mut plain = row.value()[..row.value().len() - 8].to_vec();
                plain[0] = 1;
                if let Some(index) = new_number {
                    plain.drain(1 + 8 * index..9 + 8 * index);
                }
                (K::as_bytes(&key.value()).as_ref().to_vec(), plain)
            })
            .collect();
        for (key, row) in rows {
            table.insert(K::from_bytes(&key), row.as_slice()).unwrap();
        }
    }
    let database = Database::open(path).unwrap();
    let transaction = database.begin_write().unwrap();
    strip(&transaction, LOGS, None);
    strip(&transaction, USERS, None);
    strip(&transaction, OPEN_SESSIONS, None);
    strip(&transaction, ENTRIES, None);
    strip(&transaction, PENDING, Some(3));
    strip(&transaction, KEYS, Some(2));
    strip(&transaction, IDS, Some(2));
    strip(&transaction, OUTBOX, None);
    {
        let mut meta = transaction.open_table(META).unwrap();
        let epoch = decode_epoch(meta.get(EPOCH).unwrap().unwrap().value()).unwrap().to_owned();
        meta.insert(EPOCH, epoch.as_bytes()).unwrap();
        meta.remove(NumbersRow::NAME).unwrap();
        meta.insert("format", 2u32.to_le_bytes().as_slice()).unwrap();
    }
    for table in [KNOWN, BODIES, BODY_USES] {
        transaction.delete_table(table).unwrap();
    }
    transaction.delete_table(BODIES_BY_TIME).unwrap();
    transaction.commit().unwrap();
}

async fn filled(path: &Path, entries: usize) -> Subject {
    let subject = Subject::new(|clock| Arc::new(open(path, Durability::Os, clock)));
    let appends = (0..entries).map(|n| {
        let (store, append) = (subject.store.clone(), subject.entry(&format!("c{}", n % 3), &format!("body-{n}")));
        async move { store.append(append).await.unwrap() }
    });
    subject.concurrently(appends).await;
    let first = crate::Append { key: key("u", "k"), ..subject.entry("keyed", "first") };
    subject.append(first).await;
    subject.notify(subject.notification("u", "n")).await;
    subject.store.close().await;
    subject
}

async fn assert_whole(path: &Path, subject: &Subject, entries: usize) {
    let now = subject.now();
    let store = open(path, Durability::Os, Clock::new(move || now));
    let mut count = 0;
    for clan in 0..3 {
        let page = store.read(&topic(&format!("c{clan}")), 0, ALL).await.unwrap();
        assert!(page.lost.is_none(), "{:?}", page.lost);
        count += page.entries.len();
        assert_eq!(page.bounds.head, page.entries.len() as u64);
    }
    assert_eq!(count, entries);
    assert_eq!(bodies(&store.read(&user_topic("u"), 0, ALL).await.unwrap()), ["n"]);
    // Format 2 has no digest of the first message, so any content counts as a repeat of it.
    for text in ["the same", "other"] {
        let again = crate::Append { key: key_with("u", "k", text), ..subject.entry("keyed", "again") };
        assert!(store.append(again).await.unwrap().duplicate);
    }
    let again = crate::Notify { content: content("other"), ..subject.notification("u", "n") };
    assert!(store.notify(again).await.unwrap().duplicate);
    assert_eq!(store.append(subject.entry("new", "x")).await.unwrap().offset, 1, "a new log takes no other's number");
    assert_eq!(store.read(&topic("c0"), 0, ALL).await.unwrap().bounds.floor, 1);
    assert_eq!(store.status().damaged, 0);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrates_format_2_with_its_epoch() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.redb");
    let subject = filled(&path, 10).await;
    let epoch = subject.store.epoch();
    to_format_2(&path);
    assert_whole(&path, &subject, 10).await;
    assert_eq!(open(&path, Durability::Os, Clock::system()).epoch(), epoch);
}

/// A child opens the file, which starts the migration. It is killed later in each round.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn continues_killed_migration() {
    if let Some(path) = child_of_this_test() {
        // The last line that the parent waits for is written when the migration is over.
        drop(open(&path, Durability::Os, Clock::system()));
        println!("migrated");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.redb");
    let subject = filled(&path, MANY).await;
    to_format_2(&path);
    let mut interrupted = 0;
    for round in 0..6 {
        let mut child = this_test_again("migration::continues_killed_migration")
            .env(CHILD, &path)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // Killed once the file has grown by another commit's worth, or when the child is done before that.
        let grown = commits(&path) + round;
        while child.try_wait().unwrap().is_none() && commits(&path) <= grown {
            std::thread::yield_now();
        }
        let done = child.try_wait().unwrap().is_some();
        if !done {
            child.kill().unwrap();
        }
        child.wait().unwrap();
        interrupted += u32::from(is_migrating(&path));
        if done {
            break;
        }
    }
    assert!(interrupted > 0, "no migration was interrupted");
    assert_whole(&path, &subject, MANY).await;
    assert!(!is_migrating(&path));
}

/// Returns the number of the last commit, from the header of the file (redb keeps it in each of two slots).
fn commits(path: &Path) -> u64 {
    let bytes = std::fs::read(path).unwrap();
    let number = |slot: usize| {
        let at = 64 + 128 * slot + 8 + 3 * 32;
        bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
    };
    number(0).max(number(1))
}

fn is_migrating(path: &Path) -> bool {
    let database = Database::open(path).unwrap();
    migrations::is_under_way(&database).unwrap()
}
