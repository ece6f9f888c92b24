//! Notifications, each kept until it is acknowledged, dropped or at its end.

use async_trait::async_trait;
use bytes::Bytes;
use realtime_gateway_protocol::{NotificationId, Timestamp, UserId};

use super::{Epoch, Event, StoreError};
use crate::store::ContentDigest;

/// A notification to keep until it is acknowledged.
#[derive(Debug, Clone)]
pub struct Notify {
    /// For whom.
    pub user: UserId,
    /// Tells copies apart, within the idempotency window and for as long as the first one is pending.
    pub id: NotificationId,
    /// What it says, apart from its id and time.
    pub content: ContentDigest,
    /// When it was accepted.
    pub at: Timestamp,
    /// What to keep.
    pub body: Bytes,
    /// When it ends by itself.
    pub expires: Timestamp,
    /// How many the user may have pending; the oldest are dropped beyond it.
    pub max_pending: u64,
    /// What backend services are told of those that are dropped, in the same step; not when none is.
    pub dropped_event: Option<Event>,
}

/// A notification that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notified {
    /// Its place among the user's.
    pub offset: u64,
    /// Whether one with the same id came before; nothing was stored then.
    pub duplicate: bool,
    /// What was dropped to make room.
    pub dropped: Vec<NotificationId>,
    /// The counter of the topic's shard after this.
    pub shard_count: u64,
    /// The epoch that the offset belongs to.
    pub epoch: Epoch,
}

/// Notifications, each kept until it is acknowledged, dropped or at its end.
#[async_trait]
pub trait Pending {
    /// Stores a notification under the next offset of the user's topic.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it is not confirmed; it may have been stored all the same.
    /// [`StoreError::Conflict`] when its id stands for other content; nothing is stored then.
    async fn notify(&self, notify: Notify) -> Result<Notified, StoreError>;

    /// Removes notifications and tells which of them were pending. Backend services are told of those by the event,
    /// in the same step; not when there is none.
    async fn acknowledge(
        &self,
        user: &UserId,
        ids: &[NotificationId],
        event: Option<Event>,
    ) -> Result<Vec<NotificationId>, StoreError>;

    /// How many of the user's notifications are pending.
    async fn pending_count(&self, user: &UserId) -> Result<u64, StoreError>;
}
