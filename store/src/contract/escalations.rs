//! Escalations: pending notifications that are reported to backend services because they were not acknowledged in time.
//!
//! [`Notify::escalate_at`](super::Notify::escalate_at) says when. A store remembers this time as long as the notification is
//! pending, and whether the event was written. It forgets both in the same step that removes the notification.

use async_trait::async_trait;
use bytes::Bytes;
use realtime_gateway_protocol::{NotificationId, Timestamp, UserId};

use super::{Event, PageLimit, StoreError};

/// A pending notification that is due for escalation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueEscalation {
    /// The user who has not acknowledged it.
    pub user: UserId,
    /// The offset among the notifications of the user.
    pub offset: u64,
    /// The id of the notification.
    pub id: NotificationId,
    /// When the notification was accepted.
    pub at: Timestamp,
    /// The stored body of the notification.
    pub body: Bytes,
}

/// A part of the notifications that are due.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DueEscalations {
    /// The notifications, the one that is due for the longest time first.
    pub due: Vec<DueEscalation>,
    /// Whether others may be due now.
    pub more: bool,
}

/// A notification to escalate.
#[derive(Debug, Clone)]
pub struct Escalation {
    /// The user.
    pub user: UserId,
    /// The offset among the notifications of the user.
    pub offset: u64,
    /// The event for backend services, to which the store adds nothing. `None` only forgets that the notification is due.
    pub event: Option<Event>,
}

/// The escalation of a pending notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EscalationState {
    /// The notification is escalated at this time, or soon after it.
    Due(Timestamp),
    /// The notification was due at this time, and its event was written.
    Reported(Timestamp),
}

/// The escalation of notifications that are not acknowledged in time. Several nodes may do it at the same time.
#[async_trait]
pub trait Escalations {
    /// Returns pending notifications that are due for escalation by the clock of the store.
    async fn due_escalations(&self, limit: PageLimit) -> Result<DueEscalations, StoreError>;

    /// Writes the event of each notification that is pending and due, and remembers that it was written, in one step.
    /// Notifications that were acknowledged, dropped, expired or escalated meanwhile are ignored. Returns for each, in the
    /// same order, whether its event was written.
    ///
    /// # Errors
    /// - [`StoreError::Full`] if there is no space for the events. Nothing is changed, so that they can be escalated later.
    /// - [`StoreError::Unavailable`] if it is not confirmed. They may have been escalated nevertheless.
    async fn escalate(&self, escalations: Vec<Escalation>) -> Result<Vec<bool>, StoreError>;

    /// Returns the escalation of each of these notifications of a user, in the same order. `None` for one that is not to be
    /// escalated, or is not pending any more.
    async fn escalations_of(&self, user: &UserId, offsets: &[u64]) -> Result<Vec<Option<EscalationState>>, StoreError>;
}
