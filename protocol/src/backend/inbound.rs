//! Bodies of the events that backend services publish. An optional field may be absent or `null`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::{
    BlockReason, ChatContent, ChatData, ClientMessageId, EscalateAfterSeconds, MessageType, NotificationId,
    NotificationText, NotificationTitle, RawJson, ServiceName, Timestamp, TokenId, TopicName, TtlSeconds, UserId,
};

/// `notification.{userId}`: a notification for the user of the routing key.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "NewNotification")]
pub struct NewNotification {
    /// The idempotency key. A notification with the same id is not sent to the same user twice; with other content it is dead-lettered as `conflict`. When absent, the `message_id` of the AMQP message is used.
    pub id: Option<NotificationId>,
    /// The headline.
    pub title: NotificationTitle,
    /// The text.
    pub message: NotificationText,
    /// Additional data, which clients receive unchanged.
    pub data: Option<RawJson>,
    /// How long the notification is kept unacknowledged, in seconds. `notifications.ttl` when absent.
    pub ttl_seconds: Option<TtlSeconds>,
    /// `notification.unacked` reports the notification if it is not acknowledged after this time, in seconds. Below the time to live. 0: never. `notifications.escalate_after` when absent.
    pub escalate_after_seconds: Option<EscalateAfterSeconds>,
}

/// The type of a backend service's chat message: any type that this version knows.
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
    /// The idempotency key. An event with the same id is stored once; with other content it is dead-lettered as `conflict`. When absent, the `message_id` of the AMQP message is used.
    pub id: Option<ClientMessageId>,
    /// The text.
    pub content: ChatContent,
    /// The author. `system` when absent.
    pub user_id: Option<UserId>,
    /// `TEXT`, `IMAGE`, `FILE` or `SYSTEM`. `SYSTEM` when absent.
    pub message_type: Option<BackendMessageType>,
    /// Replies, mentions, attachments.
    pub data: Option<ChatData>,
}

/// `service.{service}.{topic}`: an event for the subscribers of the topic.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "NewServiceEvent")]
pub struct NewServiceEvent {
    /// The idempotency key. An event with the same id is stored once; with other content it is dead-lettered as `conflict`. When absent, the `message_id` of the AMQP message is used.
    pub id: Option<ClientMessageId>,
    /// The data, which subscribers receive unchanged.
    pub data: RawJson,
}

/// `control.disconnect.{userId}`: ends the user's sessions on every node.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "Disconnect")]
pub struct Disconnect {
    /// Whether clients are asked to reconnect (4500). Otherwise they do not reconnect by themselves (4403).
    pub reconnect: Option<bool>,
}

/// `control.unsubscribe.{userId}`: ends the user's subscriptions on every node.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "EndSubscriptions")]
pub struct EndSubscriptions {
    /// `notifications`, `clan_chat` or a declared service.
    pub service: ServiceName,
    /// The topic. For `clan_chat` this is the clan. All topics of the service when absent.
    pub topic: Option<TopicName>,
}

/// `control.block.{userId}`: blocks the user, or some of the user's tokens, until a time. Give `issuedBefore` or `jti`,
/// not both.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "BlockUser")]
pub struct BlockUser {
    /// When the block expires. It has to be in the future.
    pub until: Timestamp,
    /// When given, only tokens with an `iat` before this time and tokens without `iat` are blocked.
    pub issued_before: Option<Timestamp>,
    /// When given, only the token with this `jti` is blocked.
    pub jti: Option<TokenId>,
    /// The reason, for other operators. Clients do not receive it.
    pub reason: Option<BlockReason>,
}

/// `control.unblock.{userId}`: removes every block of the user.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "UnblockUser")]
pub struct UnblockUser {}
