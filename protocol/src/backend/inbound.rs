//! Bodies of what backend services publish for clients. A field marked optional may be absent or `null`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::{
    BlockReason, ChatContent, ChatData, ClientMessageId, MessageType, NotificationId, NotificationText,
    NotificationTitle, RawJson, ServiceName, Timestamp, TokenId, TopicName, TtlSeconds, UserId,
};

/// `notification.{userId}`: a notification for the user of the routing key.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "NewNotification")]
pub struct NewNotification {
    /// Makes it safe to repeat: the same one is not sent to the same user twice, and with other content it is dead-lettered as `conflict`. The message's `message_id` takes its place when it is absent.
    pub id: Option<NotificationId>,
    /// A headline.
    pub title: NotificationTitle,
    /// The text.
    pub message: NotificationText,
    /// Whatever you add; clients get it as it is.
    pub data: Option<RawJson>,
    /// How long it is kept unacknowledged; `notifications.ttl` when absent.
    pub ttl_seconds: Option<TtlSeconds>,
}

/// The type of a backend service's chat message: any that this version knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendMessageType(MessageType);

impl From<BackendMessageType> for MessageType {
    fn from(BackendMessageType(message_type): BackendMessageType) -> Self {
        message_type
    }
}

impl<'de> Deserialize<'de> for BackendMessageType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match MessageType::deserialize(deserializer)? {
            MessageType::Other(_) => Err(de::Error::custom("messageType is TEXT, IMAGE, FILE or SYSTEM")),
            known => Ok(Self(known)),
        }
    }
}

impl JsonSchema for BackendMessageType {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "BackendMessageType".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let words: Vec<&str> = MessageType::KNOWN.iter().map(MessageType::as_str).collect();
        json_schema!({ "type": "string", "enum": words })
    }
}

/// `clan_chat.{clanId}`: a chat message in the clan of the routing key.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "NewChatMessage")]
pub struct NewChatMessage {
    /// Makes it safe to repeat; with other content it is dead-lettered as `conflict`. The message's `message_id` takes its place when it is absent.
    pub id: Option<ClientMessageId>,
    /// What is said.
    pub content: ChatContent,
    /// Who says it; `system` when absent.
    pub user_id: Option<UserId>,
    /// `TEXT`, `IMAGE`, `FILE` or `SYSTEM`; `SYSTEM` when absent.
    pub message_type: Option<BackendMessageType>,
    /// Replies, mentions, attachments.
    pub data: Option<ChatData>,
}

/// `service.{service}.{topic}`: an event for the subscribers of the topic.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "NewServiceEvent")]
pub struct NewServiceEvent {
    /// Makes it safe to repeat; with other content it is dead-lettered as `conflict`. The message's `message_id` takes its place when it is absent.
    pub id: Option<ClientMessageId>,
    /// What is published; subscribers get it as it is.
    pub data: RawJson,
}

/// `control.disconnect.{userId}`: ends the user's sessions on every node.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "Disconnect")]
pub struct Disconnect {
    /// Whether clients are asked to come back (4500); otherwise they stay away (4403).
    pub reconnect: Option<bool>,
}

/// `control.unsubscribe.{userId}`: ends the user's subscriptions on every node.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "EndSubscriptions")]
pub struct EndSubscriptions {
    /// `notifications`, `clan_chat` or a declared service.
    pub service: ServiceName,
    /// The topic; of `clan_chat` it is the clan. All topics of the service when absent.
    pub topic: Option<TopicName>,
}

/// `control.block.{userId}`: keeps the user, or some of the user's tokens, out until a time. Give `issuedBefore` or
/// `jti`, not both.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "BlockUser")]
pub struct BlockUser {
    /// When the block ends by itself; in the future.
    pub until: Timestamp,
    /// When given, only tokens whose `iat` is before this time are blocked, and tokens without `iat`.
    pub issued_before: Option<Timestamp>,
    /// When given, only the token with this `jti` is blocked.
    pub jti: Option<TokenId>,
    /// Why, for other operators. Clients do not get it.
    pub reason: Option<BlockReason>,
}

/// `control.unblock.{userId}`: ends every block of the user.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "UnblockUser")]
pub struct UnblockUser {}
