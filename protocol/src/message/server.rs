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

/// Declares the messages once: the enumeration, its words, the decoding of each, and after `for` the clients that are sent
/// it, an [`Audience`].
macro_rules! server_messages {
    ($($(#[doc = $doc:literal])+ $name:ident ($fields:ty) = $word:literal for $audience:ident,)+) => {
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

            /// The clients that are sent each type, in the order of [`TYPES`](Self::TYPES).
            pub const AUDIENCES: &'static [Audience] = &[$(Audience::$audience),+];

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

/// The clients that are sent a type of message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// All of them.
    AllClients,
    /// Those that have used more than the core of the protocol ([`ClientMessage::uses_additions`]): a client of the core
    /// would not understand it.
    ///
    /// [`ClientMessage::uses_additions`]: crate::ClientMessage::uses_additions
    ClientsWithAdditions,
}

server_messages! {
    /// The connection has an identity and may be used.
    Connected(Connected) = "connected" for AllClients,
    /// The identity was renewed.
    Authenticated(Authenticated) = "authenticated" for AllClients,
    /// A subscription began or ended as asked.
    SubscriptionConfirmed(SubscriptionConfirmed) = "subscription_confirmed" for AllClients,
    /// A subscription was ended by the gateway.
    SubscriptionEnded(SubscriptionEnded) = "subscription_ended" for ClientsWithAdditions,
    /// Entries were lost to this subscription; it goes on from `offset`.
    SubscriptionReset(SubscriptionReset) = "subscription_reset" for ClientsWithAdditions,
    /// A notification for the user.
    Notification(Notification) = "notification" for AllClients,
    /// Another session of the user acknowledged these.
    NotificationAcked(NotificationAcked) = "notification_acked" for ClientsWithAdditions,
    /// Somebody said something in a clan.
    Chat(Chat) = "chat" for AllClients,
    /// A chat message was deleted.
    ChatDeleted(ChatDeleted) = "chat_deleted" for ClientsWithAdditions,
    /// Somebody began or stopped typing.
    Typing(Typing) = "typing" for AllClients,
    /// A `chat` or `publish` is stored.
    MessageSent(MessageSent) = "message_sent" for AllClients,
    /// Notifications are acknowledged.
    AckConfirmed(AckConfirmed) = "ack_confirmed" for AllClients,
    /// A page of a clan's past.
    ChatHistory(ChatHistory) = "chat_history" for AllClients,
    /// Who is present in a clan.
    Presence(Presence) = "presence" for AllClients,
    /// Somebody came or went.
    PresenceChanged(PresenceChanged) = "presence_changed" for ClientsWithAdditions,
    /// Something was published to a topic of a declared service.
    Event(Event) = "event" for AllClients,
    /// This node will close the connection; it works until then.
    Reconnect(ReconnectHint) = "reconnect" for AllClients,
    /// A command was refused, or the session must know of a fault.
    Error(ErrorReply) = "error" for AllClients,
    /// The answer to `ping`.
    Pong(Pong) = "pong" for AllClients,
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
