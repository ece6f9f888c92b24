//! The configuration in force in a running process: the one at the start, and the latest reloaded one.

use std::{path::Path, sync::Arc};

use super::{
    ConfigError, Environment, Loaded,
    keys::{KEYS, Key},
    load::in_background,
};

/// The configuration in force. Keys that need a restart have the values of the start, others those of the latest
/// reload.
#[derive(Debug)]
pub struct InForce {
    started: Arc<Loaded>,
    latest: Arc<Loaded>,
}

/// A key whose value in a newer configuration differs from the value in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: &'static str,
    /// Whether the change takes effect without a restart.
    pub live: bool,
}

impl InForce {
    /// Creates it from the configuration with which the process started.
    pub fn new(started: Loaded) -> Self {
        let started = Arc::new(started);
        Self { latest: Arc::clone(&started), started }
    }

    /// Reads all layers again, for SIGHUP. Generated values (node id, secret of `--dev`) are kept.
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

    /// Returns the differences between a newer configuration and the one in force.
    pub fn changes(&self, newer: &Loaded) -> Vec<Change> {
        let differs = |key: &&Key| {
            let in_force = if key.live { &self.latest } else { &self.started };
            let (mut old, mut new) = (in_force.draft.clone(), newer.draft.clone());
            (key.field)(&mut old).show(key.kind) != (key.field)(&mut new).show(key.kind)
        };
        let mut changes: Vec<_> =
            KEYS.iter().filter(differs).map(|key| Change { key: key.name, live: key.live }).collect();
        if self.latest.config.services != newer.config.services {
            changes.push(Change { key: "services", live: true });
        }
        if self.latest.config.webhooks != newer.config.webhooks {
            changes.push(Change { key: "webhooks", live: true });
        }
        changes
    }

    /// Records that the keys of a newer configuration that need no restart have taken effect.
    pub fn applied(&mut self, newer: Loaded) {
        self.latest = Arc::new(newer);
    }
}
