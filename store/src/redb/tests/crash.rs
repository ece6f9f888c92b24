//! Tests that `kill -9` at any moment loses no confirmed entry.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Stdio},
    sync::Arc,
};

use gateway_runtime::tasks::Tasks;

use super::{RedbStore, child_of_this_test, open, this_test_again};
use crate::{
    Durability, Log, Store,
    clock::Clock,
    open::OpenError,
    testing::conformance::{ALL, Subject, options, topic},
};

/// How many tasks append concurrently, each to its own clan.
const WRITERS: usize = 8;
/// After how many confirmations the child is killed.
const CONFIRMED: usize = 400;

#[tokio::test]
async fn killed_process_loses_nothing_confirmed() {
    if let Some(path) = child_of_this_test() {
        return append_for_ever(&path, Durability::Fsync).await;
    }
    kill_and_look(this_test_again("crash::killed_process_loses_nothing_confirmed"), Durability::Fsync).await;
}

#[tokio::test]
async fn killed_process_loses_nothing_written_to_the_system() {
    if let Some(path) = child_of_this_test() {
        return append_for_ever(&path, Durability::Os).await;
    }
    kill_and_look(this_test_again("crash::killed_process_loses_nothing_written_to_the_system"), Durability::Os).await;
}

/// Appends from several tasks concurrently and prints what is confirmed, until it is killed.
async fn append_for_ever(path: &Path, durability: Durability) {
    let subject = Subject::new(|clock| Arc::new(open(path, durability, clock)));
    let tasks = Tasks::default();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (store, entry) = (subject.store.clone(), subject.entry(&format!("c{writer}"), "x"));
            tasks.spawn(async move {
                for n in 0u64.. {
                    let body = n.to_string().into();
                    let offset = store.append(crate::Append { body, ..entry.clone() }).await.unwrap().offset;
                    // One write, so that a line is whole or not there.
                    std::io::stdout().write_all(format!("\nconfirmed {writer} {offset} {n}\n").as_bytes()).unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
}

async fn kill_and_look(mut again: std::process::Command, durability: Durability) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("killed.redb");
    let mut child: Child = again.env(super::CHILD, &path).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut confirmed: BTreeMap<(usize, u64), String> = BTreeMap::new();
    let mut killed = false;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some(rest) = line.strip_prefix("confirmed ") else { continue };
        let [writer, offset, body] = rest.split(' ').collect::<Vec<_>>()[..] else { continue };
        confirmed.insert((writer.parse().unwrap(), offset.parse().unwrap()), body.into());
        if confirmed.len() == CONFIRMED {
            let second = RedbStore::open(&path, durability, options(), Clock::system());
            assert!(matches!(second, Err(OpenError::InUse { .. })), "a second process gets an error");
            child.kill().unwrap();
            killed = true;
        }
    }
    assert!(killed, "the child ended by itself");
    child.wait().unwrap();

    let store = open(&path, durability, Clock::system());
    for writer in 0..WRITERS {
        let page = store.read(&topic(&format!("c{writer}")), 0, ALL).await.unwrap();
        let found: BTreeMap<u64, String> =
            page.entries.iter().map(|entry| (entry.offset, String::from_utf8(entry.body.to_vec()).unwrap())).collect();
        assert_eq!(found.keys().copied().collect::<Vec<_>>(), (1..=page.bounds.head).collect::<Vec<_>>());
        for ((_, offset), body) in confirmed.range((writer, 0)..=(writer, u64::MAX)) {
            assert_eq!(found.get(offset), Some(body), "writer {writer} got the confirmation of {offset}");
        }
    }
    store.close().await;
}
