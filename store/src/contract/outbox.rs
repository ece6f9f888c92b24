//! The outbox: events for backend services. An event is written in the same step as the change that it reports, and is kept
//! until the broker has confirmed it. An unavailable broker therefore delays events but does not lose them.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use realtime_gateway_protocol::{NotificationId, Timestamp};

use super::{Epoch, StoreError};

/// An event for backend services. A store without an outbox (`bus.url = embedded`) and without webhooks ignores events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The id, by which consumers recognise repeats: an event is published at least once.
    pub id: Arc<str>,
    /// The AMQP routing key.
    pub key: Arc<str>,
    /// When the event happened.
    pub at: Timestamp,
    /// A JSON object with the fields that the caller knows. The [`EventDetail`] has the fields that only the store knows.
    pub body: Bytes,
    /// Who caused it.
    pub source: EventSource,
}

/// Who caused an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventSource {
    /// A client, or the gateway itself.
    Client,
    /// A backend service.
    Backend,
}

/// The detail that the store adds to an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventDetail {
    /// No detail.
    None,
    /// The appended entry: the fields `offset` and `epoch`.
    Entry {
        /// The offset in the log.
        offset: u64,
        /// The epoch that the offset belongs to.
        epoch: Epoch,
    },
    /// The notifications that were acknowledged or dropped: the field `notificationIds`.
    Notifications(Vec<NotificationId>),
}

/// An event in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEntry {
    /// The position in the outbox. The store assigns positions in ascending order.
    pub sequence: u64,
    /// The node that wrote the event.
    pub node: Arc<str>,
    /// The event as the caller passed it.
    pub event: Event,
    /// The detail that the store has added.
    pub detail: EventDetail,
}

/// The state of the outbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutboxStatus {
    /// The number of events in the outbox.
    pub entries: u64,
    /// When the oldest event happened.
    pub oldest: Option<Timestamp>,
    /// The number of events of this process that were discarded because the outbox held `outbox.max_entries` events.
    pub overflowed: u64,
}

/// The events of all nodes that the broker has not confirmed yet. One node at a time publishes them, in order.
///
/// While the outbox holds `outbox.max_entries` events, new events are discarded and counted. The changes that they report
/// take effect nevertheless.
#[async_trait]
pub trait Outbox {
    /// Acquires or renews the lease of the outbox. Returns true if this node, and no other, may publish for `ttl`.
    /// A store that only one process uses always returns true.
    async fn lease_outbox(&self, ttl: Duration) -> Result<bool, StoreError>;

    /// Releases the lease of the outbox, so that another node need not wait until it expires.
    async fn release_outbox(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Returns the oldest events after a sequence, at most `at_most`. If there are none, waits for events up to `wait`.
    async fn read_outbox(&self, after: u64, at_most: usize, wait: Duration) -> Result<Vec<OutboxEntry>, StoreError>;

    /// Removes events that the broker has confirmed or returned.
    async fn remove_from_outbox(&self, sequences: &[u64]) -> Result<(), StoreError>;

    /// Returns the state of the outbox.
    async fn outbox_status(&self) -> Result<OutboxStatus, StoreError>;
}
