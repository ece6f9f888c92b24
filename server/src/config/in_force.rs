//! The configuration of a running process: what it was started with, and what was reloaded since.

use std::{path::Path, sync::Arc};

use super::{
    ConfigError, Environment, Loaded,
    keys::{KEYS, Key},
    load::in_background,
};

/// What is in force. Keys that need a restart have the values of the start, the others those of the latest reload.
#[derive(Debug)]
pub struct InForce {
    started: Arc<Loaded>,
    latest: Arc<Loaded>,
}

/// A key that a newer configuration has another value for than is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub key: &'static str,
    /// Whether it takes effect without a restart.
    pub live: bool,
}

impl InForce {
    /// What a process was started with.
    pub fn new(started: Loaded) -> Self {
        let started = Arc::new(started);
        Self { latest: Arc::clone(&started), started }
    }

    /// Reads all layers again, for SIGHUP. What this process made itself (node id, secret of `--dev`) stays.
    ///
    /// # Errors
    /// As [`Loaded::read`].
    pub async fn read_again(&self) -> Result<Loaded, ConfigError> {
        let (started, latest) = (Arc::clone(&self.started), Arc::clone(&self.latest));
        let read = move || {
            Loaded::layers(&started.flags, &Environment::read()?, Path::new("."), &[latest.as_ref(), started.as_ref()])
        };
        in_background(read).await
    }

    /// How a newer configuration differs from what is in force.
    pub fn changes(&self, newer: &Loaded) -> Vec<Change> {
        let differs = |key: &&Key| {
            let in_force = if key.live { &self.latest } else { &self.started };
            let (mut old, mut new) = (in_force.draft.clone(), newer.draft.clone());
            (key.field)(&mut old).show(key.kind) != (key.field)(&mut new).show(key.kind)
        };
        KEYS.iter().filter(differs).map(|key| Change { key: key.name, live: key.live }).collect()
    }

    /// The keys of a newer configuration that can change without a restart have taken effect.
    pub fn took(&mut self, newer: Loaded) {
        self.latest = Arc::new(newer);
    }
}
