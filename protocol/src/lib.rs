//! The wire contract of the realtime gateway, typed.
//!
#![doc = include_str!("../README.md")]

mod asyncapi;
pub mod backend;
mod bounded;
mod close_code;
mod codec;
pub mod compatibility;
mod decode;
mod definitions;
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
pub mod routing;
mod schema;
pub mod stored;
mod text;
mod text_rule;
mod timestamp;
pub mod topic;
mod trace_context;

pub use asyncapi::asyncapi_document;
pub use bounded::{BlockReason, EscalateAfterSeconds, NotificationText, NotificationTitle, TtlSeconds};
pub use close_code::{CloseCode, Reconnect, close_code_document};
pub use codec::{Codec, Payload};
pub use decode::{DecodeError, Refusal, decode_answer, decode_client, decode_object, decode_server};
pub use definitions::message_definitions;
pub use encode::{encode_client, encode_server};
pub use error_code::ErrorCode;
pub use id::{
    CallId, ClanId, ClientMessageId, DeviceId, IdError, MessageId, MethodName, NotificationId, RequestId, ServiceName,
    SessionId, StoredId, TokenId, TopicName, UserId,
};
pub use json::{ChatData, RawJson};
pub use message::{
    AckConfirmed, Audience, Authenticate, Authenticated, Call, CallResult, Chat, ChatDeleted, ChatHistory, ClientInfo,
    ClientMessage, CommandHandler, Connected, Envelope, EphemeralEvent, ErrorReply, Event, GetChatHistory, GetPresence,
    GetTopicHistory, GetTopicPresence, Handling, HistoryLimit, Limits, MessageSent, MessageType, NOT_BEFORE_AND_AFTER,
    Notification, NotificationAck, NotificationAcked, Ping, Pong, Presence, PresenceChange, PresenceChanged,
    PresenceChanges, PresenceStatus, PresentUser, Publish, PublishAccepted, RateClass, ReconnectHint, ReconnectReason,
    Recover, ResetReason, SendChat, SendTyping, ServerMessage, Subject, Subscribe, SubscribeClanChat,
    SubscribeNotifications, SubscriptionConfirmed, SubscriptionEnded, SubscriptionOrigin, SubscriptionReset,
    SubscriptionStatus, TopicHistory, TopicPresence, TopicPresenceChange, TopicPresenceChanged, TopicPresenceChanges,
    TopicPresenceStatus, TopicUser, Typing, Unknown, Unsubscribe, UnsubscribeClanChat, UnsubscribeNotifications,
};
pub use object_text::ObjectText;
pub use outline::{Outline, Verdict};
pub use page::protocol_page_html;
pub use schema::{client_schema, server_schema};
pub use text::{ChatContent, TextError};
pub use text_rule::is_unseen;
pub use timestamp::Timestamp;
pub use trace_context::{TRACEPARENT, TRACESTATE, TraceContext};

/// The protocol version, which `connected.protocolVersion` contains.
pub const PROTOCOL_VERSION: u32 = 1;
/// The WebSocket subprotocol (RFC 6455, section 1.9) of this version.
pub const SUBPROTOCOL: &str = "gateway.v1.json";
/// The largest offset: 2^53-1, the largest integer that every JSON parser represents exactly (RFC 8259, section 6).
pub const MAX_OFFSET: u64 = (1 << 53) - 1;
/// The maximum nesting depth of objects and arrays in a message from a client.
pub const MAX_DEPTH: usize = 64;
/// The maximum nesting depth in a message from the gateway. A page has a list and an object around data that clients have sent
/// one level below their message.
pub const MAX_SERVER_DEPTH: usize = MAX_DEPTH + 2;
/// The default of `limits.message_bytes`: the maximum size of a message from a client, in bytes.
pub const DEFAULT_MAX_MESSAGE_BYTES: usize = 64 * 1024;
/// The maximum size of a message from the gateway, in bytes.
pub const MAX_SERVER_MESSAGE_BYTES: usize = 256 * 1024;
