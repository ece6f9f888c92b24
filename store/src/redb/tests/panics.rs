//! A data file that is damaged so that redb panics when it writes: no caller hangs, and the status reports the error.

use std::{fs, path::Path};

use gateway_runtime::supervision::Supervisor;

use super::open;
use crate::{
    Append, Durability, Log, Options, Store, StoreError,
    clock::Clock,
    redb::RedbStore,
    testing::conformance::{ALL, entry_at, options, topic},
};

/// The size of a page of redb.
const PAGE: usize = 4_096;
/// What the bodies of the entries hold, so that their pages are found.
const BODY: &str = "a body that no other page holds";

/// Returns whether a page is a leaf with many rows: pages of small tables may have old bytes behind their few rows.
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
    // The writer has caught the panic, or its thread has ended.
    let status = store.status();
    assert!(status.damaged > 0 || supervisor.failure().is_some(), "{status:?}");
    // A read of what is damaged fails or reports what is lost, and does not hang.
    let read = store.read(&topic("c"), 0, ALL).await;
    assert!(read.as_ref().map_or(true, |page| page.lost.is_some()), "{read:?}");
    store.close().await;
}
