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

/// A notification for several users. The body is the same for all of them, and a store keeps it once.
#[derive(Debug, Clone)]
pub struct Broadcast {
    /// Names the notification, to each of the users.
    pub id: NotificationId,
    /// What it says, apart from its id and time.
    pub content: ContentDigest,
    /// When it was accepted.
    pub at: Timestamp,
    /// What to keep.
    pub body: Bytes,
    /// When it ends by itself.
    pub expires: Timestamp,
    /// How many each user may have pending; the oldest are dropped beyond it.
    pub max_pending: u64,
    /// The users. A user who is listed twice gets the notification once; the second result is a duplicate.
    pub recipients: Vec<Recipient>,
}

/// A user who gets a broadcast.
#[derive(Debug, Clone)]
pub struct Recipient {
    /// The user.
    pub user: UserId,
    /// Reports to backend services which notifications of the user were dropped. It is written in the same step, and not
    /// when none was dropped.
    pub dropped_event: Option<Event>,
}

impl Broadcast {
    /// A shorter body is stored with each notification: a row or key of its own would save nothing.
    const SHARED_FROM: usize = 512;

    /// Returns whether a store keeps the body once and has the notifications refer to it.
    pub(crate) fn shares_body(&self) -> bool {
        self.recipients.len() > 1 && self.body.len() >= Self::SHARED_FROM
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
            max_pending: self.max_pending,
            dropped_event: recipient.dropped_event.clone(),
        }
    }
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
    /// [`StoreError::Full`] when there is no space for new entries; nothing is stored then.
    /// [`StoreError::Conflict`] when its id stands for other content; nothing is stored then.
    async fn notify(&self, notify: Notify) -> Result<Notified, StoreError>;

    /// Stores a notification for each of several users, as [`notify`](Self::notify) does, and the body once for all of
    /// them. Returns one result for each recipient, in their order: a user whose notification cannot be stored keeps no
    /// other user from getting it. A store may split a large broadcast into several steps.
    ///
    /// # Errors
    /// A result is [`StoreError::Unavailable`] when that notification is not confirmed; it may have been stored all the
    /// same. Repeating the broadcast is safe. [`StoreError::Conflict`] when the id stands for other content for that user.
    async fn notify_all(&self, broadcast: Broadcast) -> Vec<Result<Notified, StoreError>>;

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
