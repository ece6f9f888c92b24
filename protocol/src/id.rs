//! Identifiers, which cannot be built wrong: 1 to 128 bytes without control characters, white space and characters that
//! are not seen.

use std::{borrow::Cow, fmt, str::FromStr, sync::Arc};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::text_rule::is_unseen;

/// The longest identifier, in bytes of UTF-8.
const MAX_BYTES: usize = 128;
/// The longest identifier when percent-encoded, in bytes (AMQP routing keys end at 255).
const MAX_ENCODED_BYTES: usize = 200;

/// Why a text is not an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
pub enum IdError {
    /// It is empty or over 128 bytes.
    Length,
    /// It holds a control character or white space.
    Character,
    /// It holds a zero-width character or a control of the bidirectional algorithm.
    Unseen,
    /// It has over 200 bytes when percent-encoded.
    Encoded,
    /// It is `.` or `..`.
    DotSegment,
    /// It does not match `[a-z][a-z0-9_]{0,31}`.
    ServiceName,
}

impl IdError {
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::Length => "an identifier has 1 to 128 bytes of UTF-8",
            Self::Character => "an identifier has no control characters and no white space",
            Self::Unseen => "an identifier has no zero-width characters and no bidirectional controls",
            Self::Encoded => "an identifier has at most 200 bytes when percent-encoded",
            Self::DotSegment => "an identifier is neither `.` nor `..`",
            Self::ServiceName => "a service name matches [a-z][a-z0-9_]{0,31}",
        }
    }
}

/// Checks an identifier that is new: from a client, a backend service, a token or an app.
pub(crate) fn check_new_identifier(text: &str) -> Result<(), IdError> {
    check_identifier(text)?;
    if text.chars().any(is_unseen) { Err(IdError::Unseen) } else { Ok(()) }
}

/// Checks the bounds of an identifier, which may be older than the rule for characters that are not seen.
pub(crate) fn check_identifier(text: &str) -> Result<(), IdError> {
    if text.is_empty() || text.len() > MAX_BYTES {
        return Err(IdError::Length);
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(IdError::Character);
    }
    // Clients and proxies resolve them in the path of a URL, also when they are percent-encoded (URL standard, section
    // 4.4), so the HTTP API could not name them.
    if matches!(text, "." | "..") {
        return Err(IdError::DotSegment);
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let encoded: usize = text.bytes().map(|byte| if plain(byte) { 1 } else { 3 }).sum();
    if encoded > MAX_ENCODED_BYTES { Err(IdError::Encoded) } else { Ok(()) }
}

pub(crate) fn check_service_name(text: &str) -> Result<(), IdError> {
    let mut bytes = text.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase());
    let rest = bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if first && rest && text.len() <= 32 { Ok(()) } else { Err(IdError::ServiceName) }
}

/// What `char::is_control`, `char::is_whitespace` and [`is_unseen`] leave, in words that every regular expression engine
/// reads alike, and so without the characters beyond U+FFFF.
const PATTERN: &str = concat!(
    r"^[^\u0000-\u0020\u007f-\u00a0\u00ad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f",
    r"\u2028-\u202f\u205f-\u206f\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8]+$"
);

fn identifier_schema() -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_BYTES,
        "pattern": PATTERN,
        "description": "1 to 128 bytes of UTF-8, no control characters, no white space, no zero-width characters, no bidirectional controls, at most 200 bytes when percent-encoded, and neither `.` nor `..`.",
    })
}

fn service_name_schema() -> Schema {
    json_schema!({ "type": "string", "pattern": "^[a-z][a-z0-9_]{0,31}$" })
}

/// An identifier that was accepted before, perhaps by a version whose rule for text was another: a store holds it, or the
/// gateway sends it. What is new is checked by `new`, or as a whole where a message is decoded.
pub trait StoredId: Sized {
    /// Checks the bounds of the text and takes it.
    ///
    /// # Errors
    /// [`IdError`] says which bound the text is outside of.
    fn from_stored(text: &str) -> Result<Self, IdError>;
}

/// Declares a text that is checked once, when it is built, and cheap to clone.
macro_rules! identifier {
    ($(#[$meta:meta])* $name:ident, $check_new:ident, $check:ident, $schema:ident) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the text and takes it.
            ///
            /// # Errors
            /// [`IdError`] says which bound the text is outside of.
            pub fn new(text: impl AsRef<str>) -> Result<Self, IdError> {
                $check_new(text.as_ref())?;
                Ok(Self(text.as_ref().into()))
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl StoredId for $name {
            fn from_stored(text: &str) -> Result<Self, IdError> {
                $check(text)?;
                Ok(Self(text.into()))
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = IdError;

            fn try_from(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                Self::from_stored(&text).map_err(de::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema()
            }
        }
    };
}

identifier!(
    /// Who somebody is: the `sub` of a verified token.
    UserId, check_new_identifier, check_identifier, identifier_schema
);
identifier!(
    /// A clan, whose chat is a topic.
    ClanId, check_new_identifier, check_identifier, identifier_schema
);
identifier!(
    /// A notification, by which copies are told apart.
    NotificationId, check_new_identifier, check_identifier, identifier_schema
);
identifier!(
    /// A chat message or event, made by the gateway (UUIDv7, RFC 9562 section 5.7).
    MessageId, check_new_identifier, check_identifier, identifier_schema
);
identifier!(
    /// Chosen by the client, echoed by the one reply to its command.
    RequestId, check_new_identifier, check_identifier, identifier_schema
);
identifier!(
    /// Chosen by the client, makes a send safe to repeat within `idempotency.window`.
    ClientMessageId, check_new_identifier, check_identifier, identifier_schema
);
identifier!(
    /// A device of a user.
    DeviceId, check_new_identifier, check_identifier, identifier_schema
);
identifier!(
    /// One authenticated presence on one connection, made by the gateway.
    SessionId, check_new_identifier, check_identifier, identifier_schema
);
identifier!(
    /// A token, by the `jti` that its issuer gave it (RFC 7519, section 4.1.7).
    TokenId, check_new_identifier, check_identifier, identifier_schema
);
identifier!(
    /// A topic of a declared service.
    TopicName, check_new_identifier, check_identifier, identifier_schema
);
identifier!(
    /// A service: `notifications`, `clan_chat` or a declared one.
    ServiceName, check_service_name, check_service_name, service_name_schema
);

impl UserId {
    /// The name that speaks `SYSTEM` messages, which no token may carry as its `sub`.
    pub const SYSTEM: &'static str = "system";

    /// Whether this is the gateway's own voice.
    pub fn is_system(&self) -> bool {
        self.as_str() == Self::SYSTEM
    }
}

impl ServiceName {
    /// Names that no declared service may take.
    pub const RESERVED: [&'static str; 5] = ["user", "clan", "notifications", "clan_chat", "system"];

    /// The service of notifications.
    pub fn notifications() -> Self {
        Self("notifications".into())
    }

    /// The service of clan chat.
    pub fn clan_chat() -> Self {
        Self("clan_chat".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_in_bytes_and_percent_encoded_bytes() {
        assert!(UserId::new("a".repeat(128)).is_ok());
        assert_eq!(UserId::new("a".repeat(129)), Err(IdError::Length));
        assert_eq!(UserId::new(""), Err(IdError::Length));
        assert!(UserId::new("é".repeat(33)).is_ok());
        assert_eq!(UserId::new("é".repeat(34)), Err(IdError::Encoded));
        assert_eq!(UserId::new("a b"), Err(IdError::Character));
        assert_eq!(UserId::new("a\u{7f}b"), Err(IdError::Character));
        assert_eq!(UserId::new("."), Err(IdError::DotSegment));
        assert_eq!(UserId::new(".."), Err(IdError::DotSegment));
        for unseen in ["a\u{200b}", "\u{202e}a", "\u{ad}", "a\u{e0041}"] {
            assert_eq!(UserId::new(unseen), Err(IdError::Unseen));
            assert!(UserId::from_stored(unseen).is_ok(), "an earlier version took it");
        }
        assert!(UserId::new("...").is_ok() && UserId::new(".a").is_ok());
    }

    #[test]
    fn service_names_are_lower_snake_case() {
        assert!(ServiceName::new("orders_2").is_ok());
        assert_eq!(ServiceName::new("2orders"), Err(IdError::ServiceName));
        assert_eq!(ServiceName::new("a".repeat(33)), Err(IdError::ServiceName));
    }
}
