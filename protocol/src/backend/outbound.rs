//! Bodies of what the gateway publishes for backend services: at least once each, and `id` tells copies apart.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    ChatContent, ChatData, DeviceId, MessageId, MessageType, NotificationId, RawJson, SessionId, Timestamp, UserId,
};

/// Declares a body: what all have in common, and its own fields.
macro_rules! bodies {
    ($($(#[$meta:meta])* $name:ident { $($fields:tt)* })+) => {
        $(
            $(#[$meta])*
            #[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
            #[serde(rename_all = "camelCase")]
            #[schemars(title = stringify!($name))]
            pub struct $name {
                /// Tells copies apart; also the message's `message_id`.
                #[schemars(length(min = 1))]
                pub id: String,
                /// When it happened.
                pub at: Timestamp,
                /// The node on which it happened.
                pub node_id: String,
                $($fields)*
            }
        )+
    };
}

bodies! {
    /// `chat.message.{clanId}`
    ChatMessageStored {
        /// Who.
        pub user_id: UserId,
        /// What.
        pub content: ChatContent,
        /// Names the message.
        pub message_id: MessageId,
        /// `TEXT`, `IMAGE`, `FILE` or `SYSTEM`.
        pub message_type: MessageType,
        /// Replies, mentions, attachments.
        pub data: Option<ChatData>,
        /// Its place in the clan's log.
        #[serde(deserialize_with = "crate::decode::entry_offset")]
        #[schemars(range(min = 1, max = 9_007_199_254_740_991_u64))]
        pub offset: u64,
        /// The store's epoch.
        pub epoch: String,
    }

    /// `notification.acked.{userId}`
    NotificationsAcknowledged {
        /// The notifications; those that were acknowledged before are not among them.
        pub notification_ids: Vec<NotificationId>,
    }

    /// `notification.dropped.{userId}`
    NotificationsDropped {
        /// The notifications, the oldest first.
        pub notification_ids: Vec<NotificationId>,
    }

    /// `session.opened.{userId}`
    SessionOpened {
        /// The session.
        pub session_id: SessionId,
        /// The device, when it has a name.
        pub device_id: Option<DeviceId>,
    }

    /// `session.closed.{userId}`
    SessionClosed {
        /// The session.
        pub session_id: SessionId,
        /// The close code.
        pub code: u16,
        /// How long it lasted, in milliseconds.
        pub duration_ms: u64,
    }

    /// `service.{service}.{topic}`
    ServiceEventStored {
        /// Who published it; absent when a backend service did.
        pub user_id: Option<UserId>,
        /// What was published.
        pub data: RawJson,
        /// Its place in the topic's log.
        #[serde(deserialize_with = "crate::decode::entry_offset")]
        #[schemars(range(min = 1, max = 9_007_199_254_740_991_u64))]
        pub offset: u64,
        /// The store's epoch.
        pub epoch: String,
    }
}
