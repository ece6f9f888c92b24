//! The trait `Store`, which combines the traits of all parts, and the options, errors and status of a store.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use gateway_runtime::supervision::Supervisor;
use realtime_gateway_protocol::Timestamp;

use super::{
    Blocks, ClusterChannel, ClusterEvents, Escalations, Log, NodeName, Nodes, Outbox, Pending, Presence,
    ServerSubscriptions, Sessions, WebhookFilter, Webhooks,
};
use crate::{ClockMark, SpaceLimits, SpaceStatus};

/// Why an operation failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The store cannot confirm the operation now. The operation may have taken effect nevertheless.
    #[error("the store is not available: {0}")]
    Unavailable(Arc<str>),
    /// The store has no space for new entries. Nothing was stored.
    #[error("{0}")]
    Full(Arc<str>),
    /// The id was used before with different content. Nothing was stored.
    #[error("the id was used before with other content")]
    Conflict,
}

/// The options that all kinds of stores have.
#[derive(Debug, Clone)]
pub struct Options {
    /// The idempotency window: how long repeated operations are recognised.
    pub window: Duration,
    /// The node that opens the store.
    pub node: NodeName,
    /// The maximum number of events in the outbox. `None` without a broker: then the store has no outbox.
    pub outbox: Option<u64>,
    /// The webhooks for which events are written.
    pub webhooks: Arc<[WebhookFilter]>,
    /// The limits beyond which the store refuses new entries.
    pub space: SpaceLimits,
    /// Supervises the background tasks and threads of the store.
    pub supervisor: Supervisor,
}

/// The status of a store.
#[derive(Debug, Clone, Default)]
pub struct StoreStatus {
    /// Whether the store accepts writes.
    pub writable: bool,
    /// The last error, without secrets.
    pub last_error: Option<Arc<str>>,
    /// The number of stored bytes, if known.
    pub bytes: Option<u64>,
    /// The number of pending notifications of all users. Expired notifications count until they are swept.
    pub pending_notifications: u64,
    /// The number of commits since the start, for stores in which several operations share a commit.
    pub commits: u64,
    /// The number of operations that these commits have confirmed.
    pub committed_operations: u64,
    /// Problems that an operator should check, in sentences.
    pub warnings: Vec<Arc<str>>,
    /// The number of rows that were found damaged or missing since the start.
    pub damaged: u64,
    /// Whether the data file is no longer at its path. Writes are refused then, because they would be lost when the
    /// process exits.
    pub detached: bool,
    /// The space that is used, and whether new entries are refused.
    pub space: SpaceStatus,
    /// The number of stored idempotency keys of messages and ids of notifications. For Redis this is the number of keys
    /// with an expiry in its database.
    pub idempotency_keys: u64,
    /// The number of compactions of the data file since the start.
    pub compactions: u64,
}

/// The result of a sweep.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// The number of removed entries that were older than the retention of their log.
    pub entries: u64,
    /// The number of removed notifications that had expired.
    pub expired: u64,
    /// Whether more can be removed now.
    pub more: bool,
    /// Whether the store removed nothing because its own clock has jumped.
    pub refused: bool,
}

/// A store.
#[async_trait]
pub trait Store:
    Log
    + Pending
    + Escalations
    + Sessions
    + ServerSubscriptions
    + Presence
    + Nodes
    + Outbox
    + Webhooks
    + Blocks
    + Send
    + Sync
    + 'static
{
    /// Removes expired entries and notifications, a few hundred rows at a time so that writers do not wait long. A store
    /// with its own clock uses that clock, and removes nothing if `now` differs too much from it.
    async fn sweep(&self, now: Timestamp) -> Result<Swept, StoreError>;

    /// Checks with a test write whether the store can be written. Stores that are written in every reconciliation need
    /// no such check.
    ///
    /// # Errors
    /// If the store cannot confirm the write.
    async fn probe(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Returns the clock mark that an earlier process stored. Only stores without their own clock keep it.
    async fn clock_mark(&self) -> Result<Option<ClockMark>, StoreError> {
        Ok(None)
    }

    /// Stores the clock mark for a later process.
    async fn keep_clock_mark(&self, _mark: ClockMark) -> Result<(), StoreError> {
        Ok(())
    }

    /// Informs the store that the clock with which it was opened now follows the store's own clock.
    fn clock_follows(&self) {}

    /// Accepts the current time after an operator has confirmed it: the time of the store's own clock, or without one the
    /// time of the next process.
    async fn accept_clock(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Joins the channel between the nodes of this store. A node joins once. A store that one process has to itself has no channel.
    fn join_cluster(&self) -> Option<(Arc<dyn ClusterChannel>, ClusterEvents)> {
        None
    }

    /// Replaces the space limits.
    fn set_space_limits(&self, limits: SpaceLimits);

    /// Returns the status of the store.
    fn status(&self) -> StoreStatus;

    /// Writes all pending data and closes the store. Later calls return `Unavailable`.
    async fn close(&self);
}
