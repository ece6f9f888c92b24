//! A store as one thing: all its parts, its errors, how it is.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use realtime_gateway_protocol::Timestamp;

use super::{Blocks, Log, NodeName, Nodes, Outbox, Pending, Presence, Sessions};
use crate::{
    clock::Mark,
    store::{SpaceLimits, SpaceStatus},
    supervision::Supervisor,
};

/// Why the store did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// It cannot confirm now; the operation may have taken effect all the same.
    #[error("the store is not available: {0}")]
    Unavailable(Arc<str>),
    /// It has no space for new entries. Nothing was stored.
    #[error("{0}")]
    Full(Arc<str>),
    /// The id stands for other content. Nothing was stored.
    #[error("the id was used before with other content")]
    Conflict,
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
    /// How much it may hold before it refuses new entries.
    pub space: SpaceLimits,
    /// Watches what the store runs for as long as it is open.
    pub supervisor: Supervisor,
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
    /// How much of its space is used, and whether it refuses new entries.
    pub space: SpaceStatus,
    /// Idempotency keys of messages and ids of notifications that are remembered. Redis counts every key of its database
    /// that has an expiry.
    pub idempotency_keys: u64,
    /// How often the data file was compacted since the start.
    pub compactions: u64,
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
    /// Whether the store removed nothing because its own clock has jumped.
    pub refused: bool,
}

/// A store, whole.
#[async_trait]
pub trait Store: Log + Pending + Sessions + Presence + Nodes + Outbox + Blocks + Send + Sync + 'static {
    /// Removes what is beyond its age, some hundred rows at a time, so that writers are not held up. A store with a clock
    /// of its own goes by that, and refuses when the given time does not agree with it.
    async fn sweep(&self, now: Timestamp) -> Result<Swept, StoreError>;

    /// Writes something and takes it back, to learn whether the store still writes. Stores that every pulse writes to
    /// need none.
    ///
    /// # Errors
    /// When the store cannot confirm the write.
    async fn probe(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// What an earlier process has noted of its clock. Only a store without a clock of its own keeps it.
    async fn clock_mark(&self) -> Result<Option<Mark>, StoreError> {
        Ok(None)
    }

    /// Notes the clock for a later process.
    async fn keep_clock_mark(&self, _mark: Mark) -> Result<(), StoreError> {
        Ok(())
    }

    /// The clock that the store was opened with follows the store's own clock from now on.
    fn clock_follows(&self) {}

    /// An operator confirms the clock: of the store where it has one, otherwise of the next process.
    async fn accept_clock(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Replaces the limits of its space.
    fn set_space_limits(&self, limits: SpaceLimits);

    /// What the store tells of itself.
    fn status(&self) -> StoreStatus;

    /// Writes everything out and stops. Later calls answer `Unavailable`.
    async fn close(&self);
}
