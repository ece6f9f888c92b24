//! The file under test: the conformance suite, and what only a file can do.

use std::{path::Path, sync::Arc};

use super::RedbStore;
use crate::{
    config::Durability,
    store::{
        clock::Clock,
        conformance::{Subject, WINDOW, conformance},
    },
};

/// Opens a file with the conformance suite's window.
fn open(path: &Path, durability: Durability, clock: Clock) -> RedbStore {
    RedbStore::open(path, durability, WINDOW, clock).unwrap()
}

/// A store in a directory of its own.
fn subject(durability: Durability) -> Subject {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("made/on/the/way.redb");
    let mut subject = Subject::new(|clock| Arc::new(open(&path, durability, clock)));
    subject.keep = Some(directory);
    subject
}

mod fsync {
    super::conformance!(super::subject(super::Durability::Fsync));
}

mod os {
    super::conformance!(super::subject(super::Durability::Os));
}
