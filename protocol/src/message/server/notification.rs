//! Notifications, which are kept until they are acknowledged.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{NotificationId, RawJson, Timestamp};

/// A notification for the user.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "Notification")]
pub struct Notification {
    /// Tells copies apart.
    pub id: NotificationId,
    /// A headline.
    pub title: String,
    /// The text.
    pub message: String,
    /// Whatever the backend added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<RawJson>,
    /// When the gateway accepted it.
    pub created_at: Timestamp,
    /// Its place among the user's notifications.
    #[serde(deserialize_with = "crate::decode::entry_offset")]
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_u64))]
    pub offset: u64,
    /// A hint that it was sent before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redelivered: Option<bool>,
}

impl fmt::Debug for Notification {
    /// Leaves out what it says, so that no log line can show it.
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

/// Another session of the user acknowledged these.
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
    /// The notifications, also those acknowledged before.
    pub notification_ids: Vec<NotificationId>,
}
