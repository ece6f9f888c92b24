//! The configuration in force, which a reload replaces.

use std::sync::Arc;

use parking_lot::RwLock;

use super::Config;

/// A handle to the configuration in force. Clones share it. Parts read it each time that they need a value, so that
/// they see changes of a reload.
#[derive(Debug, Clone)]
pub struct LiveConfig(Arc<RwLock<Arc<Config>>>);

impl LiveConfig {
    /// Creates a handle to this configuration.
    pub fn new(config: Config) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(config))))
    }

    /// Returns the configuration in force.
    pub fn get(&self) -> Arc<Config> {
        self.0.read().clone()
    }

    /// Replaces the configuration for all clones.
    pub fn replace(&self, config: Config) {
        *self.0.write() = Arc::new(config);
    }
}
