//! What the gateway may say: one struct a message, and the enumeration of all.

mod chat;
mod notification;
mod presence;
mod session;
mod subscription;

pub use chat::*;
pub use notification::*;
pub use presence::*;
pub use session::*;
pub use subscription::*;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::RawJson;

/// Declares the messages once: the enumeration, its words, and the decoding of each.
macro_rules! server_messages {
    ($($(#[doc = $doc:literal])+ $name:ident ($fields:ty) = $word:literal,)+) => {
        /// Every message that the gateway may send.
        #[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
        #[serde(tag = "type")]
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

impl Unknown {
    /// The `offset` that it carries, when that is one.
    pub fn offset(&self) -> Option<u64> {
        #[derive(Deserialize)]
        struct WithOffset {
            #[serde(deserialize_with = "crate::decode::entry_offset")]
            offset: u64,
        }
        self.raw.decode::<WithOffset>().ok().map(|entry| entry.offset)
    }
}
