//! From `store.url` to a store.

use std::{sync::Arc, time::Duration};

use super::{Store, clock::Clock, memory::MemoryStore};
use crate::config;

/// Why there is no store. Each says in one line what is wrong and how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL names no kind of store.
    #[error("store.url names no store that is known; use `redb:PATH` or `memory`")]
    UnknownUrl,
    /// The URL names a kind of store that comes later.
    #[error("store.url names Redis, which is not in this version; use `redb:PATH` or `memory`")]
    NotInThisVersion,
}

/// Opens the store that is configured. `idempotency_window` is how long repeats are recognised.
///
/// # Errors
/// [`OpenError`] says what is wrong with the URL or the file.
pub fn open(config: &config::Store, idempotency_window: Duration) -> Result<Arc<dyn Store>, OpenError> {
    let url = config.url.0.as_str();
    if url == "memory" {
        return Ok(Arc::new(MemoryStore::new(idempotency_window, Clock::system())));
    }
    if url.starts_with("redis://") || url.starts_with("rediss://") {
        return Err(OpenError::NotInThisVersion);
    }
    Err(OpenError::UnknownUrl)
}
