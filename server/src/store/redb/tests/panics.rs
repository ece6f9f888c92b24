//! A data file that was closed cleanly and damaged then, so that redb panics when it writes: nothing hangs, and it shows.

use std::{fs, path::Path};

use super::open;
use crate::{
    config::Durability,
    store::{
        Append, Log, Options, Store, StoreError,
        clock::Clock,
        conformance::{ALL, entry_at, options, topic},
        redb::RedbStore,
    },
    supervision::Supervisor,
};

/// The size of a page of redb.
const PAGE: usize = 4_096;
/// What the bodies of the entries hold, so that their pages are found.
const BODY: &str = "a body that no other page holds";

/// Whether a page is a leaf with many rows: pages of small tables may have old bytes behind their few rows.
fn is_full_leaf(page: &[u8]) -> bool {
    page[0] == 1 && u16::from_le_bytes([page[2], page[3]]) >= 8
}

/// Damages the number of rows in every page that holds an entry.
fn damage_entries(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let mut damaged = 0;
    for page in bytes.chunks_mut(PAGE) {
        if is_full_leaf(page) && page.windows(BODY.len()).any(|window| window == BODY.as_bytes()) {
            page[2..4].fill(0xff);
            damaged += 1;
        }
    }
    assert!(damaged > 0, "no page holds an entry");
    fs::write(path, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_damage_where_redb_panics_and_answers_callers() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("damaged.redb");
    let first = open(&path, Durability::Fsync, Clock::system());
    let now = Clock::system().now();
    for n in 0..100 {
        let body = format!("{BODY} {n}").into();
        first.append(Append { body, ..entry_at(now, "c", &n.to_string()) }).await.unwrap();
    }
    first.close().await;
    damage_entries(&path);

    let supervisor = Supervisor::default();
    let options = Options { supervisor: supervisor.clone(), ..options() };
    let store = RedbStore::open(&path, Durability::Fsync, options, Clock::system()).unwrap();
    assert_eq!(supervisor.failure(), None);
    let appends = (0..10).map(|n| store.append(entry_at(now, "c", &format!("new{n}"))));
    for appended in futures_util::future::join_all(appends).await {
        assert!(matches!(appended, Err(StoreError::Unavailable(_))), "{appended:?}");
    }
    // The writer has caught the panic, or has died of it.
    let status = store.status();
    assert!(status.damaged > 0 || supervisor.failure().is_some(), "{status:?}");
    // A read of what is damaged fails or says what is lost, and does not hang.
    let read = store.read(&topic("c"), 0, ALL).await;
    assert!(read.as_ref().map_or(true, |page| page.lost.is_some()), "{read:?}");
    store.close().await;
}
