//! The space of a data file: how many bytes of rows it holds, the watermark of its file system, and compaction.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use gateway_runtime::tasks::Tasks;

use super::{CHILD, child_of_this_test, open, run_on_file_system_of_size, this_test_again};
use crate::{
    Append, Block, BlockedTokens, Blocks, Durability, Log, Notify, Pending, Redaction, Retention, SpaceLimits, Store,
    StoreError,
    clock::Clock,
    redb::{RedbStore, compact::compact, file::Change},
    testing::conformance::{ALL, KEEP, Subject, WINDOW, key, options, topic, user_topic},
};

const MIB: u64 = 1024 * 1024;
/// How long entries live, so that a sweep frees their space.
const ONE_MINUTE: Retention = Retention { max_age: Duration::from_secs(60), ..KEEP };

/// Returns how many bytes of the disk a file takes.
fn taken(path: &Path) -> u64 {
    fs::metadata(path).unwrap().blocks() * 512
}

/// Returns the content of an entry that is kept.
fn kept(number: usize) -> String {
    format!("{number:4000}")
}

/// Appends 2,000 entries of 16 KiB that a sweep removes after a minute, and between them 200 entries that are kept, so
/// that the end of the file stays in use. redb would truncate a free end by itself.
async fn fill(subject: &Subject) {
    for number in 0..200 {
        let appends = (0..10).map(|_| {
            let append = Append { body: vec![7; 16 * 1024].into(), retention: ONE_MINUTE, ..subject.entry("a", "x") };
            let store = subject.store.clone();
            async move { store.append(append).await.unwrap() }
        });
        subject.concurrently(appends).await;
        subject.append(Append { body: kept(number).into(), ..subject.entry("kept", "x") }).await;
    }
}

/// Returns a closed file that uses far more disk space than its 200 entries and one notification need.
async fn file_with_free_pages(directory: &Path) -> PathBuf {
    let path = directory.join("free.redb");
    let subject = Subject::new(|clock| Arc::new(open(&path, Durability::Os, clock)));
    subject.notify(subject.notification("u", "n")).await;
    fill(&subject).await;
    subject.pass(Duration::from_secs(60));
    subject.sweep().await;
    subject.store.close().await;
    path
}

async fn assert_whole(path: &Path) {
    let store = open(path, Durability::Os, Clock::new(|| realtime_gateway_protocol::Timestamp::from_millis(1)));
    let page = store.read(&topic("kept"), 0, ALL).await.unwrap();
    let bodies: Vec<_> = page.entries.iter().map(|entry| String::from_utf8(entry.body.to_vec()).unwrap()).collect();
    assert_eq!(bodies, (0..200).map(kept).collect::<Vec<_>>());
    assert_eq!(store.read(&user_topic("u"), 0, ALL).await.unwrap().entries.len(), 1);
    store.close().await;
}

/// Returns the bytes that redb counts by reading all pages.
fn stored_bytes(store: &RedbStore) -> u64 {
    let stats = store.shared.file.write(|transaction| Ok((transaction.stats().unwrap().stored_bytes(), Change::None)));
    stats.unwrap()
}

#[tokio::test]
async fn counts_bytes_of_all_rows() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.redb");
    let mut made = None;
    let subject = Subject::new(|clock| {
        let options = crate::Options { outbox: Some(1_000), ..options() };
        let store = Arc::new(RedbStore::open(&path, Durability::Os, options, clock).unwrap());
        made = Some(store.clone());
        store
    });
    let store = made.unwrap();
    let counted = || store.shared.row_bytes.load(Ordering::Relaxed);
    for n in 0..300 {
        let retention = if n % 3 == 0 { Retention { max_entries: 20, ..ONE_MINUTE } } else { ONE_MINUTE };
        let redaction = (n % 5 == 4).then(|| Redaction { offset: 1 + n / 14, body: vec![1; n as usize].into() });
        let append = Append { body: vec![2; n as usize].into(), ..subject.entry(&format!("c{}", n % 7), "x") };
        let key = key("sender", &format!("{}", n / 2));
        subject.append(Append { key, redaction, retention, ..append }).await;
        let notify = subject.notification(&format!("u{}", n % 3), &format!("n{n}"));
        subject.notify(Notify { max_pending: 40, ..notify }).await;
    }
    let acknowledged = subject.notification("u1", "n298");
    assert_eq!(store.acknowledge(&acknowledged.user, &[acknowledged.id], None).await.unwrap().len(), 1);
    let until = realtime_gateway_protocol::Timestamp::from_millis(subject.now().millis() + 1_000);
    let block = Block { until, reason: None, tokens: BlockedTokens::All, since: subject.now() };
    let _ = store.block(&subject.notification("u", "n").user, block).await.unwrap();
    store.probe().await.unwrap();
    assert_eq!(counted(), stored_bytes(&store));
    // As after `kill -9`: the size that was stored when the file was closed is missing, or too old.
    let killed = directory.path().join("killed.redb");
    fs::copy(&path, &killed).unwrap();
    let after = open(&killed, Durability::Os, Clock::system());
    assert_eq!(after.shared.row_bytes.load(Ordering::Relaxed), stored_bytes(&after));
    subject.pass(WINDOW);
    subject.sweep().await;
    assert_eq!(counted(), stored_bytes(&store));
    assert!(counted() < 4_096, "{} bytes remain of names", counted());
    let last = counted();
    store.close().await;
    let again = open(&path, Durability::Os, Clock::system());
    assert_eq!(again.shared.row_bytes.load(Ordering::Relaxed), last, "a file that was closed is not read as a whole");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compacts_oversized_file_while_it_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.redb");
    let subject = Subject::new(|clock| Arc::new(open(&path, Durability::Os, clock)));
    let store = &subject.store;
    fill(&subject).await;
    subject.pass(Duration::from_secs(60));
    subject.sweep().await;
    let before = taken(&path);
    assert!(before > 20 * MIB, "{before}");
    assert!(store.status().space.used.unwrap() < 4 * MIB, "free pages do not count: {:?}", store.status().space);
    let (reading, stopped) = (store.clone(), Arc::new(AtomicBool::new(false)));
    let (until, tasks) = (stopped.clone(), Tasks::default());
    let reader = tasks.spawn(async move {
        while !until.load(Ordering::SeqCst) {
            assert_eq!(reading.read(&topic("kept"), 0, ALL).await.unwrap().entries.len(), 200);
        }
    });
    // Beyond a quarter and some megabytes more than its limit, the whole file counts.
    store.set_space_limits(SpaceLimits { max_bytes: Some(2 * MIB), min_free_percent: 0 });
    let began = Instant::now();
    while store.status().compactions == 0 || store.status().space.refusing.is_some() {
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", store.status());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(taken(&path) < 4 * MIB, "{} of {before} bytes", taken(&path));
    stopped.store(true, Ordering::SeqCst);
    reader.await.unwrap();
    assert_eq!(subject.append(subject.entry("kept", "more")).await, 201);
    let again = store.status().compactions;
    store.close().await;
    assert_eq!(again, 1);
}

#[tokio::test]
async fn compacts_file_offline() {
    let directory = tempfile::tempdir().unwrap();
    let path = file_with_free_pages(directory.path()).await;
    let compacted = compact(&path).unwrap();
    assert!(compacted.before > 20 * MIB && compacted.after < 4 * MIB, "{compacted:?}");
    assert_eq!(taken(&path), compacted.after);
    assert_whole(&path).await;
}

/// A child compacts the file, and is killed at various moments.
#[tokio::test]
async fn process_killed_during_compaction_leaves_whole_file() {
    if let Some(path) = child_of_this_test() {
        compact(&path).unwrap();
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let whole = file_with_free_pages(directory.path()).await;
    let mut killed = 0;
    for changes in [1, 2, 4, 8, 16, 32] {
        let path = directory.path().join(format!("killed-{changes}.redb"));
        fs::copy(&whole, &path).unwrap();
        let mut child = this_test_again("space::process_killed_during_compaction_leaves_whole_file")
            .env(CHILD, &path)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let (mut seen, mut last) = (0, fs::metadata(&path).unwrap().modified().unwrap());
        while seen < changes && child.try_wait().unwrap().is_none() {
            let now = fs::metadata(&path).unwrap().modified().unwrap();
            seen += u32::from(now != last);
            last = now;
        }
        let is_running = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        killed += u32::from(is_running);
        assert_whole(&path).await;
        assert!(compact(&path).unwrap().after < 4 * MIB);
        assert_whole(&path).await;
    }
    assert!(killed >= 2, "only {killed} processes were killed while they compacted");
}

/// Runs on a file system of 96 MiB with a watermark of 25 % free space. The file of another program fills it.
#[tokio::test]
async fn refuses_new_entries_before_disk_is_full() {
    if let Some(directory) = child_of_this_test() {
        return meet_the_watermark(&directory).await;
    }
    let Some(output) = run_on_file_system_of_size("96m", "space::refuses_new_entries_before_disk_is_full") else {
        println!("this machine gives no file system of its own; the decision is tested without one in store/space.rs");
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("accepted again"), "the scenario did not run: {text}");
}

async fn meet_the_watermark(directory: &Path) {
    let subject = Subject::new(|clock| Arc::new(open(&directory.join("a.redb"), Durability::Fsync, clock)));
    let store = &subject.store;
    store.set_space_limits(SpaceLimits { max_bytes: None, min_free_percent: 25 });
    let pending: Vec<_> = (0..200).map(|n| subject.notification("u", &n.to_string())).collect();
    for notify in &pending {
        subject.notify(notify.clone()).await;
    }
    let (ballast, rest) = (directory.join("ballast"), directory.join("rest"));
    fs::write(&ballast, vec![1; 74 * MIB as usize]).unwrap();
    let refused = store.append(subject.entry("a", "x")).await;
    let Err(StoreError::Full(reason)) = refused else { panic!("the entry was accepted") };
    assert!(reason.contains("the file system of the data file is free"), "{reason}");
    let status = store.status();
    assert!(status.writable && status.last_error.is_none(), "{status:?}");
    assert!(status.space.free_ratio.unwrap() < 0.25);
    // Another program writes until 96 % are used; acknowledgements and sweeps still find room.
    fs::write(&rest, vec![1; 16 * MIB as usize]).unwrap();
    assert!(store.append(subject.entry("a", "x")).await.is_err());
    for notify in &pending {
        let ids = std::slice::from_ref(&notify.id);
        assert_eq!(store.acknowledge(&notify.user, ids, None).await.unwrap().len(), 1);
    }
    subject.pass(WINDOW);
    subject.sweep().await;
    store.probe().await.unwrap();
    assert!(store.status().writable, "{:?}", store.status());
    fs::remove_file(&ballast).unwrap();
    // The next batch looks again.
    assert_eq!(subject.append(subject.entry("a", "x")).await, 1);
    assert_eq!(store.status().space.refusing, None);
    store.close().await;
    println!("accepted again");
}
