//! A store as one thing: all its parts, its errors, how it is.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use realtime_gateway_protocol::Timestamp;

use super::{Log, NodeName, Nodes, Outbox, Pending, Presence, Sessions};

/// Why the store did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// It cannot confirm now; the operation may have taken effect all the same.
    #[error("the store is not available: {0}")]
    Unavailable(Arc<str>),
}

/// What a store is opened with, whatever its kind.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long repeats are recognised.
    pub window: Duration,
    /// The node that opens it.
    pub node: NodeName,
    /// How many events may wait for the broker; none keeps no outbox, because nobody would read it.
    pub outbox: Option<u64>,
}

/// What a store tells of itself.
#[derive(Debug, Clone, Default)]
pub struct StoreStatus {
    /// Whether it serves writes.
    pub writable: bool,
    /// The last error, without secrets.
    pub last_error: Option<Arc<str>>,
    /// Bytes that it holds, where that is known.
    pub bytes: Option<u64>,
    /// Pending notifications of all users; those that expired count until they are swept.
    pub pending_notifications: u64,
    /// Commits since the start, where operations share them.
    pub commits: u64,
    /// Operations that those commits confirmed.
    pub committed_operations: u64,
    /// What an operator should look at, in sentences.
    pub warnings: Vec<Arc<str>>,
    /// How many rows were found damaged or missing since the start.
    pub damaged: u64,
    /// Whether what is written would be lost with the process, because the data file is no longer at its path.
    pub detached: bool,
}

/// What a sweep removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Entries beyond the age of their logs.
    pub entries: u64,
    /// Notifications whose time ended.
    pub expired: u64,
    /// Whether there is more to remove now.
    pub more: bool,
}

/// A store, whole.
#[async_trait]
pub trait Store: Log + Pending + Sessions + Presence + Nodes + Outbox + Send + Sync + 'static {
    /// Removes what is beyond its age, some hundred rows at a time, so that writers are not held up.
    async fn sweep(&self, now: Timestamp) -> Result<Swept, StoreError>;

    /// What the store tells of itself.
    fn status(&self) -> StoreStatus;

    /// Writes everything out and stops. Later calls answer `Unavailable`.
    async fn close(&self);
}
