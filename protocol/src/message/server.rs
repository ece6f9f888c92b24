//! What the gateway may say: one struct a message, and the enumeration of all.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    ChatContent, ChatData, ClanId, ClientMessageId, ErrorCode, MessageId, MessageType, NotificationId, RawJson,
    ServiceName, SessionId, Timestamp, TopicName, UserId, open_enum::open_enum,
};

/// Declares the messages once: the enumeration, its words, and the decoding of each.
macro_rules! server_messages {
    ($($(#[doc = $doc:literal])+ $name:ident ($fields:ty) = $word:literal,)+) => {
        /// Every message that the gateway may send.
        #[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
        #[serde(tag = "type", rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum ServerMessage {
            $($(#[doc = $doc])+ #[serde(rename = $word)] $name($fields),)+
            /// A message of a later version, whose `type` this one does not know.
            #[serde(skip)]
            Unknown(Unknown),
        }

        impl ServerMessage {
            /// Every `type` that the gateway may send.
            pub const TYPES: &'static [&'static str] = &[$($word),+];

            /// The `type` on the wire.
            pub fn type_name(&self) -> &str {
                match self {
                    $(Self::$name(_) => $word,)+
                    Self::Unknown(unknown) => &unknown.type_name,
                }
            }
        }

        impl crate::decode::Tagged for ServerMessage {
            fn decode_fields<'de, D: serde::Deserializer<'de>>(word: &str, fields: D) -> Option<Result<Self, D::Error>> {
                match word {
                    $($word => Some(<$fields>::deserialize(fields).map(Self::$name)),)+
                    _ => None,
                }
            }
        }

        $(impl From<$fields> for ServerMessage {
            fn from(message: $fields) -> Self {
                Self::$name(message)
            }
        })+
    };
}

server_messages! {
    /// The connection has an identity and may be used.
    Connected(Connected) = "connected",
    /// The identity was renewed.
    Authenticated(Authenticated) = "authenticated",
    /// A subscription began or ended as asked.
    SubscriptionConfirmed(SubscriptionConfirmed) = "subscription_confirmed",
    /// A subscription was ended by the gateway.
    SubscriptionEnded(SubscriptionEnded) = "subscription_ended",
    /// Entries were lost to this subscription; it goes on from `offset`.
    SubscriptionReset(SubscriptionReset) = "subscription_reset",
    /// A notification for the user.
    Notification(Notification) = "notification",
    /// Another session of the user acknowledged these.
    NotificationAcked(NotificationAcked) = "notification_acked",
    /// Somebody said something in a clan.
    Chat(Chat) = "chat",
    /// A chat message was deleted.
    ChatDeleted(ChatDeleted) = "chat_deleted",
    /// Somebody began or stopped typing.
    Typing(Typing) = "typing",
    /// A `chat` or `publish` is stored.
    MessageSent(MessageSent) = "message_sent",
    /// Notifications are acknowledged.
    AckConfirmed(AckConfirmed) = "ack_confirmed",
    /// A page of a clan's past.
    ChatHistory(ChatHistory) = "chat_history",
    /// Who is present in a clan.
    Presence(Presence) = "presence",
    /// Somebody came or went.
    PresenceChanged(PresenceChanged) = "presence_changed",
    /// Something was published to a topic of a declared service.
    Event(Event) = "event",
    /// This node will close the connection; it works until then.
    Reconnect(ReconnectHint) = "reconnect",
    /// A command was refused, or the session must know of a fault.
    Error(ErrorReply) = "error",
    /// The answer to `ping`.
    Pong(Pong) = "pong",
}

/// A message whose `type` this version does not know. Its offset moves the client's position all the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Unknown {
    /// The `type`.
    pub type_name: String,
    /// The whole message.
    pub raw: RawJson,
}

/// The connection has an identity and may be used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "Connected")]
pub struct Connected {
    /// Who the token says this is.
    pub user_id: UserId,
    /// A greeting: `Connected to WebSocket Gateway`.
    pub message: String,
    /// Names this session in the gateway's log and API.
    pub session_id: SessionId,
    /// The version of this protocol: 1.
    pub protocol_version: u32,
    /// Names of additions to this version that the gateway offers.
    pub features: Vec<String>,
    /// Names of the services that this gateway has.
    pub services: Vec<ServiceName>,
    /// When the token's life ends.
    pub expires_at: Timestamp,
    /// How often the gateway sends a WebSocket ping, in milliseconds.
    pub heartbeat_interval_ms: u64,
    /// What a client may send in one message, in bytes.
    pub max_message_bytes: u64,
    /// Bounds of this session.
    pub limits: Limits,
    /// The gateway's clock.
    pub server_time: Timestamp,
}

/// Bounds of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct Limits {
    /// Sustained rate of commands, a second.
    pub messages_per_second: u32,
    /// Commands that may come at once.
    pub burst: u32,
    /// Subscriptions at a time.
    pub subscriptions: u32,
}

/// The identity was renewed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "Authenticated")]
pub struct Authenticated {
    /// Who the token says this is: the same as before.
    pub user_id: UserId,
    /// When the token's life ends.
    pub expires_at: Timestamp,
}

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
    #[serde(default, skip_serializing_if = "Option::is_none")]
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
    pub offset: u64,
    /// Why.
    pub reason: ResetReason,
}

/// A notification for the user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "Notification")]
pub struct Notification {
    /// Tells copies apart.
    pub id: NotificationId,
    /// A headline.
    pub title: String,
    /// The text.
    pub message: String,
    /// Whatever the backend added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<RawJson>,
    /// When the gateway accepted it.
    pub created_at: Timestamp,
    /// Its place among the user's notifications.
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_u64))]
    pub offset: u64,
    /// A hint that it was sent before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redelivered: Option<bool>,
}

/// Another session of the user acknowledged these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "NotificationAcked")]
pub struct NotificationAcked {
    /// The notifications.
    pub notification_ids: Vec<NotificationId>,
}

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
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_u64))]
    pub offset: u64,
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
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_u64))]
    pub offset: u64,
    /// The sender's own name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<ClientMessageId>,
    /// True when this repeats an earlier send, which was not sent twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicate: Option<bool>,
}

/// Notifications are acknowledged and will not be sent again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "AckConfirmed")]
pub struct AckConfirmed {
    /// The notifications, also those acknowledged before.
    pub notification_ids: Vec<NotificationId>,
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
    pub messages: Vec<Chat>,
    /// Whether there are more in the direction that was asked for.
    pub has_more: bool,
}

/// A user who is present in a clan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct PresentUser {
    /// Who.
    pub user_id: UserId,
    /// How many of their sessions subscribe to the clan; 0 during the grace after the last.
    pub sessions: u32,
}

/// Who is present in a clan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "Presence")]
pub struct Presence {
    /// The clan.
    pub clan_id: ClanId,
    /// The first 200.
    #[schemars(length(max = 200))]
    pub users: Vec<PresentUser>,
    /// How many users in all.
    pub count: u64,
}

open_enum! {
    /// Whether somebody is present.
    pub enum PresenceStatus {
        /// Came.
        Online = "online",
        /// Went, announced after a grace.
        Offline = "offline",
    }
}

/// Somebody came or went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "PresenceChanged")]
pub struct PresenceChanged {
    /// The clan.
    pub clan_id: ClanId,
    /// Who.
    pub user_id: UserId,
    /// Which of the two.
    pub status: PresenceStatus,
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

open_enum! {
    /// Why a node asks its clients to connect anew.
    pub enum ReconnectReason {
        /// It is being stopped.
        Draining = "draining",
        /// It has more than its share.
        Rebalancing = "rebalancing",
    }
}

/// This node will close the connection; it works until then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "Reconnect")]
pub struct ReconnectHint {
    /// Why.
    pub reason: ReconnectReason,
    /// When this node will close the connection, in milliseconds from now.
    pub after_ms: u64,
}

/// A command was refused, or the session must know of a fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "Error")]
pub struct ErrorReply {
    /// Why, for people: no token, no stack, no internal address.
    pub message: String,
    /// Why, for programs.
    pub code: ErrorCode,
    /// The `type` of the command that was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<String>,
    /// The clan that it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clan_id: Option<ClanId>,
    /// The topic that it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<TopicName>,
    /// When to try again, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// More for programs, such as the `field` that was wrong or an `errorId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<RawJson>,
}

/// The answer to `ping`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "Pong")]
pub struct Pong {
    /// The gateway's clock.
    pub timestamp: Timestamp,
}
