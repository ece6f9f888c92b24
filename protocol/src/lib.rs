//! The wire contract of the realtime gateway, typed.
//!
#![doc = include_str!("../README.md")]

mod asyncapi;
pub mod backend;
mod bounded;
mod close_code;
mod decode;
mod encode;
mod error_code;
mod example;
pub mod export;
mod field_table;
mod id;
mod json;
mod message;
mod object_text;
mod open_enum;
mod outline;
mod page;
mod schema;
mod text;
mod text_rule;
mod timestamp;
mod typescript;

pub use asyncapi::asyncapi_document;
pub use bounded::{BlockReason, NotificationText, NotificationTitle, TtlSeconds};
pub use close_code::{CloseCode, Reconnect};
pub use decode::{DecodeError, Refusal, decode_client, decode_object, decode_server};
pub use encode::{encode_client, encode_server};
pub use error_code::ErrorCode;
pub use id::{
    ClanId, ClientMessageId, DeviceId, IdError, MessageId, NotificationId, RequestId, ServiceName, SessionId, StoredId,
    TokenId, TopicName, UserId,
};
pub use json::{ChatData, RawJson};
pub use message::{
    AckConfirmed, Audience, Authenticate, Authenticated, Chat, ChatDeleted, ChatHistory, ClientInfo, ClientMessage,
    Connected, Envelope, ErrorReply, Event, GetChatHistory, GetPresence, HistoryLimit, Limits, MessageSent,
    MessageType, Notification, NotificationAck, NotificationAcked, Ping, Pong, Presence, PresenceChanged,
    PresenceStatus, PresentUser, Publish, RateClass, ReconnectHint, ReconnectReason, Recover, ResetReason, SendChat,
    SendTyping, ServerMessage, Subject, Subscribe, SubscribeClanChat, SubscribeNotifications, SubscriptionConfirmed,
    SubscriptionEnded, SubscriptionReset, SubscriptionStatus, Typing, Unknown, Unsubscribe, UnsubscribeClanChat,
    UnsubscribeNotifications,
};
pub use object_text::ObjectText;
pub use outline::{Outline, Verdict};
pub use page::protocol_page_html;
pub use schema::{client_schema, server_schema};
pub use text::{ChatContent, TextError};
pub use text_rule::is_unseen;
pub use timestamp::Timestamp;

/// The version that `connected.protocolVersion` tells.
pub const PROTOCOL_VERSION: u32 = 1;
/// The WebSocket subprotocol (RFC 6455, section 1.9) that this version speaks.
pub const SUBPROTOCOL: &str = "gateway.v1.json";
/// The largest offset: 2^53-1, the largest integer that every JSON reader keeps exact (RFC 8259, section 6).
pub const MAX_OFFSET: u64 = (1 << 53) - 1;
/// How deep objects and arrays of a message may nest.
pub const MAX_DEPTH: usize = 64;
/// The default of `limits.message_bytes`: what a client may send in one message, in bytes.
pub const DEFAULT_MAX_MESSAGE_BYTES: usize = 64 * 1024;
/// What the gateway sends stays under this, in bytes.
pub const MAX_SERVER_MESSAGE_BYTES: usize = 256 * 1024;
