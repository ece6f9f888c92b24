//! Opens files of other versions and other programs.

use std::{fs, path::Path, sync::Arc, time::Duration};

use realtime_gateway_protocol::{MessageId, NotificationId, Timestamp, UserId};
use redb::{Database, ReadableDatabase, TableDefinition};

use super::{Durability, RedbStore, open};
use crate::{
    Append, Block, BlockOutcome, BlockedTokens, Blocks, ClockMark, Log, Pending, Store,
    clock::Clock,
    open::OpenError,
    testing::conformance::{ALL, KEEP, Subject, WINDOW, bodies, key, options, topic, user_topic},
};

const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

fn refused(path: &Path) -> OpenError {
    RedbStore::open(path, Durability::Fsync, options(), Clock::system()).unwrap_err()
}

fn set_format(path: &Path, format: u32) {
    let database = Database::create(path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(META).unwrap().insert("format", format.to_le_bytes().as_slice()).unwrap();
    transaction.commit().unwrap();
}

#[tokio::test]
async fn keeps_everything_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.redb");
    let subject = Subject::new(|clock| Arc::new(open(&path, Durability::Fsync, clock)));
    let append = || Append { key: key("u", "1"), ..subject.entry("a", "x") };
    subject.append(append()).await;
    subject.notify(subject.notification("u", "n")).await;
    let (epoch, expected) = (subject.store.epoch(), subject.read(&topic("a"), 0).await);
    subject.store.close().await;

    let now = subject.now();
    let again = open(&path, Durability::Fsync, Clock::new(move || now));
    assert_eq!(again.epoch(), epoch);
    assert_eq!(again.read(&topic("a"), 0, ALL).await.unwrap().entries, expected.entries);
    assert!(again.append(append()).await.unwrap().duplicate);
    assert!(again.notify(subject.notification("u", "n")).await.unwrap().duplicate);
    assert_eq!(again.status().pending_notifications, 1);
    assert_eq!(again.append(subject.entry("b", "y")).await.unwrap().offset, 1, "a new log gets a number of its own");
    assert_eq!(bodies(&again.read(&topic("a"), 0, ALL).await.unwrap()), ["x"]);
}

#[tokio::test]
async fn waiting_appends_share_commit() {
    let subject = super::subject(Durability::Fsync);
    let appends = (0..500).map(|n| {
        let (store, append) = (subject.store.clone(), subject.entry("a", &n.to_string()));
        async move { store.append(append).await.unwrap() }
    });
    subject.concurrently(appends).await;
    let status = subject.store.status();
    assert_eq!(status.committed_operations, 500);
    assert!(status.commits < 250, "{} commits", status.commits);
    // An operation that changes nothing does not commit.
    subject.sweep().await;
    assert_eq!(subject.store.status().commits, status.commits);
}

#[tokio::test]
async fn migrates_older_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("old.redb");
    let subject = Subject::new(|clock| Arc::new(open(&path, Durability::Fsync, clock)));
    subject.append(subject.entry("a", "kept")).await;
    let epoch = subject.store.epoch();
    subject.store.close().await;
    // A file of format 0 is one that has no epoch.
    let database = Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(META).unwrap().remove("epoch").unwrap();
    transaction.commit().unwrap();
    drop(database);
    set_format(&path, 0);

    let now = subject.now();
    let migrated = open(&path, Durability::Fsync, Clock::new(move || now));
    assert_ne!(migrated.epoch(), epoch);
    assert_eq!(bodies(&migrated.read(&topic("a"), 0, ALL).await.unwrap()), ["kept"]);
    let epoch = migrated.epoch();
    drop(migrated);
    let database = Database::open(&path).unwrap();
    let meta = database.begin_read().unwrap().open_table(META).unwrap();
    assert_eq!(redb::ReadableTable::get(&meta, "format").unwrap().unwrap().value(), 3u32.to_le_bytes());
    drop((meta, database));
    assert_eq!(open(&path, Durability::Fsync, Clock::system()).epoch(), epoch, "it is migrated once");
}

#[test]
fn refuses_newer_file_without_changing_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new.redb");
    set_format(&path, 4);
    let error = refused(&path);
    assert!(matches!(error, OpenError::Newer { found: 4, known: 3, .. }), "{error}");
    assert!(error.to_string().contains("format 4"), "{error}");
    let tables = Database::open(&path).unwrap().begin_read().unwrap().list_tables().unwrap().count();
    assert_eq!(tables, 1);
}

#[test]
fn refuses_other_files_without_changing_them() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("letter.txt");
    fs::write(&path, "Dear reader, ".repeat(10_000)).unwrap();
    let before = fs::read(&path).unwrap();
    assert!(matches!(refused(&path), OpenError::NotAStore { .. }));
    assert_eq!(fs::read(&path).unwrap(), before);

    let path = directory.path().join("other.redb");
    let database = Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(TableDefinition::<u64, u64>::new("accounts")).unwrap().insert(1, 2).unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert!(matches!(refused(&path), OpenError::NotAStore { .. }));
}

#[test]
fn names_paths_that_cannot_be_written() {
    let directory = tempfile::tempdir().unwrap();
    let error = refused(directory.path());
    assert!(matches!(error, OpenError::Unwritable { .. }), "{error}");
    assert!(error.to_string().contains(directory.path().to_str().unwrap()), "{error}");
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let error = refused(&file.join("below/data.redb"));
    assert!(matches!(error, OpenError::Directory { .. }), "{error}");
}

#[test]
fn refuses_file_in_use() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.redb");
    for durability in [Durability::Fsync, Durability::Os] {
        let first = open(&path, durability, Clock::system());
        let error = refused(&path);
        assert!(matches!(error, OpenError::InUse { .. }), "{error}");
        drop(first);
    }
    drop(open(&path, Durability::Fsync, Clock::system()));
}

/// Each release leaves a file in `store/tests/fixtures`, made by `store/examples/write_fixture.rs`.
#[tokio::test]
async fn reads_files_of_every_release() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut read = 0;
    for fixture in fs::read_dir(fixtures).unwrap() {
        let fixture = fixture.unwrap().path();
        println!("{}", fixture.display());
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("copy.redb");
        fs::copy(&fixture, &path).unwrap();
        let at = Timestamp::from_millis(1_800_000_000_000);
        let later = Timestamp::from_millis(at.millis() + 1_000);
        let store = open(&path, Durability::Fsync, Clock::new(move || later));
        let epoch = uuid::Uuid::parse_str(&store.epoch()).unwrap();
        assert_eq!(epoch.get_version_num(), 7);

        let page = store.read(&topic("fixture"), 0, ALL).await.unwrap();
        assert_eq!((page.bounds.head, page.bounds.floor), (5, 3));
        assert_eq!(bodies(&page), ["{\"n\":3}", "{\"redacted\":true}", "{\"n\":5}"]);
        assert!(page.entries.iter().all(|entry| entry.at == at));
        let user = UserId::new("anna").unwrap();
        let pending = store.read(&user_topic("anna"), 0, ALL).await.unwrap();
        assert_eq!((bodies(&pending), pending.bounds.head), (vec!["{\"title\":\"b\"}".into()], 2));
        assert_eq!(store.pending_count(&user).await.unwrap(), 1);
        assert_eq!(store.status().pending_notifications, 1);

        let subject = Subject::new(|_| Arc::new(store));
        let repeat = Append { at: later, key: key("anna", "client-3"), ..subject.entry("fixture", "again") };
        let appended = subject.store.append(repeat).await.unwrap();
        assert_eq!((appended.duplicate, appended.offset), (true, 3));
        assert_eq!(appended.id, MessageId::new("message-3").unwrap());
        let mut copy = subject.notification("anna", "n1");
        copy.at = later;
        assert!(subject.notify(copy).await.duplicate, "the id of an acknowledged notification is known");
        let ids = [NotificationId::new("n2").unwrap()];
        assert_eq!(subject.store.acknowledge(&user, &ids, None).await.unwrap(), ids);
        let next = Append { at: later, retention: KEEP, ..subject.entry("fixture", "next") };
        assert_eq!(subject.append(next).await, 6);
        subject.store.sweep(Timestamp::from_millis(later.millis() + WINDOW.as_millis() as u64)).await.unwrap();
        assert!(WINDOW >= Duration::from_secs(60), "the fixture's keys are within the window");
        subject.store.close().await;
        read += 1;
    }
    assert!(read > 0);
}

#[tokio::test]
async fn keeps_clock_mark_until_operator_confirms_clock() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("marked.redb");
    let mark = ClockMark { boot: "b".into(), monotonic: Duration::from_secs(5), at: Timestamp::from_millis(7) };
    let store = open(&path, Durability::Fsync, Clock::system());
    assert_eq!(store.clock_mark().await.unwrap(), None);
    store.keep_clock_mark(mark.clone()).await.unwrap();
    store.close().await;
    let store = open(&path, Durability::Fsync, Clock::system());
    assert_eq!(store.clock_mark().await.unwrap(), Some(mark));
    store.accept_clock().await.unwrap();
    assert_eq!(store.clock_mark().await.unwrap(), None);
    store.close().await;
}

#[tokio::test]
async fn keeps_blocks_in_file_of_earlier_version() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.redb");
    let reopened = || open(&path, Durability::Fsync, Clock::system());
    reopened().close().await;
    let database = Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    assert!(transaction.delete_table(TableDefinition::<&str, &[u8]>::new("blocks")).unwrap());
    transaction.commit().unwrap();
    drop(database);

    let user = UserId::new("u").unwrap();
    let store = reopened();
    assert_eq!(store.blocks_of(&user).await.unwrap(), []);
    let (since, until) = (Timestamp::from_millis(1), Timestamp::from_millis(u64::MAX));
    let block = Block { tokens: BlockedTokens::All, until, since, reason: None };
    assert_eq!(store.block(&user, block.clone()).await.unwrap(), BlockOutcome::Kept);
    store.close().await;
    let store = reopened();
    assert_eq!(store.blocks_of(&user).await.unwrap(), [block]);
    assert_eq!(store.unblock(&user).await.unwrap(), 1);
    store.close().await;
    assert_eq!(reopened().blocks_of(&user).await.unwrap(), []);
}
