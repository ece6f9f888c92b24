//! Clan chat and the topics of declared services: what is said, and that it was stored.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    ChatContent, ChatData, ClanId, ClientMessageId, MessageId, MessageType, RawJson, ServiceName, Timestamp, TopicName,
    UserId,
};

/// Somebody said something in a clan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "Chat")]
pub struct Chat {
    /// Who.
    pub user_id: UserId,
    /// What.
    pub content: ChatContent,
    /// Where.
    pub clan_id: ClanId,
    /// Names the message.
    pub message_id: MessageId,
    /// `TEXT`, `IMAGE`, `FILE` or `SYSTEM`.
    pub message_type: MessageType,
    /// Replies, mentions, attachments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<ChatData>,
    /// When the gateway accepted it.
    pub sent_at: Timestamp,
    /// Its place in the clan's log.
    #[serde(deserialize_with = "crate::decode::entry_offset")]
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_u64))]
    pub offset: u64,
    /// The sender's own name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<ClientMessageId>,
}

/// A chat message was deleted: an entry of the log like any other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "ChatDeleted")]
pub struct ChatDeleted {
    /// The clan.
    pub clan_id: ClanId,
    /// The message whose content is gone.
    pub message_id: MessageId,
    /// The place of this entry in the clan's log.
    #[serde(deserialize_with = "crate::decode::entry_offset")]
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_u64))]
    pub offset: u64,
}

/// A page of a clan's past.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "ChatHistory")]
pub struct ChatHistory {
    /// The clan.
    pub clan_id: ClanId,
    /// The store's epoch.
    pub epoch: String,
    /// Messages in ascending offset; fewer than asked for where the reply would grow over 256 KiB.
    #[serde(deserialize_with = "crate::decode::objects")]
    pub messages: Vec<Chat>,
    /// Whether there are more in the direction that was asked for.
    pub has_more: bool,
    /// Present and true when entries are missing: the log no longer keeps those after `after`, or cannot read some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trimmed: Option<bool>,
}

/// Somebody began or stopped typing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "Typing")]
pub struct Typing {
    /// Who.
    pub user_id: UserId,
    /// Where.
    pub clan_id: ClanId,
    /// Whether they are typing.
    pub is_typing: bool,
}

/// A `chat` or `publish` is stored and will reach every subscriber.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "MessageSent")]
pub struct MessageSent {
    /// Names the message.
    pub message_id: MessageId,
    /// The clan, for a `chat`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clan_id: Option<ClanId>,
    /// The service, for a `publish`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceName>,
    /// The topic, for a `publish`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<TopicName>,
    /// Its place in the topic's log.
    #[serde(deserialize_with = "crate::decode::entry_offset")]
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_u64))]
    pub offset: u64,
    /// The sender's own name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<ClientMessageId>,
    /// True when this repeats an earlier send, which was not sent twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicate: Option<bool>,
}

/// Something was published to a topic of a declared service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "Event")]
pub struct Event {
    /// The service.
    pub service: ServiceName,
    /// The topic.
    pub topic: TopicName,
    /// What was published.
    pub data: RawJson,
    /// Its place in the topic's log.
    #[serde(deserialize_with = "crate::decode::entry_offset")]
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_u64))]
    pub offset: u64,
    /// When the gateway accepted it.
    pub published_at: Timestamp,
    /// Who published it; absent when a backend service did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// The publisher's own name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<ClientMessageId>,
}
