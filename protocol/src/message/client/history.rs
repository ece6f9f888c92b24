//! The commands for a page of history, of a clan and of a topic.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ClanId, ServiceName, TopicName};

/// Requests a page of a clan's history. Reply: `chat_history`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "GetChatHistory", extend("not" = {"required": ["before", "after"]}))]
pub struct GetChatHistory {
    /// The clan.
    pub clan_id: ClanId,
    /// The page ends before this offset.
    #[serde(default, deserialize_with = "crate::decode::optional_position", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_u64))]
    pub before: Option<u64>,
    /// The page starts after this offset.
    #[serde(default, deserialize_with = "crate::decode::optional_position", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_u64))]
    pub after: Option<u64>,
    /// The maximum number of messages, 1 to 100. 50 when absent.
    #[serde(default)]
    pub limit: HistoryLimit,
}

/// Requests a page of the history of a topic of a declared service. Reply: `topic_history`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "GetTopicHistory", extend("not" = {"required": ["before", "after"]}))]
pub struct GetTopicHistory {
    /// The service.
    pub service: ServiceName,
    /// The topic.
    pub topic: TopicName,
    /// The page ends before this offset.
    #[serde(default, deserialize_with = "crate::decode::optional_position", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_u64))]
    pub before: Option<u64>,
    /// The page starts after this offset.
    #[serde(default, deserialize_with = "crate::decode::optional_position", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_u64))]
    pub after: Option<u64>,
    /// The maximum number of events, 1 to 100. 50 when absent.
    #[serde(default)]
    pub limit: HistoryLimit,
}

/// The error text for a request for history with both `before` and `after`.
pub const NOT_BEFORE_AND_AFTER: &str = "give before or after, not both";

/// The maximum number of entries in a page of history: 1 to 100, 50 by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline, extend("minimum" = 1, "maximum" = 100, "default" = 50))]
pub struct HistoryLimit(u32);

impl HistoryLimit {
    /// Creates a limit. Returns `None` if it is not within 1 to 100.
    pub fn new(limit: u32) -> Option<Self> {
        (1..=100).contains(&limit).then_some(Self(limit))
    }

    /// Returns the number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl Default for HistoryLimit {
    fn default() -> Self {
        Self(50)
    }
}

impl<'de> Deserialize<'de> for HistoryLimit {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Option::<u32>::deserialize(deserializer)? {
            None => Ok(Self::default()),
            Some(limit) => Self::new(limit).ok_or_else(|| serde::de::Error::custom("limit is 1 to 100")),
        }
    }
}
