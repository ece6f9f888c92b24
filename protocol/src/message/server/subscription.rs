//! Messages about subscriptions: begun, ended, set back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ClanId, ErrorCode, ServiceName, TopicName, open_enum::open_enum};

open_enum! {
    /// Whether a subscription is live.
    pub enum SubscriptionStatus {
        /// It is live.
        Subscribed = "subscribed",
        /// It has ended.
        Unsubscribed = "unsubscribed",
    }
}

/// A subscription began or ended as asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "SubscriptionConfirmed")]
pub struct SubscriptionConfirmed {
    /// `notifications`, `clan_chat` or a declared service.
    pub service: ServiceName,
    /// Whether it is live.
    pub status: SubscriptionStatus,
    /// The clan, for `clan_chat`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clan_id: Option<ClanId>,
    /// The topic, for a declared service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<TopicName>,
    /// The log's head at that moment (when subscribed).
    #[serde(default, deserialize_with = "crate::decode::optional_position", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_u64))]
    pub offset: Option<u64>,
    /// The store's epoch (when subscribed).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// Whether every entry after `recover.offset` follows (when subscribed).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<bool>,
    /// How many notifications wait for an acknowledgement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<u64>,
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
    /// Why.
    pub code: ErrorCode,
    /// Why, for people.
    pub message: String,
}

open_enum! {
    /// Why a subscription could not go on without a hole.
    pub enum ResetReason {
        /// The store has a new epoch: confirmed entries may have been lost.
        EpochChanged = "epoch_changed",
        /// The next entry is beyond retention.
        Trimmed = "trimmed",
        /// Entries that the store should have cannot be read: they are damaged or missing.
        Lost = "lost",
    }
}

/// Entries were lost to this subscription; it goes on from `offset`.
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
    /// The epoch from here on.
    pub epoch: String,
    /// The position from which it goes on.
    #[serde(deserialize_with = "crate::decode::position")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_u64))]
    pub offset: u64,
    /// Why.
    pub reason: ResetReason,
}
