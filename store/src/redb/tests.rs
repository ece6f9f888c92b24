//! Tests of the store in a data file: the conformance suite, and tests of its own.

mod broadcast;
mod crash;
mod damage;
mod files;
mod full_disk;
mod migration;
mod model;
mod outbox;
mod panics;
mod path;
mod space;
mod webhooks;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::Arc,
};

use redb::{Database, ReadableDatabase, ReadableTable};

use super::{
    RedbStore,
    bodies::{self, BODY_USES, UsesRow},
    format::{PENDING, PendingRow, RowBody},
};
use crate::{
    Durability, Options,
    clock::Clock,
    testing::conformance::{Subject, options, options_with_outbox, options_with_webhooks},
};

/// The environment variable with the path on which a child process of a test works.
const CHILD: &str = "GATEWAY_TEST_STORE_CHILD";

/// Opens a file with the idempotency window of the conformance suite.
fn open(path: &Path, durability: Durability, clock: Clock) -> RedbStore {
    RedbStore::open(path, durability, options(), clock).unwrap()
}

/// Runs a test again, as a child process with [`CHILD`], on a file system of its own of a size such as `96m`. `None`
/// where the machine does not allow that.
fn run_on_file_system_of_size(size: &str, test: &str) -> Option<Output> {
    let directory = tempfile::tempdir().unwrap();
    let mount = format!("mount -t tmpfs -o size={size} tmpfs \"$0\"");
    let own_mounts = || {
        let mut unshare = Command::new("unshare");
        unshare.args(["--map-root-user", "--mount", "sh", "-c"]).stdin(Stdio::null());
        unshare
    };
    let allowed = own_mounts().arg(&mount).arg(directory.path()).stderr(Stdio::null()).status();
    if !allowed.is_ok_and(|status| status.success()) {
        return None;
    }
    let again = this_test_again(test);
    let mut command = own_mounts();
    command.arg(format!("{mount} && exec \"$@\"")).arg(directory.path()).arg(again.get_program());
    Some(command.args(again.get_args()).env(CHILD, directory.path()).output().unwrap())
}

/// Returns a store in a directory of its own.
fn subject(durability: Durability) -> Subject {
    subject_with(durability, options())
}

fn subject_with(durability: Durability, options: Options) -> Subject {
    let directory = tempfile::tempdir().unwrap();
    subject_in(directory.path(), durability, options).keeping(directory)
}

/// Returns the file of a subject in a directory.
fn file_in(directory: &Path) -> PathBuf {
    directory.join("made/on/the/way.redb")
}

fn subject_in(directory: &Path, durability: Durability, options: Options) -> Subject {
    let path = file_in(directory);
    let mut opened = None;
    let subject = Subject::new(|clock| {
        let store = Arc::new(RedbStore::open(&path, durability, options, clock).unwrap());
        opened = Some(store.clone());
        store
    });
    let store = opened.unwrap();
    subject.counting_bodies(move || {
        let store = store.clone();
        async move { the_same(store.read_file(bodies::count).await.unwrap()) }
    })
}

/// Counts the bodies in a file that is closed, and checks their references.
pub(crate) fn count_bodies(path: &Path) -> u64 {
    let database = Database::open(path).unwrap();
    let transaction = database.begin_read().unwrap();
    let mut references = BTreeMap::<u64, u64>::new();
    for row in transaction.open_table(PENDING).unwrap().iter().unwrap() {
        let (key, row) = row.unwrap();
        if let RowBody::Shared(number) = PendingRow::decode(key.value(), row.value()).unwrap().body {
            *references.entry(number).or_default() += 1;
        }
    }
    let mut counted = BTreeMap::new();
    for row in transaction.open_table(BODY_USES).unwrap().iter().unwrap() {
        let (number, row) = row.unwrap();
        counted.insert(number.value(), UsesRow::decode(number.value(), row.value()).unwrap().count);
    }
    assert_eq!(references, counted);
    let bodies = the_same(bodies::count(&transaction).unwrap());
    assert_eq!(bodies, references.len() as u64);
    bodies
}

/// Returns the number of bodies. Asserts that there are as many counts and rows of the index.
fn the_same([bodies, uses, by_time]: [u64; 3]) -> u64 {
    assert_eq!((uses, by_time), (bodies, bodies));
    bodies
}

/// Returns a command that runs one test of this test program. The caller sets [`CHILD`].
fn this_test_again(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "--nocapture", &format!("redb::tests::{test}")]);
    command
}

/// Returns the path to work on if this process is the child of a test.
fn child_of_this_test() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

mod fsync {
    crate::conformance!(core: super::subject(super::Durability::Fsync));
    crate::conformance!(space: super::subject(super::Durability::Fsync));
}

mod os {
    crate::conformance!(core: super::subject(super::Durability::Os));
    crate::conformance!(space: super::subject(super::Durability::Os));
}

mod with_outbox {
    crate::conformance!(outbox: super::subject_with(super::Durability::Os, super::options_with_outbox()));
    crate::conformance!(webhooks: super::subject_with(super::Durability::Os, super::options_with_webhooks()));
}
