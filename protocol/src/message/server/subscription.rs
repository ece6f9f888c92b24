//! Messages about subscriptions: their start, end and reset.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ClanId, ErrorCode, ServiceName, TopicName, open_enum::open_enum};

open_enum! {
    /// Whether a subscription exists.
    pub enum SubscriptionStatus {
        /// The subscription exists.
        Subscribed = "subscribed",
        /// The subscription has ended.
        Unsubscribed = "unsubscribed",
    }
}

open_enum! {
    /// Who has made a subscription.
    pub enum SubscriptionOrigin {
        /// The server, by a claim of the token or through its HTTP API.
        Server = "server",
    }
}

/// A subscription was started or ended as requested, or was made by the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "SubscriptionConfirmed")]
pub struct SubscriptionConfirmed {
    /// `notifications`, `clan_chat` or a declared service.
    pub service: ServiceName,
    /// Whether the subscription exists now.
    pub status: SubscriptionStatus,
    /// The clan, for `clan_chat`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clan_id: Option<ClanId>,
    /// The topic, for a declared service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<TopicName>,
    /// The head of the log when the subscription started (when subscribed).
    #[serde(default, deserialize_with = "crate::decode::optional_position", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_u64))]
    pub offset: Option<u64>,
    /// The epoch of the store (when subscribed).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// Whether every entry after `recover.offset` follows (when subscribed).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<bool>,
    /// The number of notifications that are not acknowledged (for `notifications`, when subscribed).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<u64>,
    /// `server` when the server has made the subscription (for a declared service). Absent for one of the client's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<SubscriptionOrigin>,
}

/// A subscription was ended by the gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "SubscriptionEnded")]
pub struct SubscriptionEnded {
    /// `notifications`, `clan_chat` or a declared service.
    pub service: ServiceName,
    /// The clan, for `clan_chat`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clan_id: Option<ClanId>,
    /// The topic, for a declared service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<TopicName>,
    /// The reason, for programs.
    pub code: ErrorCode,
    /// The reason, for people.
    pub message: String,
}

open_enum! {
    /// The reason why a subscription cannot continue without a gap.
    pub enum ResetReason {
        /// The store has a new epoch: confirmed entries may have been lost.
        EpochChanged = "epoch_changed",
        /// The next entry is no longer retained.
        Trimmed = "trimmed",
        /// Entries that should be in the store are damaged or missing.
        Lost = "lost",
    }
}

/// The subscription has missed entries; it continues from `offset`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "SubscriptionReset")]
pub struct SubscriptionReset {
    /// `notifications`, `clan_chat` or a declared service.
    pub service: ServiceName,
    /// The clan, for `clan_chat`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clan_id: Option<ClanId>,
    /// The topic, for a declared service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<TopicName>,
    /// The new epoch.
    pub epoch: String,
    /// The position from which the subscription continues.
    #[serde(deserialize_with = "crate::decode::position")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_u64))]
    pub offset: u64,
    /// The reason.
    pub reason: ResetReason,
}
