//! Bodies of the events that the gateway publishes for backend services. Each is published at least once; consumers
//! detect duplicates by `id`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    ChatContent, ChatData, DeviceId, MessageId, MessageType, NotificationId, RawJson, SessionId, Timestamp, UserId,
};

/// Declares a body with the common fields and its specific fields.
macro_rules! bodies {
    ($($(#[$meta:meta])* $name:ident { $($fields:tt)* })+) => {
        $(
            $(#[$meta])*
            #[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
            #[serde(rename_all = "camelCase")]
            #[schemars(title = stringify!($name))]
            pub struct $name {
                /// Identifies the event, so that consumers can detect duplicates. It is also the `message_id` of the AMQP message.
                #[schemars(length(min = 1))]
                pub id: String,
                /// When the event happened.
                pub at: Timestamp,
                /// The node on which the event happened.
                pub node_id: String,
                /// The `traceparent` (W3C Trace Context) of the request that caused the event, if it had one.
                pub traceparent: Option<String>,
                /// The `tracestate` that came with it.
                pub tracestate: Option<String>,
                $($fields)*
            }
        )+
    };
}

bodies! {
    /// `chat.message.{clanId}`
    ChatMessageStored {
        /// The author.
        pub user_id: UserId,
        /// The text.
        pub content: ChatContent,
        /// The id of the message.
        pub message_id: MessageId,
        /// `TEXT`, `IMAGE`, `FILE` or `SYSTEM`.
        pub message_type: MessageType,
        /// Replies, mentions, attachments.
        pub data: Option<ChatData>,
        /// The offset in the clan's log.
        #[serde(deserialize_with = "crate::decode::entry_offset")]
        #[schemars(range(min = 1, max = 9_007_199_254_740_991_u64))]
        pub offset: u64,
        /// The epoch of the store.
        pub epoch: String,
    }

    /// `notification.acked.{userId}`
    NotificationsAcknowledged {
        /// The notifications, without those that had been acknowledged before.
        pub notification_ids: Vec<NotificationId>,
    }

    /// `notification.dropped.{userId}`
    NotificationsDropped {
        /// The notifications, the oldest first.
        pub notification_ids: Vec<NotificationId>,
    }

    /// `notification.unacked.{userId}`
    NotificationUnacknowledged {
        /// The notification.
        pub notification_id: NotificationId,
        /// The headline.
        pub title: String,
        /// The text.
        pub message: String,
        /// Additional data of the backend service.
        pub data: Option<RawJson>,
        /// When the gateway accepted the notification.
        pub created_at: Timestamp,
    }

    /// `session.opened.{userId}`
    SessionOpened {
        /// The session.
        pub session_id: SessionId,
        /// The device, if the client sent its id.
        pub device_id: Option<DeviceId>,
    }

    /// `session.closed.{userId}`
    SessionClosed {
        /// The session.
        pub session_id: SessionId,
        /// The close code.
        pub code: u16,
        /// The duration of the session, in milliseconds.
        pub duration_ms: u64,
    }

    /// `service.{service}.{topic}`
    ServiceEventStored {
        /// The user who published the event. Absent when a backend service published it.
        pub user_id: Option<UserId>,
        /// The published data.
        pub data: RawJson,
        /// The offset in the topic's log.
        #[serde(deserialize_with = "crate::decode::entry_offset")]
        #[schemars(range(min = 1, max = 9_007_199_254_740_991_u64))]
        pub offset: u64,
        /// The epoch of the store.
        pub epoch: String,
    }
}
