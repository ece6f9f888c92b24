//! The fields of every message. @generated
//! Generated from the types of the protocol crate by `cargo run -p realtime-gateway-protocol --example export`.

use super::check::{Field, Kind};

/// Every command.
pub(super) static CLIENT: &[(&str, &[Field])] = &[
    ("authenticate", &[
        Field { name: "token", required: true, kind: Kind::Text },
        Field { name: "deviceId", required: false, kind: Kind::Id },
        Field { name: "client", required: false, kind: Kind::Object(&[
            Field { name: "name", required: true, kind: Kind::Text },
            Field { name: "version", required: true, kind: Kind::Text },
            Field { name: "instance", required: false, kind: Kind::Text },
            Field { name: "attempt", required: false, kind: Kind::Whole(&(0..=18446744073709551615)) },
        ]) },
    ]),
    ("subscribe_notifications", &[
        Field { name: "recover", required: false, kind: Kind::Object(&[
            Field { name: "offset", required: true, kind: Kind::Whole(&(0..=9007199254740991)) },
            Field { name: "epoch", required: true, kind: Kind::Text },
        ]) },
    ]),
    ("unsubscribe_notifications", &[]),
    ("subscribe_clan_chat", &[
        Field { name: "clanId", required: true, kind: Kind::Id },
        Field { name: "recover", required: false, kind: Kind::Object(&[
            Field { name: "offset", required: true, kind: Kind::Whole(&(0..=9007199254740991)) },
            Field { name: "epoch", required: true, kind: Kind::Text },
        ]) },
        Field { name: "history", required: false, kind: Kind::Whole(&(0..=100)) },
        Field { name: "presence", required: false, kind: Kind::Flag },
    ]),
    ("unsubscribe_clan_chat", &[
        Field { name: "clanId", required: true, kind: Kind::Id },
    ]),
    ("chat", &[
        Field { name: "clanId", required: true, kind: Kind::Id },
        Field { name: "content", required: true, kind: Kind::Content },
        Field { name: "messageType", required: false, kind: Kind::Sendable },
        Field { name: "data", required: false, kind: Kind::Data },
        Field { name: "clientMessageId", required: false, kind: Kind::Id },
    ]),
    ("typing", &[
        Field { name: "clanId", required: true, kind: Kind::Id },
        Field { name: "isTyping", required: true, kind: Kind::Flag },
    ]),
    ("notification_ack", &[
        Field { name: "notificationId", required: false, kind: Kind::Id },
        Field { name: "notificationIds", required: false, kind: Kind::List(&Kind::Id) },
    ]),
    ("chat_history", &[
        Field { name: "clanId", required: true, kind: Kind::Id },
        Field { name: "before", required: false, kind: Kind::Whole(&(0..=9007199254740991)) },
        Field { name: "after", required: false, kind: Kind::Whole(&(0..=9007199254740991)) },
        Field { name: "limit", required: false, kind: Kind::Whole(&(1..=100)) },
    ]),
    ("presence", &[
        Field { name: "clanId", required: true, kind: Kind::Id },
    ]),
    ("subscribe", &[
        Field { name: "service", required: true, kind: Kind::Service },
        Field { name: "topic", required: true, kind: Kind::Id },
        Field { name: "recover", required: false, kind: Kind::Object(&[
            Field { name: "offset", required: true, kind: Kind::Whole(&(0..=9007199254740991)) },
            Field { name: "epoch", required: true, kind: Kind::Text },
        ]) },
        Field { name: "history", required: false, kind: Kind::Whole(&(0..=100)) },
        Field { name: "presence", required: false, kind: Kind::Flag },
        Field { name: "presenceData", required: false, kind: Kind::Any },
        Field { name: "serverSide", required: false, kind: Kind::Flag },
    ]),
    ("unsubscribe", &[
        Field { name: "service", required: true, kind: Kind::Service },
        Field { name: "topic", required: true, kind: Kind::Id },
    ]),
    ("publish", &[
        Field { name: "service", required: true, kind: Kind::Service },
        Field { name: "topic", required: true, kind: Kind::Id },
        Field { name: "data", required: true, kind: Kind::Any },
        Field { name: "clientMessageId", required: false, kind: Kind::Id },
    ]),
    ("topic_history", &[
        Field { name: "service", required: true, kind: Kind::Service },
        Field { name: "topic", required: true, kind: Kind::Id },
        Field { name: "before", required: false, kind: Kind::Whole(&(0..=9007199254740991)) },
        Field { name: "after", required: false, kind: Kind::Whole(&(0..=9007199254740991)) },
        Field { name: "limit", required: false, kind: Kind::Whole(&(1..=100)) },
    ]),
    ("topic_presence", &[
        Field { name: "service", required: true, kind: Kind::Service },
        Field { name: "topic", required: true, kind: Kind::Id },
    ]),
    ("call", &[
        Field { name: "service", required: true, kind: Kind::Service },
        Field { name: "method", required: true, kind: Kind::Id },
        Field { name: "data", required: true, kind: Kind::Any },
        Field { name: "callId", required: false, kind: Kind::Id },
        Field { name: "timeoutMs", required: false, kind: Kind::Whole(&(0..=9007199254740991)) },
    ]),
    ("ping", &[]),
];

/// Every server message.
pub(super) static SERVER: &[(&str, &[Field])] = &[
    ("connected", &[
        Field { name: "userId", required: true, kind: Kind::Id },
        Field { name: "message", required: true, kind: Kind::Text },
        Field { name: "sessionId", required: true, kind: Kind::Id },
        Field { name: "protocolVersion", required: true, kind: Kind::Whole(&(0..=4294967295)) },
        Field { name: "features", required: true, kind: Kind::List(&Kind::Text) },
        Field { name: "services", required: true, kind: Kind::List(&Kind::Service) },
        Field { name: "expiresAt", required: true, kind: Kind::Time },
        Field { name: "heartbeatIntervalMs", required: true, kind: Kind::Whole(&(0..=18446744073709551615)) },
        Field { name: "maxMessageBytes", required: true, kind: Kind::Whole(&(0..=18446744073709551615)) },
        Field { name: "limits", required: true, kind: Kind::Object(&[
            Field { name: "messagesPerSecond", required: true, kind: Kind::Whole(&(0..=4294967295)) },
            Field { name: "burst", required: true, kind: Kind::Whole(&(0..=4294967295)) },
            Field { name: "subscriptions", required: true, kind: Kind::Whole(&(0..=4294967295)) },
        ]) },
        Field { name: "serverTime", required: true, kind: Kind::Time },
    ]),
    ("authenticated", &[
        Field { name: "userId", required: true, kind: Kind::Id },
        Field { name: "expiresAt", required: true, kind: Kind::Time },
    ]),
    ("subscription_confirmed", &[
        Field { name: "service", required: true, kind: Kind::Service },
        Field { name: "status", required: true, kind: Kind::Text },
        Field { name: "clanId", required: false, kind: Kind::Id },
        Field { name: "topic", required: false, kind: Kind::Id },
        Field { name: "offset", required: false, kind: Kind::Whole(&(0..=9007199254740991)) },
        Field { name: "epoch", required: false, kind: Kind::Text },
        Field { name: "recovered", required: false, kind: Kind::Flag },
        Field { name: "pending", required: false, kind: Kind::Whole(&(0..=18446744073709551615)) },
        Field { name: "origin", required: false, kind: Kind::Text },
    ]),
    ("subscription_ended", &[
        Field { name: "service", required: true, kind: Kind::Service },
        Field { name: "clanId", required: false, kind: Kind::Id },
        Field { name: "topic", required: false, kind: Kind::Id },
        Field { name: "code", required: true, kind: Kind::Text },
        Field { name: "message", required: true, kind: Kind::Text },
    ]),
    ("subscription_reset", &[
        Field { name: "service", required: true, kind: Kind::Service },
        Field { name: "clanId", required: false, kind: Kind::Id },
        Field { name: "topic", required: false, kind: Kind::Id },
        Field { name: "epoch", required: true, kind: Kind::Text },
        Field { name: "offset", required: true, kind: Kind::Whole(&(0..=9007199254740991)) },
        Field { name: "reason", required: true, kind: Kind::Text },
    ]),
    ("notification", &[
        Field { name: "id", required: true, kind: Kind::Id },
        Field { name: "title", required: true, kind: Kind::Text },
        Field { name: "message", required: true, kind: Kind::Text },
        Field { name: "data", required: false, kind: Kind::Any },
        Field { name: "createdAt", required: true, kind: Kind::Time },
        Field { name: "offset", required: true, kind: Kind::Whole(&(1..=9007199254740991)) },
        Field { name: "redelivered", required: false, kind: Kind::Flag },
    ]),
    ("notification_acked", &[
        Field { name: "notificationIds", required: true, kind: Kind::List(&Kind::Id) },
    ]),
    ("chat", &[
        Field { name: "userId", required: true, kind: Kind::Id },
        Field { name: "content", required: true, kind: Kind::Content },
        Field { name: "clanId", required: true, kind: Kind::Id },
        Field { name: "messageId", required: true, kind: Kind::Id },
        Field { name: "messageType", required: true, kind: Kind::Text },
        Field { name: "data", required: false, kind: Kind::Data },
        Field { name: "sentAt", required: true, kind: Kind::Time },
        Field { name: "offset", required: true, kind: Kind::Whole(&(1..=9007199254740991)) },
        Field { name: "clientMessageId", required: false, kind: Kind::Id },
    ]),
    ("chat_deleted", &[
        Field { name: "clanId", required: true, kind: Kind::Id },
        Field { name: "messageId", required: true, kind: Kind::Id },
        Field { name: "offset", required: true, kind: Kind::Whole(&(1..=9007199254740991)) },
    ]),
    ("typing", &[
        Field { name: "userId", required: true, kind: Kind::Id },
        Field { name: "clanId", required: true, kind: Kind::Id },
        Field { name: "isTyping", required: true, kind: Kind::Flag },
    ]),
    ("message_sent", &[
        Field { name: "messageId", required: true, kind: Kind::Id },
        Field { name: "clanId", required: false, kind: Kind::Id },
        Field { name: "service", required: false, kind: Kind::Service },
        Field { name: "topic", required: false, kind: Kind::Id },
        Field { name: "offset", required: true, kind: Kind::Whole(&(1..=9007199254740991)) },
        Field { name: "clientMessageId", required: false, kind: Kind::Id },
        Field { name: "duplicate", required: false, kind: Kind::Flag },
    ]),
    ("publish_accepted", &[
        Field { name: "service", required: true, kind: Kind::Service },
        Field { name: "topic", required: true, kind: Kind::Id },
        Field { name: "clientMessageId", required: false, kind: Kind::Id },
    ]),
    ("ack_confirmed", &[
        Field { name: "notificationIds", required: true, kind: Kind::List(&Kind::Id) },
    ]),
    ("chat_history", &[
        Field { name: "clanId", required: true, kind: Kind::Id },
        Field { name: "epoch", required: true, kind: Kind::Text },
        Field { name: "messages", required: true, kind: Kind::List(&Kind::Object(&[
            Field { name: "userId", required: true, kind: Kind::Id },
            Field { name: "content", required: true, kind: Kind::Content },
            Field { name: "clanId", required: true, kind: Kind::Id },
            Field { name: "messageId", required: true, kind: Kind::Id },
            Field { name: "messageType", required: true, kind: Kind::Text },
            Field { name: "data", required: false, kind: Kind::Data },
            Field { name: "sentAt", required: true, kind: Kind::Time },
            Field { name: "offset", required: true, kind: Kind::Whole(&(1..=9007199254740991)) },
            Field { name: "clientMessageId", required: false, kind: Kind::Id },
        ])) },
        Field { name: "hasMore", required: true, kind: Kind::Flag },
        Field { name: "trimmed", required: false, kind: Kind::Flag },
    ]),
    ("presence", &[
        Field { name: "clanId", required: true, kind: Kind::Id },
        Field { name: "users", required: true, kind: Kind::List(&Kind::Object(&[
            Field { name: "userId", required: true, kind: Kind::Id },
            Field { name: "sessions", required: true, kind: Kind::Whole(&(0..=4294967295)) },
        ])) },
        Field { name: "count", required: true, kind: Kind::Whole(&(0..=18446744073709551615)) },
    ]),
    ("presence_changed", &[
        Field { name: "clanId", required: true, kind: Kind::Id },
        Field { name: "userId", required: true, kind: Kind::Id },
        Field { name: "status", required: true, kind: Kind::Text },
        Field { name: "count", required: false, kind: Kind::Whole(&(0..=18446744073709551615)) },
    ]),
    ("presence_changes", &[
        Field { name: "clanId", required: true, kind: Kind::Id },
        Field { name: "changes", required: true, kind: Kind::List(&Kind::Object(&[
            Field { name: "userId", required: true, kind: Kind::Id },
            Field { name: "status", required: true, kind: Kind::Text },
        ])) },
        Field { name: "count", required: true, kind: Kind::Whole(&(0..=18446744073709551615)) },
    ]),
    ("event", &[
        Field { name: "service", required: true, kind: Kind::Service },
        Field { name: "topic", required: true, kind: Kind::Id },
        Field { name: "data", required: true, kind: Kind::Any },
        Field { name: "offset", required: true, kind: Kind::Whole(&(1..=9007199254740991)) },
        Field { name: "publishedAt", required: true, kind: Kind::Time },
        Field { name: "userId", required: false, kind: Kind::Id },
        Field { name: "clientMessageId", required: false, kind: Kind::Id },
    ]),
    ("ephemeral_event", &[
        Field { name: "service", required: true, kind: Kind::Service },
        Field { name: "topic", required: true, kind: Kind::Id },
        Field { name: "data", required: true, kind: Kind::Any },
        Field { name: "publishedAt", required: true, kind: Kind::Time },
        Field { name: "userId", required: false, kind: Kind::Id },
        Field { name: "clientMessageId", required: false, kind: Kind::Id },
    ]),
    ("topic_history", &[
        Field { name: "service", required: true, kind: Kind::Service },
        Field { name: "topic", required: true, kind: Kind::Id },
        Field { name: "epoch", required: true, kind: Kind::Text },
        Field { name: "events", required: true, kind: Kind::List(&Kind::Object(&[
            Field { name: "service", required: true, kind: Kind::Service },
            Field { name: "topic", required: true, kind: Kind::Id },
            Field { name: "data", required: true, kind: Kind::Any },
            Field { name: "offset", required: true, kind: Kind::Whole(&(1..=9007199254740991)) },
            Field { name: "publishedAt", required: true, kind: Kind::Time },
            Field { name: "userId", required: false, kind: Kind::Id },
            Field { name: "clientMessageId", required: false, kind: Kind::Id },
        ])) },
        Field { name: "hasMore", required: true, kind: Kind::Flag },
        Field { name: "trimmed", required: false, kind: Kind::Flag },
    ]),
    ("topic_presence", &[
        Field { name: "service", required: true, kind: Kind::Service },
        Field { name: "topic", required: true, kind: Kind::Id },
        Field { name: "users", required: true, kind: Kind::List(&Kind::Object(&[
            Field { name: "userId", required: true, kind: Kind::Id },
            Field { name: "sessions", required: true, kind: Kind::Whole(&(0..=4294967295)) },
            Field { name: "data", required: false, kind: Kind::Any },
        ])) },
        Field { name: "count", required: true, kind: Kind::Whole(&(0..=18446744073709551615)) },
    ]),
    ("topic_presence_changed", &[
        Field { name: "service", required: true, kind: Kind::Service },
        Field { name: "topic", required: true, kind: Kind::Id },
        Field { name: "userId", required: true, kind: Kind::Id },
        Field { name: "status", required: true, kind: Kind::Text },
        Field { name: "data", required: false, kind: Kind::Any },
        Field { name: "count", required: false, kind: Kind::Whole(&(0..=18446744073709551615)) },
    ]),
    ("topic_presence_changes", &[
        Field { name: "service", required: true, kind: Kind::Service },
        Field { name: "topic", required: true, kind: Kind::Id },
        Field { name: "changes", required: true, kind: Kind::List(&Kind::Object(&[
            Field { name: "userId", required: true, kind: Kind::Id },
            Field { name: "status", required: true, kind: Kind::Text },
            Field { name: "data", required: false, kind: Kind::Any },
        ])) },
        Field { name: "count", required: true, kind: Kind::Whole(&(0..=18446744073709551615)) },
    ]),
    ("call_result", &[
        Field { name: "service", required: true, kind: Kind::Service },
        Field { name: "method", required: true, kind: Kind::Id },
        Field { name: "data", required: true, kind: Kind::Any },
        Field { name: "callId", required: false, kind: Kind::Id },
    ]),
    ("reconnect", &[
        Field { name: "reason", required: true, kind: Kind::Text },
        Field { name: "afterMs", required: true, kind: Kind::Whole(&(0..=18446744073709551615)) },
    ]),
    ("error", &[
        Field { name: "message", required: true, kind: Kind::Text },
        Field { name: "code", required: true, kind: Kind::Text },
        Field { name: "inReplyTo", required: false, kind: Kind::Text },
        Field { name: "clanId", required: false, kind: Kind::Id },
        Field { name: "topic", required: false, kind: Kind::Id },
        Field { name: "service", required: false, kind: Kind::Service },
        Field { name: "method", required: false, kind: Kind::Id },
        Field { name: "retryAfterMs", required: false, kind: Kind::Whole(&(0..=18446744073709551615)) },
        Field { name: "details", required: false, kind: Kind::Any },
    ]),
    ("pong", &[
        Field { name: "timestamp", required: true, kind: Kind::Time },
    ]),
];

/// The defaults of commands: the `type`, the field and the JSON of its value.
pub(super) static DEFAULTS: &[(&str, &str, &str)] = &[
    ("chat_history", "limit", "50"),
    ("topic_history", "limit", "50"),
];
