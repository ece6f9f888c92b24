//! Messages about the session itself: identity, hints and faults.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ClanId, ErrorCode, RawJson, ServiceName, SessionId, Timestamp, TopicName, UserId, open_enum::open_enum};

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
    #[serde(deserialize_with = "crate::decode::object")]
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
