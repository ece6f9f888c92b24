//! Random operations on a file agree with the model, also when the file is closed and opened in between.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tempfile::TempDir;

use super::{count_bodies, open};
use crate::{
    Durability, Store,
    clock::Clock,
    testing::{Subject, model},
};

/// The directory of a file in which no body must be left when it is closed.
struct NoBodyLeft(TempDir);

impl NoBodyLeft {
    fn path(&self) -> PathBuf {
        self.0.path().join("model.redb")
    }
}

impl Drop for NoBodyLeft {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(count_bodies(&self.path()), 0);
        }
    }
}

fn opened(path: &Path, clock: Clock) -> Arc<dyn Store> {
    Arc::new(open(path, Durability::Os, clock))
}

#[test]
fn agrees_with_model() {
    model::check(32, async || {
        let directory = NoBodyLeft(tempfile::tempdir().unwrap());
        let path = directory.path();
        let subject = Subject::new(|clock| opened(&path, clock));
        subject.reopening(move |clock| opened(&path, clock)).keeping(directory)
    });
}
