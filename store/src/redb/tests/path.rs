//! The file at its path: its access rights, and writes after the file was moved or removed.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use tokio::time::timeout;

use super::{Durability, file_in, open, subject_in};
use crate::{
    Store, StoreError,
    clock::Clock,
    testing::conformance::{ALL, Subject, bodies, options, topic},
};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn creates_files_readable_by_owner_only() {
    let directory = tempfile::tempdir().unwrap();
    for durability in [Durability::Fsync, Durability::Os] {
        let path = directory.path().join(format!("{durability:?}.redb"));
        // The usual umask, 022, would leave 0644.
        let store = open(&path, durability, Clock::system());
        assert_eq!(mode(&path), 0o600);
        assert!(store.status().warnings.is_empty());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let warnings = store.status().warnings;
        assert!(warnings.len() == 1 && warnings[0].contains("chmod 600"), "{warnings:?}");
    }
}

/// Waits until the store is as it should be: the writer looks once a second.
async fn until(subject: &Subject, is: impl Fn(&dyn Store) -> bool) {
    let looking = async {
        while !is(&*subject.store) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(5), looking).await.expect("it is noticed within five seconds");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refuses_writes_while_file_is_not_at_its_path() {
    let directory = tempfile::tempdir().unwrap();
    let subject = subject_in(directory.path(), Durability::Fsync, options());
    let path = file_in(directory.path());
    let aside = path.with_extension("aside");
    subject.append(subject.entry("a", "1")).await;

    for replaced in [false, true] {
        fs::rename(&path, &aside).unwrap();
        if replaced {
            fs::copy(&aside, &path).unwrap();
        }
        // Without anything to write, too.
        until(&subject, |store| store.status().detached).await;
        let status = subject.store.status();
        assert!(!status.writable && status.last_error.is_some());
        let refused = subject.store.append(subject.entry("a", "unconfirmed")).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        assert!(!subject.store.read(&topic("a"), 0, ALL).await.unwrap().entries.is_empty(), "reads continue");

        fs::rename(&aside, &path).unwrap();
        until(&subject, |store| store.status().writable).await;
        let body = if replaced { "3" } else { "2" };
        subject.append(subject.entry("a", body)).await;
    }
    assert_eq!(bodies(&subject.store.read(&topic("a"), 0, ALL).await.unwrap()), ["1", "2", "3"]);
}
