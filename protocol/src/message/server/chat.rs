//! Messages of clan chat and of the topics of declared services.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    ChatContent, ChatData, ClanId, ClientMessageId, MessageId, MessageType, RawJson, ServiceName, Timestamp, TopicName,
    UserId,
};

/// A chat message in a clan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "Chat")]
pub struct Chat {
    /// The author.
    pub user_id: UserId,
    /// The text.
    pub content: ChatContent,
    /// The clan.
    pub clan_id: ClanId,
    /// The id of the message.
    pub message_id: MessageId,
    /// `TEXT`, `IMAGE`, `FILE` or `SYSTEM`.
    pub message_type: MessageType,
    /// Replies, mentions, attachments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<ChatData>,
    /// When the gateway accepted the message.
    pub sent_at: Timestamp,
    /// The offset in the clan's log.
    #[serde(deserialize_with = "crate::decode::entry_offset")]
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_u64))]
    pub offset: u64,
    /// The idempotency key that the sender chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<ClientMessageId>,
}

/// A chat message was deleted. The deletion is an entry of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "ChatDeleted")]
pub struct ChatDeleted {
    /// The clan.
    pub clan_id: ClanId,
    /// The deleted message.
    pub message_id: MessageId,
    /// The offset of this entry in the clan's log.
    #[serde(deserialize_with = "crate::decode::entry_offset")]
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_u64))]
    pub offset: u64,
}

/// A page of a clan's history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "ChatHistory")]
pub struct ChatHistory {
    /// The clan.
    pub clan_id: ClanId,
    /// The epoch of the store.
    pub epoch: String,
    /// The messages in order of their offsets. Fewer than requested if the reply would exceed 256 KiB.
    #[serde(deserialize_with = "crate::decode::objects")]
    pub messages: Vec<Chat>,
    /// Whether there are more messages in the requested direction.
    pub has_more: bool,
    /// Present and true when entries are missing, because the entries after `after` are no longer retained or some entries cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trimmed: Option<bool>,
}

/// A user started or stopped typing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "Typing")]
pub struct Typing {
    /// The user.
    pub user_id: UserId,
    /// The clan.
    pub clan_id: ClanId,
    /// Whether the user is typing.
    pub is_typing: bool,
}

/// A `chat` or `publish` is stored and will reach every subscriber.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "MessageSent")]
pub struct MessageSent {
    /// The id of the message.
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
    /// The offset in the topic's log.
    #[serde(deserialize_with = "crate::decode::entry_offset")]
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_u64))]
    pub offset: u64,
    /// The idempotency key that the sender chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<ClientMessageId>,
    /// Present and true when this repeats an earlier command. The message was stored only once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicate: Option<bool>,
}

/// An event that was published to a topic of a declared service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "Event")]
pub struct Event {
    /// The service.
    pub service: ServiceName,
    /// The topic.
    pub topic: TopicName,
    /// The published data.
    pub data: RawJson,
    /// The offset in the topic's log.
    #[serde(deserialize_with = "crate::decode::entry_offset")]
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_u64))]
    pub offset: u64,
    /// When the gateway accepted the message.
    pub published_at: Timestamp,
    /// The user who published the event. Absent when a backend service published it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// The idempotency key that the publisher chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<ClientMessageId>,
}

/// A page of the history of a topic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "TopicHistory")]
pub struct TopicHistory {
    /// The service.
    pub service: ServiceName,
    /// The topic.
    pub topic: TopicName,
    /// The epoch of the store.
    pub epoch: String,
    /// The events in order of their offsets. Fewer than requested if the reply would exceed 256 KiB.
    #[serde(deserialize_with = "crate::decode::objects")]
    pub events: Vec<Event>,
    /// Whether there are more events in the requested direction.
    pub has_more: bool,
    /// Present and true when entries are missing, because the entries after `after` are no longer retained or some entries cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trimmed: Option<bool>,
}

/// An event that was published to a topic without history. It is stored nowhere, so it has no offset and is sent once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "EphemeralEvent")]
pub struct EphemeralEvent {
    /// The service.
    pub service: ServiceName,
    /// The topic.
    pub topic: TopicName,
    /// The published data.
    pub data: RawJson,
    /// When the gateway accepted the message.
    pub published_at: Timestamp,
    /// The user who published the event. Absent when a backend service published it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// The id that the publisher chose. Events with the same id are copies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<ClientMessageId>,
}

/// A `publish` to a topic without history was sent to the current subscribers. It may not reach all of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "PublishAccepted")]
pub struct PublishAccepted {
    /// The service.
    pub service: ServiceName,
    /// The topic.
    pub topic: TopicName,
    /// The id that the publisher chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<ClientMessageId>,
}
