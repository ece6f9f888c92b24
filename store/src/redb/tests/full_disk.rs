//! A disk without space: writes are refused, reads continue, and the store recovers by itself.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use gateway_runtime::tasks::Tasks;

use super::{CHILD, child_of_this_test, open, run_on_file_system_of_size, this_test_again};
use crate::{
    Append, Durability, Log,
    testing::conformance::{ALL, Subject, counts, offsets, topic, user_topic},
};

/// Runs on a file system of 2 MiB. Another file uses most of it, and is removed later.
#[tokio::test]
async fn refuses_writes_on_full_disk_and_recovers() {
    if let Some(directory) = child_of_this_test() {
        let ballast = directory.join("ballast");
        fs::write(&ballast, vec![1; 1024 * 1024]).unwrap();
        return fill_and_recover(&directory, || fs::remove_file(&ballast).unwrap()).await;
    }
    match run_on_file_system_of_size("2m", "full_disk::refuses_writes_on_full_disk_and_recovers") {
        Some(output) => assert_recovered(&output),
        None => println!("this machine gives no file system of its own; the test with a limit on file sizes remains"),
    }
}

/// Runs with a limit on the size of files, which is removed later.
#[tokio::test]
async fn refuses_writes_when_file_cannot_grow_and_recovers() {
    if let Some(directory) = child_of_this_test() {
        let lift = || {
            let pid = std::process::id().to_string();
            let lifted = Command::new("prlimit").args(["--fsize=unlimited", "--pid", &pid]).status();
            assert!(lifted.unwrap().success());
        };
        return fill_and_recover(&directory, lift).await;
    }
    let directory = tempfile::tempdir().unwrap();
    let again = this_test_again("full_disk::refuses_writes_when_file_cannot_grow_and_recovers");
    let mut command = Command::new("sh");
    // Without the trap the system would end the process (setrlimit(2)); the limit is in blocks of 512 bytes or 1 KiB.
    command.args(["-c", "trap '' XFSZ; ulimit -S -f 1500; exec \"$@\"", "sh"]).arg(again.get_program());
    assert_recovered(&command.args(again.get_args()).env(CHILD, directory.path()).output().unwrap());
}

fn assert_recovered(output: &Output) {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("recovered"), "the scenario did not run: {text}");
}

async fn fill_and_recover(directory: &Path, make_space: impl FnOnce()) {
    let mut writable = None;
    let subject = Subject::new(|clock| {
        let store = open(&directory.join("full.redb"), Durability::Fsync, clock);
        writable = Some(store.writable());
        Arc::new(store)
    });
    let store = &subject.store;
    let mut writable = writable.unwrap();
    subject.notify(subject.notification("u", "n")).await;
    let large = || Append { body: vec![7; 30_000].into(), ..subject.entry("a", "x") };
    let mut confirmed = 0;
    let shard = [topic("a").shard()];
    let refused = loop {
        match store.append(large()).await {
            Ok(appended) => confirmed = appended.offset,
            Err(error) => break error,
        }
        assert!(confirmed < 1_000, "the disk is never full");
    };
    let counted = counts(&**store, &shard).await[0];
    assert_eq!(counted, confirmed + 1, "what was refused may be there all the same, so it is to be looked for");
    let status = store.status();
    assert!(!status.writable, "refused with {refused}, but writable");
    assert!(status.last_error.is_some());
    assert!(confirmed > 5, "there was room for some: {refused}");

    // Reads continue during the attempts to write, also reads that meet the fault.
    let reads = Tasks::default();
    let (reading, stopped) = (store.clone(), Arc::new(AtomicBool::new(false)));
    let until = stopped.clone();
    let reader = reads.spawn(async move {
        while !until.load(Ordering::SeqCst) {
            reading.heads(&[topic("a")]).await.unwrap();
        }
    });
    for _ in 0..50 {
        let page = store.read(&topic("a"), 0, ALL).await.unwrap();
        assert!(page.bounds.head >= confirmed);
        assert_eq!(offsets(&page), (1..=page.bounds.head).collect::<Vec<_>>());
        assert_eq!(store.read(&user_topic("u"), 0, ALL).await.unwrap().entries.len(), 1);
        let _ = store.append(large()).await;
    }

    make_space();
    // It recovers without a write.
    tokio::time::timeout(Duration::from_secs(60), writable.wait_for(|writable| *writable)).await.unwrap().unwrap();
    let before = store.heads(&[topic("a")]).await.unwrap().bounds[0].head;
    let appended = store.append(large()).await.unwrap();
    assert_eq!(appended.offset, before + 1);
    assert_eq!(store.status().last_error, None);
    stopped.store(true, Ordering::SeqCst);
    reader.await.unwrap();
    assert_eq!(store.pending_count(&subject.notification("u", "n").user).await.unwrap(), 1);
    store.close().await;
    let again = open(&directory.join("full.redb"), Durability::Fsync, crate::clock::Clock::system());
    assert_eq!(again.read(&topic("a"), 0, ALL).await.unwrap().bounds.head, before + 1);
    println!("recovered");
}
