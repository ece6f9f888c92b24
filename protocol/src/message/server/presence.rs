//! Messages about the presence of users in clans and in topics.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ClanId, RawJson, ServiceName, TopicName, UserId, open_enum::open_enum};

/// A user who is present in a clan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct PresentUser {
    /// The user.
    pub user_id: UserId,
    /// The number of the user's sessions that subscribe to the clan. 0 during the grace period after the last one.
    pub sessions: u32,
}

/// The users who are present in a clan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "Presence")]
pub struct Presence {
    /// The clan.
    pub clan_id: ClanId,
    /// The first 200 users.
    #[schemars(length(max = 200))]
    #[serde(deserialize_with = "crate::decode::objects")]
    pub users: Vec<PresentUser>,
    /// The total number of users.
    pub count: u64,
}

open_enum! {
    /// Whether a user is present.
    pub enum PresenceStatus {
        /// The user has become present.
        Online = "online",
        /// The user has left. This is announced after a grace period.
        Offline = "offline",
    }
}

/// A user became present in a clan or left it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "PresenceChanged")]
pub struct PresenceChanged {
    /// The clan.
    pub clan_id: ClanId,
    /// The user.
    pub user_id: UserId,
    /// The new status.
    pub status: PresenceStatus,
    /// The total number of users. Only in changes that an SDK has taken from `presence_changes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

/// A change in a [`PresenceChanges`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct PresenceChange {
    /// The user.
    pub user_id: UserId,
    /// The new status.
    pub status: PresenceStatus,
}

/// The changes of about a second in a clan with more than `presence.max_announced` users, in one message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "PresenceChanges")]
pub struct PresenceChanges {
    /// The clan.
    pub clan_id: ClanId,
    /// The newest change of each user. A user may be repeated whose change is known already.
    #[schemars(length(max = 200))]
    #[serde(deserialize_with = "crate::decode::objects")]
    pub changes: Vec<PresenceChange>,
    /// The total number of users after these changes.
    pub count: u64,
}

/// A user who is present in a topic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct TopicUser {
    /// The user.
    pub user_id: UserId,
    /// The number of the user's sessions that subscribe to the topic. 0 during the grace period after the last one.
    pub sessions: u32,
    /// The `presenceData` that a session of the user sent last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<RawJson>,
}

/// The users who are present in a topic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "TopicPresence")]
pub struct TopicPresence {
    /// The service.
    pub service: ServiceName,
    /// The topic.
    pub topic: TopicName,
    /// The first 200 users. Fewer if the message would exceed 256 KiB.
    #[schemars(length(max = 200))]
    #[serde(deserialize_with = "crate::decode::objects")]
    pub users: Vec<TopicUser>,
    /// The total number of users.
    pub count: u64,
}

open_enum! {
    /// How the presence of a user in a topic has changed.
    pub enum TopicPresenceStatus {
        /// The user has become present.
        Online = "online",
        /// The user has left. This is announced after a grace period.
        Offline = "offline",
        /// The user was present before, and has other data now.
        Updated = "updated",
    }
}

/// A user became present in a topic, left it, or has other presence data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "TopicPresenceChanged")]
pub struct TopicPresenceChanged {
    /// The service.
    pub service: ServiceName,
    /// The topic.
    pub topic: TopicName,
    /// The user.
    pub user_id: UserId,
    /// The new status.
    pub status: TopicPresenceStatus,
    /// The data of the user, when online or updated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<RawJson>,
    /// The total number of users. Only in changes that an SDK has taken from `topic_presence_changes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

/// A change in a [`TopicPresenceChanges`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct TopicPresenceChange {
    /// The user.
    pub user_id: UserId,
    /// The new status.
    pub status: TopicPresenceStatus,
    /// The data of the user, when online or updated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<RawJson>,
}

/// The changes of about a second in a topic with more than `presence.max_announced` users, in one message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "TopicPresenceChanges")]
pub struct TopicPresenceChanges {
    /// The service.
    pub service: ServiceName,
    /// The topic.
    pub topic: TopicName,
    /// The newest change of each user. A user may be repeated whose change is known already.
    #[schemars(length(max = 200))]
    #[serde(deserialize_with = "crate::decode::objects")]
    pub changes: Vec<TopicPresenceChange>,
    /// The total number of users after these changes.
    pub count: u64,
}
