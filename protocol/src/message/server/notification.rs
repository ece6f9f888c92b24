//! Messages of notifications, which are kept until they are acknowledged.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{NotificationId, RawJson, Timestamp};

/// A notification for the user.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "Notification")]
pub struct Notification {
    /// The id, by which clients detect duplicates.
    pub id: NotificationId,
    /// The headline.
    pub title: String,
    /// The text.
    pub message: String,
    /// Additional data of the backend service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<RawJson>,
    /// When the gateway accepted the notification.
    pub created_at: Timestamp,
    /// The offset in the user's log of notifications.
    #[serde(deserialize_with = "crate::decode::entry_offset")]
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_u64))]
    pub offset: u64,
    /// Present and true when the notification was probably sent before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redelivered: Option<bool>,
}

impl fmt::Debug for Notification {
    /// Omits the content, so that it cannot appear in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, title: _, message: _, data: _, created_at, offset, redelivered } = self;
        f.debug_struct("Notification")
            .field("id", id)
            .field("created_at", created_at)
            .field("offset", offset)
            .field("redelivered", redelivered)
            .finish_non_exhaustive()
    }
}

/// Another session of the user acknowledged notifications.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "NotificationAcked")]
pub struct NotificationAcked {
    /// The notifications.
    pub notification_ids: Vec<NotificationId>,
}

/// Notifications are acknowledged and will not be sent again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "AckConfirmed")]
pub struct AckConfirmed {
    /// The notifications, including those that had been acknowledged before.
    pub notification_ids: Vec<NotificationId>,
}
