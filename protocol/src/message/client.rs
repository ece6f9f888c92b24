//! The table of commands: every message that a client may send, with its properties. `client/commands.rs` declares the
//! fields.

mod columns;
mod commands;
mod history;

pub use columns::*;
pub use commands::*;
pub use history::*;
use schemars::JsonSchema;
use serde::Serialize;

/// Declares the commands in one table: the enumeration, the `type` and decoding of each, and a column for each
/// property:
///
/// - after `->`: the possible types of the reply on success;
/// - `rate`: the rate limit that the command counts against, a [`RateClass`];
/// - `subject`: a function that returns the [`Subject`] of the message;
/// - `extensions`: a function that returns whether the message uses a protocol extension: a message or field that is not
///   part of the core protocol;
/// - `handler`: the function of [`CommandHandler`] that handles the command;
/// - `sdk`: how a client SDK carries the command out, a [`Handling`].
macro_rules! client_messages {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal -> [$($reply:literal),*],
        rate: $rate:ident, subject: $subject:expr, extensions: $extensions:expr, handler: $handler:ident,
        sdk: $handling:ident;)+) => {
        /// Every command that a client may send.
        #[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
        #[serde(tag = "type")]
        pub enum ClientMessage {
            $($(#[doc = $doc])+ #[serde(rename = $word)] $name($name),)+
        }

        impl ClientMessage {
            /// Every `type` that a client may send.
            pub const TYPES: &'static [&'static str] = &[$($word),+];

            /// Every `type` that a client may send, with the types of its reply on success. A failed command gets an `error`.
            pub const REPLIES: &'static [(&'static str, &'static [&'static str])] = &[$(($word, &[$($reply),*])),+];

            /// How a client SDK carries out a command of this `type`. None if the type is unknown.
            pub fn handling_of(type_name: &str) -> Option<Handling> {
                const HANDLINGS: &[(&str, Handling)] = &[$(($word, Handling::$handling)),+];
                HANDLINGS.iter().find(|(word, _)| *word == type_name).map(|(_, handling)| *handling)
            }

            /// Returns the `type` on the wire.
            pub fn type_name(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => $word,)+
                }
            }

            /// Returns the rate limit of the session that the command counts against.
            pub fn rate_class(&self) -> RateClass {
                match self {
                    $(Self::$name(_) => RateClass::$rate,)+
                }
            }

            /// Returns the subject of the command, which an `error` names.
            pub fn subject(&self) -> Subject {
                match self {
                    $(Self::$name(message) => {
                        let subject: fn(&$name) -> Subject = $subject;
                        subject(message)
                    })+
                }
            }

            /// Returns whether the command uses a protocol extension: a message or field that is not part of the core
            /// protocol. A client that sends such a command also understands the pushes of the extensions.
            pub fn uses_extensions(&self) -> bool {
                match self {
                    $(Self::$name(message) => {
                        let uses_extensions: fn(&$name) -> bool = $extensions;
                        uses_extensions(message)
                    })+
                }
            }
        }

        /// Handles commands with one function for each kind, so that a kind without a handler does not compile.
        pub trait CommandHandler: Sized {
            /// The result of a command.
            type Answer;

            $($(#[doc = $doc])+ fn $handler(self, command: $name) -> impl Future<Output = Self::Answer> + Send;)+
        }

        impl ClientMessage {
            /// Calls the function of the handler for this command and returns its result.
            pub async fn handle<H: CommandHandler>(self, handler: H) -> H::Answer {
                match self {
                    $(Self::$name(command) => handler.$handler(command).await,)+
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

client_messages! {
    /// Sets or renews the identity of the connection.
    Authenticate = "authenticate" -> ["connected", "authenticated"],
        rate: Control, subject: |_| Subject::Nothing, extensions: |_| true,
        handler: authenticate, sdk: Session;
    /// Subscribes to the user's notifications.
    SubscribeNotifications = "subscribe_notifications" -> ["subscription_confirmed"],
        rate: Control, subject: |_| Subject::Nothing, extensions: |subscribe| subscribe.recover.is_some(),
        handler: subscribe_notifications, sdk: Subscribe;
    /// Ends the subscription to notifications.
    UnsubscribeNotifications = "unsubscribe_notifications" -> ["subscription_confirmed"],
        rate: Control, subject: |_| Subject::Nothing, extensions: |_| true,
        handler: unsubscribe_notifications, sdk: Session;
    /// Subscribes to a clan's chat.
    SubscribeClanChat = "subscribe_clan_chat" -> ["subscription_confirmed"],
        rate: Control, subject: |subscribe| Subject::Clan(subscribe.clan_id.clone()),
        extensions: |subscribe| {
            subscribe.recover.is_some() || subscribe.history.is_some() || subscribe.presence.is_some()
        },
        handler: subscribe_clan_chat, sdk: Subscribe;
    /// Ends the subscription to a clan's chat.
    UnsubscribeClanChat = "unsubscribe_clan_chat" -> ["subscription_confirmed"],
        rate: Control, subject: |unsubscribe| Subject::Clan(unsubscribe.clan_id.clone()), extensions: |_| true,
        handler: unsubscribe_clan_chat, sdk: Session;
    /// Sends a chat message to a clan.
    SendChat = "chat" -> ["message_sent"],
        rate: Message, subject: |chat| Subject::Clan(chat.clan_id.clone()),
        extensions: |chat| chat.client_message_id.is_some() || chat.data.is_some(),
        handler: send_chat, sdk: Publish;
    /// Reports that the user started or stopped typing.
    SendTyping = "typing" -> [],
        rate: Message, subject: |typing| Subject::Clan(typing.clan_id.clone()), extensions: |_| false,
        handler: send_typing, sdk: Ephemeral;
    /// Acknowledges notifications, so that they are not sent again. At least one of the two fields is required.
    NotificationAck = "notification_ack" -> ["ack_confirmed"],
        rate: Control, subject: |_| Subject::Nothing, extensions: |ack| ack.notification_ids.is_some(),
        handler: acknowledge_notifications, sdk: Acknowledge;
    /// Requests a page of a clan's history: the latest messages, or those before or after an offset (not both).
    GetChatHistory = "chat_history" -> ["chat_history"],
        rate: Message, subject: |get| Subject::Clan(get.clan_id.clone()), extensions: |_| true,
        handler: get_chat_history, sdk: Query;
    /// Requests the users who are present in a clan.
    GetPresence = "presence" -> ["presence"],
        rate: Message, subject: |get| Subject::Clan(get.clan_id.clone()), extensions: |_| true,
        handler: get_presence, sdk: Query;
    /// Subscribes to a topic of a declared service.
    Subscribe = "subscribe" -> ["subscription_confirmed"],
        rate: Control, subject: |subscribe| Subject::Topic(subscribe.service.clone(), subscribe.topic.clone()), extensions: |_| true,
        handler: subscribe, sdk: Subscribe;
    /// Ends the subscription to a topic of a declared service.
    Unsubscribe = "unsubscribe" -> ["subscription_confirmed"],
        rate: Control, subject: |unsubscribe| Subject::Topic(unsubscribe.service.clone(), unsubscribe.topic.clone()), extensions: |_| true,
        handler: unsubscribe, sdk: Session;
    /// Publishes to a topic of a declared service.
    Publish = "publish" -> ["message_sent", "publish_accepted"],
        rate: Message, subject: |publish| Subject::Topic(publish.service.clone(), publish.topic.clone()), extensions: |_| true,
        handler: publish, sdk: Publish;
    /// Requests a page of a topic's history: the latest events, or those before or after an offset (not both).
    GetTopicHistory = "topic_history" -> ["topic_history"],
        rate: Message, subject: |get| Subject::Topic(get.service.clone(), get.topic.clone()), extensions: |_| true,
        handler: get_topic_history, sdk: Query;
    /// Requests the users who are present in a topic.
    GetTopicPresence = "topic_presence" -> ["topic_presence"],
        rate: Message, subject: |get| Subject::Topic(get.service.clone(), get.topic.clone()), extensions: |_| true,
        handler: get_topic_presence, sdk: Query;
    /// Calls a method of a declared service: a request to its backend.
    Call = "call" -> ["call_result"],
        rate: Message, subject: |call| Subject::Call(call.service.clone(), call.method.clone()), extensions: |_| true,
        handler: call, sdk: Session;
    /// Requests a `pong`.
    Ping = "ping" -> ["pong"],
        rate: Control, subject: |_| Subject::Nothing, extensions: |_| false,
        handler: ping, sdk: Session;
}
