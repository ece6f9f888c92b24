//! The file under test: the conformance suite, and what only a file can do.

mod crash;
mod damage;
mod files;
mod full_disk;
mod migration;
mod outbox;
mod panics;
mod path;
mod space;

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use super::RedbStore;
use crate::{
    config::Durability,
    store::{
        Options, Store,
        clock::Clock,
        conformance::{Subject, conformance, options, options_with_outbox},
    },
};

/// Names the path that a test's own child process works on.
const CHILD: &str = "GATEWAY_TEST_STORE_CHILD";

/// Opens a file with the conformance suite's window.
fn open(path: &Path, durability: Durability, clock: Clock) -> RedbStore {
    RedbStore::open(path, durability, options(), clock).unwrap()
}

/// A store in a directory of its own.
fn subject(durability: Durability) -> Subject {
    subject_with(durability, options())
}

fn subject_with(durability: Durability, options: Options) -> Subject {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("made/on/the/way.redb");
    let open = |clock| Arc::new(RedbStore::open(&path, durability, options, clock).unwrap()) as Arc<dyn Store>;
    let mut subject = Subject::new(open);
    subject.keep = Some(directory);
    subject
}

/// This test program again with one test only; [`CHILD`] is to be set for it.
fn this_test_again(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "--nocapture", &format!("store::redb::tests::{test}")]);
    command
}

/// The path to work on, when this process is the child of the test.
fn child_of_this_test() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

mod fsync {
    super::conformance!(super::subject(super::Durability::Fsync));
    super::conformance!(space: super::subject(super::Durability::Fsync));
}

mod os {
    super::conformance!(super::subject(super::Durability::Os));
    super::conformance!(space: super::subject(super::Durability::Os));
}

mod with_outbox {
    super::conformance!(outbox: super::subject_with(super::Durability::Os, super::options_with_outbox()));
}
