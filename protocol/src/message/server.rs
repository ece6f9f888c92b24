//! The messages of the gateway: one struct for each message, and the enumeration of all.

mod call;
mod chat;
mod notification;
mod presence;
mod session;
mod subscription;

pub use call::*;
pub use chat::*;
pub use notification::*;
pub use presence::*;
pub use session::*;
pub use subscription::*;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::RawJson;

/// Declares the messages in one table: the enumeration, the `type` and decoding of each, and after `for` the
/// [`Audience`] of each.
macro_rules! server_messages {
    ($($(#[doc = $doc:literal])+ $name:ident ($fields:ty) = $word:literal for $audience:ident,)+) => {
        /// Every message that the gateway may send.
        #[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
        #[serde(tag = "type")]
        #[non_exhaustive]
        pub enum ServerMessage {
            $($(#[doc = $doc])+ #[serde(rename = $word)] $name($fields),)+
            /// A message of a later version, whose `type` this version does not know.
            #[serde(skip)]
            Unknown(Unknown),
        }

        impl ServerMessage {
            /// Every `type` that the gateway may send.
            pub const TYPES: &'static [&'static str] = &[$($word),+];

            /// The audience of each type, in the order of [`TYPES`](Self::TYPES).
            pub const AUDIENCES: &'static [Audience] = &[$(Audience::$audience),+];

            /// Returns the `type` on the wire.
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
                    $($word => Some(crate::decode::object::<_, $fields>(fields).map(Self::$name)),)+
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

/// The clients that receive a type of message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// All clients.
    AllClients,
    /// Clients that have used a protocol extension ([`ClientMessage::uses_extensions`]). Clients of the core protocol
    /// would not understand the message.
    ///
    /// [`ClientMessage::uses_extensions`]: crate::ClientMessage::uses_extensions
    ClientsWithExtensions,
}

server_messages! {
    /// The client is authenticated, and the connection may be used.
    Connected(Connected) = "connected" for AllClients,
    /// The identity was renewed.
    Authenticated(Authenticated) = "authenticated" for AllClients,
    /// A subscription was started or ended as requested, or was made by the server.
    SubscriptionConfirmed(SubscriptionConfirmed) = "subscription_confirmed" for AllClients,
    /// A subscription was ended by the gateway.
    SubscriptionEnded(SubscriptionEnded) = "subscription_ended" for ClientsWithExtensions,
    /// The subscription has missed entries; it continues from `offset`.
    SubscriptionReset(SubscriptionReset) = "subscription_reset" for ClientsWithExtensions,
    /// A notification for the user.
    Notification(Notification) = "notification" for AllClients,
    /// Another session of the user acknowledged notifications.
    NotificationAcked(NotificationAcked) = "notification_acked" for ClientsWithExtensions,
    /// A chat message in a clan.
    Chat(Chat) = "chat" for AllClients,
    /// A chat message was deleted.
    ChatDeleted(ChatDeleted) = "chat_deleted" for ClientsWithExtensions,
    /// A user started or stopped typing.
    Typing(Typing) = "typing" for AllClients,
    /// A `chat` or `publish` is stored.
    MessageSent(MessageSent) = "message_sent" for AllClients,
    /// A `publish` to a topic without history is sent.
    PublishAccepted(PublishAccepted) = "publish_accepted" for AllClients,
    /// Notifications are acknowledged.
    AckConfirmed(AckConfirmed) = "ack_confirmed" for AllClients,
    /// A page of a clan's history.
    ChatHistory(ChatHistory) = "chat_history" for AllClients,
    /// The users who are present in a clan.
    Presence(Presence) = "presence" for AllClients,
    /// A user became present in a clan or left it.
    PresenceChanged(PresenceChanged) = "presence_changed" for ClientsWithExtensions,
    /// Users became present in a large clan or left it.
    PresenceChanges(PresenceChanges) = "presence_changes" for ClientsWithExtensions,
    /// An event that was published to a topic of a declared service.
    Event(Event) = "event" for AllClients,
    /// An event that was published to a topic without history.
    EphemeralEvent(EphemeralEvent) = "ephemeral_event" for AllClients,
    /// A page of a topic's history.
    TopicHistory(TopicHistory) = "topic_history" for AllClients,
    /// The users who are present in a topic.
    TopicPresence(TopicPresence) = "topic_presence" for AllClients,
    /// A user became present in a topic, left it, or has other presence data.
    TopicPresenceChanged(TopicPresenceChanged) = "topic_presence_changed" for ClientsWithExtensions,
    /// Users became present in a large topic, left it, or have other presence data.
    TopicPresenceChanges(TopicPresenceChanges) = "topic_presence_changes" for ClientsWithExtensions,
    /// The backend of a service has answered a call.
    CallResult(CallResult) = "call_result" for AllClients,
    /// The node will close the connection, which works until then.
    Reconnect(ReconnectHint) = "reconnect" for AllClients,
    /// A command failed, or an error concerns the session.
    Error(ErrorReply) = "error" for AllClients,
    /// The reply to `ping`.
    Pong(Pong) = "pong" for AllClients,
}

/// A message whose `type` this version does not know. Its offset advances the client's position nevertheless.
#[derive(Debug, Clone, PartialEq)]
pub struct Unknown {
    /// The `type`.
    pub type_name: String,
    /// The whole message.
    pub raw: RawJson,
}

impl Unknown {
    /// Returns the `offset` of the message, if it has a valid one.
    pub fn offset(&self) -> Option<u64> {
        #[derive(Deserialize)]
        struct WithOffset {
            #[serde(deserialize_with = "crate::decode::entry_offset")]
            offset: u64,
        }
        self.raw.decode::<WithOffset>().ok().map(|entry| entry.offset)
    }
}
