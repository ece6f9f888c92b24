//! The fields of the commands.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    CallId, ChatContent, ChatData, ClanId, ClientMessageId, DeviceId, MethodName, NotificationId, RawJson, ServiceName,
    TopicName, open_enum::open_enum,
};

/// Sets or renews the identity of the connection. Reply: `connected` the first time, then `authenticated`.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "Authenticate")]
pub struct Authenticate {
    /// The JSON Web Token (RFC 7519).
    #[schemars(extend("writeOnly" = true))]
    pub token: String,
    /// The id of the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<DeviceId>,
    /// The client library.
    #[serde(default, deserialize_with = "crate::decode::optional_object", skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientInfo>,
}

impl fmt::Debug for Authenticate {
    /// Omits the token, so that it cannot appear in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { token: _, device_id, client } = self;
        f.debug_struct("Authenticate").field("device_id", device_id).field("client", client).finish_non_exhaustive()
    }
}

/// A client library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct ClientInfo {
    /// The name, such as `realtime-gateway-sdk`.
    pub name: String,
    /// The version.
    pub version: String,
    /// A random id of the running client, which a client that reconnects automatically generates once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The number of the connection attempt of the instance. It increases with each attempt, and a session with a lower number never replaces one with a higher number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u64>,
}

/// A position in a topic: the last entry that the client has received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct Recover {
    /// The last received offset. 0 is the position before the first entry.
    #[serde(deserialize_with = "crate::decode::position")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_u64))]
    pub offset: u64,
    /// The epoch that the offset belongs to.
    pub epoch: String,
}

/// Subscribes to the user's notifications: all pending ones, then new ones. Reply: `subscription_confirmed`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "SubscribeNotifications")]
pub struct SubscribeNotifications {
    /// Accepted and ignored, because all pending notifications are sent in any case.
    #[serde(default, deserialize_with = "crate::decode::optional_object", skip_serializing_if = "Option::is_none")]
    pub recover: Option<Recover>,
}

/// Ends the subscription to notifications. Reply: `subscription_confirmed` with status `unsubscribed`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "UnsubscribeNotifications")]
pub struct UnsubscribeNotifications {}

/// Subscribes to a clan's chat. Reply: `subscription_confirmed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "SubscribeClanChat")]
pub struct SubscribeClanChat {
    /// The clan.
    pub clan_id: ClanId,
    /// The last received position. All later entries are sent if they are still retained.
    #[serde(default, deserialize_with = "crate::decode::optional_object", skip_serializing_if = "Option::is_none")]
    pub recover: Option<Recover>,
    /// The number of latest entries to send when nothing is recovered, 0 to 100.
    #[serde(default, deserialize_with = "crate::decode::history", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub history: Option<u32>,
    /// Whether to send presence changes of the clan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence: Option<bool>,
}

/// Ends the subscription to a clan's chat. Reply: `subscription_confirmed` with status `unsubscribed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "UnsubscribeClanChat")]
pub struct UnsubscribeClanChat {
    /// The clan.
    pub clan_id: ClanId,
}

open_enum! {
    /// The type of a chat message.
    pub enum MessageType {
        /// Text.
        Text = "TEXT",
        /// A picture, described by `data`.
        Image = "IMAGE",
        /// A file, described by `data`.
        File = "FILE",
        /// A message of a backend service. Clients cannot send it.
        System = "SYSTEM",
    }
}

/// Sends a chat message to a clan. Reply: `message_sent`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "SendChat")]
pub struct SendChat {
    /// The clan.
    pub clan_id: ClanId,
    /// The text, 1 to 4,000 characters.
    pub content: ChatContent,
    /// The type. Clients may send `TEXT`, `IMAGE` and `FILE`. `TEXT` when absent.
    #[serde(
        default,
        deserialize_with = "crate::decode::sendable_message_type",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(extend("enum" = ["TEXT", "IMAGE", "FILE"], "examples" = ["TEXT"]))]
    pub message_type: Option<MessageType>,
    /// Replies, mentions, attachments: an object of at most 8 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<ChatData>,
    /// The idempotency key, which makes it safe to repeat the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<ClientMessageId>,
}

/// Reports that the user started or stopped typing. No reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "SendTyping")]
pub struct SendTyping {
    /// The clan.
    pub clan_id: ClanId,
    /// Whether the user is typing. Clients repeat true every 3 s; it expires after 6 s.
    pub is_typing: bool,
}

/// Acknowledges notifications. Reply: `ack_confirmed`. At least one of the two fields is required.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "NotificationAck", extend("anyOf" = [{"required": ["notificationId"]}, {"required": ["notificationIds"]}]))]
pub struct NotificationAck {
    /// One notification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notification_id: Option<NotificationId>,
    /// Up to 1,000 notifications.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1000))]
    pub notification_ids: Option<Vec<NotificationId>>,
}

/// Requests the users who are present in a clan. Reply: `presence`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "GetPresence")]
pub struct GetPresence {
    /// The clan.
    pub clan_id: ClanId,
}

/// Subscribes to a topic of a declared service. Reply: `subscription_confirmed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "Subscribe")]
pub struct Subscribe {
    /// The service.
    pub service: ServiceName,
    /// The topic.
    pub topic: TopicName,
    /// The last received position. All later entries are sent if they are still retained.
    #[serde(default, deserialize_with = "crate::decode::optional_object", skip_serializing_if = "Option::is_none")]
    pub recover: Option<Recover>,
    /// The number of latest entries to send when nothing is recovered, 0 to 100.
    #[serde(default, deserialize_with = "crate::decode::history", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub history: Option<u32>,
    /// Whether to send the users who are present, and their changes. For topics with presence only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence: Option<bool>,
    /// What the others see of the user in this topic: any JSON value of at most 1 KiB. It replaces that of an earlier subscription of the user. For topics whose presence has data only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence_data: Option<RawJson>,
    /// Whether this replays a subscription that the server has made, and makes none of the client's own. It needs no permission, and is `forbidden` if the server has made none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_side: Option<bool>,
}

/// Requests the users who are present in a topic. Reply: `topic_presence`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "GetTopicPresence")]
pub struct GetTopicPresence {
    /// The service.
    pub service: ServiceName,
    /// The topic.
    pub topic: TopicName,
}

/// Ends the subscription to a topic. Reply: `subscription_confirmed` with status `unsubscribed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "Unsubscribe")]
pub struct Unsubscribe {
    /// The service.
    pub service: ServiceName,
    /// The topic.
    pub topic: TopicName,
}

/// Publishes to a topic of a declared service. Reply: `message_sent`, or `publish_accepted` for a topic without history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "Publish")]
pub struct Publish {
    /// The service.
    pub service: ServiceName,
    /// The topic.
    pub topic: TopicName,
    /// The data: any JSON value.
    pub data: RawJson,
    /// The idempotency key, which makes it safe to repeat the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<ClientMessageId>,
}

/// Calls a method of a declared service. Reply: `call_result`, in any order with other replies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "Call")]
pub struct Call {
    /// The service.
    pub service: ServiceName,
    /// The call, as the contract of the service names it.
    pub method: MethodName,
    /// The request: any JSON value.
    pub data: RawJson,
    /// The name of this call, which a repeat of it has too. The backend can recognise the repeat by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_id: Option<CallId>,
    /// How long to wait for the backend, in milliseconds. At most, and by default, the time limit of the service.
    #[serde(default, deserialize_with = "crate::decode::optional_position", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_u64))]
    pub timeout_ms: Option<u64>,
}

/// Requests a `pong`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "Ping")]
pub struct Ping {}
