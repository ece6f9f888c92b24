//! The outbox: events for backend services, written in the same step as what they report, kept until the broker has
//! them. So a broker that is away costs delay, not events.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use realtime_gateway_protocol::{NotificationId, Timestamp};

use super::{Epoch, StoreError};

/// What backend services are to be told. A store without an outbox (`bus.url = embedded`) ignores it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Tells copies apart: an event is published at least once.
    pub id: Arc<str>,
    /// The AMQP routing key.
    pub key: Arc<str>,
    /// When it happened.
    pub at: Timestamp,
    /// A JSON object of what was known beforehand; what only the store knows is in the [`EventDetail`].
    pub body: Bytes,
}

/// What the store itself adds to an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventDetail {
    /// Nothing.
    None,
    /// The entry that was appended: `offset` and `epoch`.
    Entry {
        /// Its place in the log.
        offset: u64,
        /// The epoch that the offset belongs to.
        epoch: Epoch,
    },
    /// The notifications that were acknowledged or dropped: `notificationIds`.
    Notifications(Vec<NotificationId>),
}

/// An event that waits for the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEntry {
    /// Its place in the outbox: a store's own name for it, in ascending order.
    pub sequence: u64,
    /// The node that wrote it.
    pub node: Arc<str>,
    /// What was known beforehand.
    pub event: Event,
    /// What the store knows of it.
    pub detail: EventDetail,
}

/// How the outbox is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutboxStatus {
    /// How many events wait.
    pub entries: u64,
    /// When the oldest of them happened.
    pub oldest: Option<Timestamp>,
    /// Events of this process that were not written because `outbox.max_entries` waited.
    pub overflowed: u64,
}

/// Events that wait for the broker, of all nodes. One node at a time publishes them, in order.
///
/// When `outbox.max_entries` wait, a new event is not written, and counted; what it reports is done all the same.
#[async_trait]
pub trait Outbox {
    /// Takes or renews the outbox's lease for this node: true when this node, and no other, may publish for `ttl`.
    /// A store that one process has to itself always says so.
    async fn lease_outbox(&self, ttl: Duration) -> Result<bool, StoreError>;

    /// Gives the outbox's lease back, so that another node need not wait for its end.
    async fn release_outbox(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// The oldest events after a sequence, at most so many; waits at most so long for one to come.
    async fn read_outbox(&self, after: u64, at_most: usize, wait: Duration) -> Result<Vec<OutboxEntry>, StoreError>;

    /// Forgets events that the broker has, or has returned.
    async fn remove_from_outbox(&self, sequences: &[u64]) -> Result<(), StoreError>;

    /// How the outbox is.
    async fn outbox_status(&self) -> Result<OutboxStatus, StoreError>;
}
