//! Pending notifications. Each is kept until it is acknowledged, dropped or expired.

use async_trait::async_trait;
use bytes::Bytes;
use realtime_gateway_protocol::{NotificationId, Timestamp, UserId};

use super::{Epoch, Event, StoreError};
use crate::ContentDigest;

/// A notification to store until it is acknowledged.
#[derive(Debug, Clone)]
pub struct Notify {
    /// The recipient.
    pub user: UserId,
    /// The id, by which repeats are recognised within the idempotency window and while the notification is pending.
    pub id: NotificationId,
    /// The digest of the content, without the id and the time.
    pub content: ContentDigest,
    /// When it was accepted.
    pub at: Timestamp,
    /// The body that is stored.
    pub body: Bytes,
    /// When the notification expires.
    pub expires: Timestamp,
    /// When it is escalated if it is still pending ([`Escalations`](super::Escalations)).
    pub escalate_at: Option<Timestamp>,
    /// The maximum number of pending notifications of the user. Beyond it the oldest are dropped.
    pub max_pending: u64,
    /// The event for backend services about dropped notifications. It is written in the same step, and only if
    /// notifications are dropped.
    pub dropped_event: Option<Event>,
}

/// A notification for several users. All of them get the same body, which a store keeps once.
#[derive(Debug, Clone)]
pub struct Broadcast {
    /// The id of the notification, the same for all users.
    pub id: NotificationId,
    /// The digest of the content, without the id and the time.
    pub content: ContentDigest,
    /// When it was accepted.
    pub at: Timestamp,
    /// The body that is stored.
    pub body: Bytes,
    /// When the notification expires.
    pub expires: Timestamp,
    /// When it is escalated for each user for whom it is still pending.
    pub escalate_at: Option<Timestamp>,
    /// The maximum number of pending notifications of each user. Beyond it the oldest are dropped.
    pub max_pending: u64,
    /// The users. A user who is listed twice gets the notification once, and the second result is a duplicate.
    pub recipients: Vec<Recipient>,
}

/// A user who gets a broadcast.
#[derive(Debug, Clone)]
pub struct Recipient {
    /// The user.
    pub user: UserId,
    /// The event for backend services about dropped notifications of the user. It is written in the same step, and only
    /// if notifications are dropped.
    pub dropped_event: Option<Event>,
}

impl Broadcast {
    /// The smallest body that is stored once for all recipients. For a shorter body a separate row or key saves nothing.
    const MIN_SHARED_BYTES: usize = 512;

    /// Returns whether the body is stored once, and the notifications refer to it.
    pub(crate) fn shares_body(&self) -> bool {
        self.recipients.len() > 1 && self.body.len() >= Self::MIN_SHARED_BYTES
    }

    /// Returns the notification of one recipient. It shares the body.
    pub(crate) fn to(&self, recipient: &Recipient) -> Notify {
        Notify {
            user: recipient.user.clone(),
            id: self.id.clone(),
            content: self.content,
            at: self.at,
            body: self.body.clone(),
            expires: self.expires,
            escalate_at: self.escalate_at,
            max_pending: self.max_pending,
            dropped_event: recipient.dropped_event.clone(),
        }
    }
}

/// The result of storing a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notified {
    /// The offset among the notifications of the user.
    pub offset: u64,
    /// Whether a notification with the same id was stored before. If so, nothing was stored now.
    pub duplicate: bool,
    /// The ids of notifications that were dropped to make room.
    pub dropped: Vec<NotificationId>,
    /// The counter of the topic's shard after this operation.
    pub shard_count: u64,
    /// The epoch that the offset belongs to.
    pub epoch: Epoch,
}

/// Pending notifications. Each is kept until it is acknowledged, dropped or expired.
#[async_trait]
pub trait Pending {
    /// Stores a notification under the next offset of the user's topic.
    ///
    /// # Errors
    /// - [`StoreError::Unavailable`] if the notification is not confirmed. It may have been stored nevertheless.
    /// - [`StoreError::Full`] if there is no space for new entries. Nothing is stored.
    /// - [`StoreError::Conflict`] if the id was used before with different content. Nothing is stored.
    async fn notify(&self, notify: Notify) -> Result<Notified, StoreError>;

    /// Stores a notification for each of several users, as [`notify`](Self::notify) does, and the body once for all of
    /// them. Returns one result for each recipient, in the same order. An error for one user does not affect the others.
    /// A store may split a large broadcast into several steps.
    ///
    /// # Errors
    /// - [`StoreError::Unavailable`] if the notification of this user is not confirmed. It may have been stored
    ///   nevertheless; repeating the broadcast is safe.
    /// - [`StoreError::Conflict`] if the id was used before with different content for this user.
    async fn notify_all(&self, broadcast: Broadcast) -> Vec<Result<Notified, StoreError>>;

    /// Removes notifications and returns the ids that were pending. The event reports these ids to backend services. It
    /// is written in the same step, and only if at least one was pending.
    async fn acknowledge(
        &self,
        user: &UserId,
        ids: &[NotificationId],
        event: Option<Event>,
    ) -> Result<Vec<NotificationId>, StoreError>;

    /// Returns the number of pending notifications of a user.
    async fn pending_count(&self, user: &UserId) -> Result<u64, StoreError>;
}
