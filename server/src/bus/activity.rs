//! Activities: what happens on a node without being stored, for operators who follow it on another node. They have no
//! content. A node ignores those of a later version that it does not know.

use bytes::Bytes;
use realtime_gateway_protocol::{DeviceId, MethodName, NotificationId, ServiceName, SessionId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// What a session did, or what happened to a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Activity {
    /// When it happened, by the clock of the node.
    pub at: Timestamp,
    /// The node.
    pub node: String,
    /// The user.
    pub user_id: UserId,
    /// The session, if one did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// What happened.
    #[serde(flatten)]
    pub kind: ActivityKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum ActivityKind {
    /// A session was opened.
    SessionOpened {
        /// The device, if the client has named one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device_id: Option<DeviceId>,
    },
    /// A session has ended.
    SessionEnded {
        /// The close code.
        code: u16,
        /// What the code means, if the gateway knows it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// How long it lasted, in milliseconds.
        duration_ms: u64,
    },
    /// A session has made a call, which has ended.
    Call {
        /// The service.
        service: ServiceName,
        /// The method.
        method: MethodName,
        /// `succeeded`, or the code of the error.
        outcome: String,
        /// How long it took, in milliseconds.
        duration_ms: u64,
    },
    /// A notification was not acknowledged in time, and is reported to backend services.
    NotificationEscalated {
        /// The id of the notification.
        notification_id: NotificationId,
        /// Its offset among the notifications of the user.
        offset: u64,
    },
}

/// The form between nodes, which no other message has.
#[derive(Serialize, Deserialize)]
struct Enveloped<T> {
    activity: T,
}

/// Encodes an activity.
pub(super) fn encode(activity: &Activity) -> Bytes {
    // A struct of texts and numbers can always be encoded.
    serde_json::to_vec(&Enveloped { activity }).unwrap_or_default().into()
}

/// Decodes an activity. Returns `None` for any other message.
pub(super) fn decode(bytes: &[u8]) -> Option<Activity> {
    serde_json::from_slice(bytes).ok().map(|enveloped: Enveloped<Activity>| enveloped.activity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_what_was_encoded_and_nothing_else() {
        let activity = Activity {
            at: Timestamp::from_millis(1_800_000_000_000),
            node: "n\"1".into(),
            user_id: UserId::new("alice").unwrap(),
            session_id: Some(SessionId::new("s1").unwrap()),
            kind: ActivityKind::SessionEnded { code: 4409, reason: None, duration_ms: 5 },
        };
        assert_eq!(decode(&encode(&activity)), Some(activity));
        for text in ["", "{}", r#"{"type":"typing","userId":"u","clanId":"c","isTyping":true}"#] {
            assert_eq!(decode(text.as_bytes()), None, "{text}");
        }
    }
}
