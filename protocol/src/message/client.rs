//! What a client may say: one struct a command, and the enumeration of all.

mod history;

use std::fmt;

pub use history::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    ChatContent, ChatData, ClanId, ClientMessageId, DeviceId, NotificationId, RawJson, ServiceName, TopicName,
    open_enum::open_enum,
};

/// Declares the commands once: the enumeration, its words, the decoding of each, and a column for each property:
///
/// - after `->`: the types of its one reply on success;
/// - `rate`: the rate that it counts against, a [`RateClass`];
/// - `subject`: what it is about, as a function from the message to a [`Subject`];
/// - `additions`: whether it uses more than the core of the protocol, as a function from the message.
macro_rules! client_messages {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal -> [$($reply:literal),*],
        rate: $rate:ident, subject: $subject:expr, additions: $additions:expr;)+) => {
        /// Every command that a client may send.
        #[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
        #[serde(tag = "type")]
        pub enum ClientMessage {
            $($(#[doc = $doc])+ #[serde(rename = $word)] $name($name),)+
        }

        impl ClientMessage {
            /// Every `type` that a client may send.
            pub const TYPES: &'static [&'static str] = &[$($word),+];

            /// Every `type` that a client may send, with the types of its one reply on success; a refusal is an `error`.
            pub const REPLIES: &'static [(&'static str, &'static [&'static str])] = &[$(($word, &[$($reply),*])),+];

            /// The `type` on the wire.
            pub fn type_name(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => $word,)+
                }
            }

            /// Which of a session's rates the command counts against.
            pub fn rate_class(&self) -> RateClass {
                match self {
                    $(Self::$name(_) => RateClass::$rate,)+
                }
            }

            /// What the command is about. Its error names it.
            pub fn subject(&self) -> Subject {
                match self {
                    $(Self::$name(message) => {
                        let subject: fn(&$name) -> Subject = $subject;
                        subject(message)
                    })+
                }
            }

            /// Whether the command uses more than the core of the protocol. Its sender then knows additions: pushes that
            /// a client of the core would not understand.
            pub fn uses_additions(&self) -> bool {
                match self {
                    $(Self::$name(message) => {
                        let uses_additions: fn(&$name) -> bool = $additions;
                        uses_additions(message)
                    })+
                }
            }
        }

        impl crate::decode::Tagged for ClientMessage {
            fn decode_fields<'de, D: serde::Deserializer<'de>>(word: &str, fields: D) -> Option<Result<Self, D::Error>> {
                match word {
                    $($word => Some(crate::decode::object::<_, $name>(fields).map(Self::$name)),)+
                    _ => None,
                }
            }
        }

        $(impl From<$name> for ClientMessage {
            fn from(message: $name) -> Self {
                Self::$name(message)
            }
        })+
    };
}

/// The rates of a session. Each command counts against one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateClass {
    /// Subscribing, acknowledging and authenticating: what a client sends when it reconnects.
    Control,
    /// Messages and questions.
    Message,
}

/// What a command is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// Nothing that its error would name.
    Nothing,
    /// A clan.
    Clan(ClanId),
    /// A topic of a declared service.
    Topic(TopicName),
}

client_messages! {
    /// Gives or renews the identity.
    Authenticate = "authenticate" -> ["connected", "authenticated"],
        rate: Control, subject: |_| Subject::Nothing, additions: |_| true;
    /// Asks for the user's notifications.
    SubscribeNotifications = "subscribe_notifications" -> ["subscription_confirmed"],
        rate: Control, subject: |_| Subject::Nothing, additions: |subscribe| subscribe.recover.is_some();
    /// Ends the subscription to notifications.
    UnsubscribeNotifications = "unsubscribe_notifications" -> ["subscription_confirmed"],
        rate: Control, subject: |_| Subject::Nothing, additions: |_| true;
    /// Asks for a clan's chat.
    SubscribeClanChat = "subscribe_clan_chat" -> ["subscription_confirmed"],
        rate: Control, subject: |subscribe| Subject::Clan(subscribe.clan_id.clone()),
        additions: |subscribe| {
            subscribe.recover.is_some() || subscribe.history.is_some() || subscribe.presence.is_some()
        };
    /// Ends the subscription to a clan's chat.
    UnsubscribeClanChat = "unsubscribe_clan_chat" -> ["subscription_confirmed"],
        rate: Control, subject: |unsubscribe| Subject::Clan(unsubscribe.clan_id.clone()), additions: |_| true;
    /// Says something in a clan.
    SendChat = "chat" -> ["message_sent"],
        rate: Message, subject: |chat| Subject::Clan(chat.clan_id.clone()),
        additions: |chat| chat.client_message_id.is_some() || chat.data.is_some();
    /// Tells that the user began or stopped typing.
    SendTyping = "typing" -> [],
        rate: Message, subject: |typing| Subject::Clan(typing.clan_id.clone()), additions: |_| false;
    /// Acknowledges notifications, which are then not sent again. At least one of the two fields is needed.
    NotificationAck = "notification_ack" -> ["ack_confirmed"],
        rate: Control, subject: |_| Subject::Nothing, additions: |ack| ack.notification_ids.is_some();
    /// Asks for a page of a clan's past: the end of it, or what lies before or after an offset (not both).
    GetChatHistory = "chat_history" -> ["chat_history"],
        rate: Message, subject: |get| Subject::Clan(get.clan_id.clone()), additions: |_| true;
    /// Asks who is present in a clan.
    GetPresence = "presence" -> ["presence"],
        rate: Message, subject: |get| Subject::Clan(get.clan_id.clone()), additions: |_| true;
    /// Asks for a topic of a declared service.
    Subscribe = "subscribe" -> ["subscription_confirmed"],
        rate: Control, subject: |subscribe| Subject::Topic(subscribe.topic.clone()), additions: |_| true;
    /// Ends the subscription to a topic of a declared service.
    Unsubscribe = "unsubscribe" -> ["subscription_confirmed"],
        rate: Control, subject: |unsubscribe| Subject::Topic(unsubscribe.topic.clone()), additions: |_| true;
    /// Publishes to a topic of a declared service.
    Publish = "publish" -> ["message_sent"],
        rate: Message, subject: |publish| Subject::Topic(publish.topic.clone()), additions: |_| true;
    /// Asks for a `pong`.
    Ping = "ping" -> ["pong"],
        rate: Control, subject: |_| Subject::Nothing, additions: |_| false;
}

/// Gives or renews the identity. Reply: `connected` the first time, then `authenticated`.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "Authenticate")]
pub struct Authenticate {
    /// The JSON Web Token (RFC 7519).
    #[schemars(extend("writeOnly" = true))]
    pub token: String,
    /// Names the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<DeviceId>,
    /// Names the client library.
    #[serde(default, deserialize_with = "crate::decode::optional_object", skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientInfo>,
}

impl fmt::Debug for Authenticate {
    /// Leaves the token out, so that no log line can show it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { token: _, device_id, client } = self;
        f.debug_struct("Authenticate").field("device_id", device_id).field("client", client).finish_non_exhaustive()
    }
}

/// The client library that speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct ClientInfo {
    /// Its name, such as `realtime-gateway-sdk`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Made once by a client that reconnects by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Rises with each attempt of the instance: a lower one never replaces a higher one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u64>,
}

/// A position in a topic: the last that the client has seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct Recover {
    /// The last offset seen, 0 being before the first entry.
    #[serde(deserialize_with = "crate::decode::position")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_u64))]
    pub offset: u64,
    /// The epoch that the offset belongs to.
    pub epoch: String,
}

/// Asks for the user's notifications: all pending ones, then live ones. Reply: `subscription_confirmed`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "SubscribeNotifications")]
pub struct SubscribeNotifications {
    /// Accepted and ignored: notifications have pending ones instead of a history.
    #[serde(default, deserialize_with = "crate::decode::optional_object", skip_serializing_if = "Option::is_none")]
    pub recover: Option<Recover>,
}

/// Ends the subscription to notifications. Reply: `subscription_confirmed` with status `unsubscribed`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "UnsubscribeNotifications")]
pub struct UnsubscribeNotifications {}

/// Asks for a clan's chat. Reply: `subscription_confirmed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "SubscribeClanChat")]
pub struct SubscribeClanChat {
    /// The clan.
    pub clan_id: ClanId,
    /// The last position seen: everything after it is sent, when it is within retention.
    #[serde(default, deserialize_with = "crate::decode::optional_object", skip_serializing_if = "Option::is_none")]
    pub recover: Option<Recover>,
    /// How many of the last entries to send when nothing is recovered, 0 to 100.
    #[serde(default, deserialize_with = "crate::decode::history", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub history: Option<u32>,
    /// Whether to be told who comes and goes.
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
    /// What a chat message is.
    pub enum MessageType {
        /// Text.
        Text = "TEXT",
        /// A picture, described by `data`.
        Image = "IMAGE",
        /// A file, described by `data`.
        File = "FILE",
        /// Said by a backend service; no client may send it.
        System = "SYSTEM",
    }
}

/// Says something in a clan. Reply: `message_sent`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "SendChat")]
pub struct SendChat {
    /// The clan.
    pub clan_id: ClanId,
    /// What is said, 1 to 4,000 characters.
    pub content: ChatContent,
    /// `TEXT` when absent; a client may send `TEXT`, `IMAGE` and `FILE`.
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
    /// Makes the command safe to repeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<ClientMessageId>,
}

/// Tells that the user began or stopped typing. No reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "SendTyping")]
pub struct SendTyping {
    /// The clan.
    pub clan_id: ClanId,
    /// Whether the user is typing; true is repeated every 3 s and ends by itself after 6 s.
    pub is_typing: bool,
}

/// Acknowledges notifications. Reply: `ack_confirmed`. At least one of the two fields is needed.
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

/// Asks who is present in a clan. Reply: `presence`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "GetPresence")]
pub struct GetPresence {
    /// The clan.
    pub clan_id: ClanId,
}

/// Asks for a topic of a declared service. Reply: `subscription_confirmed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "Subscribe")]
pub struct Subscribe {
    /// The service.
    pub service: ServiceName,
    /// The topic.
    pub topic: TopicName,
    /// The last position seen: everything after it is sent, when it is within retention.
    #[serde(default, deserialize_with = "crate::decode::optional_object", skip_serializing_if = "Option::is_none")]
    pub recover: Option<Recover>,
    /// How many of the last entries to send when nothing is recovered, 0 to 100.
    #[serde(default, deserialize_with = "crate::decode::history", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub history: Option<u32>,
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

/// Publishes to a topic of a declared service. Reply: `message_sent`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "Publish")]
pub struct Publish {
    /// The service.
    pub service: ServiceName,
    /// The topic.
    pub topic: TopicName,
    /// Any JSON.
    pub data: RawJson,
    /// Makes the command safe to repeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<ClientMessageId>,
}

/// Asks for a `pong`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "Ping")]
pub struct Ping {}
