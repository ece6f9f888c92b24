//! Messages about the session: its identity, reconnect hints and errors.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    ClanId, ErrorCode, MethodName, RawJson, ServiceName, SessionId, Timestamp, TopicName, UserId, open_enum::open_enum,
};

/// The client is authenticated, and the connection may be used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "Connected")]
pub struct Connected {
    /// The user of the token.
    pub user_id: UserId,
    /// A greeting: `Connected to WebSocket Gateway`.
    pub message: String,
    /// The id of this session in the log and in the HTTP API of the gateway.
    pub session_id: SessionId,
    /// The version of this protocol: 1.
    pub protocol_version: u32,
    /// The names of the optional features that the gateway supports.
    pub features: Vec<String>,
    /// The names of the services of this gateway.
    pub services: Vec<ServiceName>,
    /// When the token expires.
    pub expires_at: Timestamp,
    /// The interval of the gateway's WebSocket pings, in milliseconds.
    pub heartbeat_interval_ms: u64,
    /// The maximum size of a message from the client, in bytes.
    pub max_message_bytes: u64,
    /// The limits of this session.
    #[serde(deserialize_with = "crate::decode::object")]
    pub limits: Limits,
    /// The time of the gateway's clock.
    pub server_time: Timestamp,
}

/// The limits of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct Limits {
    /// The sustained rate of commands per second.
    pub messages_per_second: u32,
    /// The maximum number of commands in a burst.
    pub burst: u32,
    /// The maximum number of subscriptions.
    pub subscriptions: u32,
}

/// The identity was renewed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "Authenticated")]
pub struct Authenticated {
    /// The user of the token, which is the same as before.
    pub user_id: UserId,
    /// When the token expires.
    pub expires_at: Timestamp,
}

open_enum! {
    /// The reason why a node asks clients to reconnect.
    pub enum ReconnectReason {
        /// The node shuts down.
        Draining = "draining",
        /// The node has more connections than its share.
        Rebalancing = "rebalancing",
    }
}

/// The node will close the connection, which works until then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "Reconnect")]
pub struct ReconnectHint {
    /// The reason.
    pub reason: ReconnectReason,
    /// The time until the node closes the connection, in milliseconds.
    pub after_ms: u64,
}

/// A command failed, or an error concerns the session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "Error")]
pub struct ErrorReply {
    /// The reason, for people. It contains no token, stack trace or internal address.
    pub message: String,
    /// The reason, for programs.
    pub code: ErrorCode,
    /// The `type` of the command that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<String>,
    /// The clan of the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clan_id: Option<ClanId>,
    /// The topic of the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<TopicName>,
    /// The service of the topic or the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceName>,
    /// The method of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<MethodName>,
    /// The time after which to try again, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// Additional data for programs, such as the invalid `field` or an `errorId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<RawJson>,
}

/// The reply to `ping`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "Pong")]
pub struct Pong {
    /// The time of the gateway's clock.
    pub timestamp: Timestamp,
}
