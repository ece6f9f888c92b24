//! Identifiers, as newtypes that check their bounds: 1 to 128 bytes without control characters, white space and
//! invisible characters.

use std::{borrow::Cow, fmt, str::FromStr, sync::Arc};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::text_rule::is_unseen;

/// The maximum length of an identifier, in bytes of UTF-8.
const MAX_BYTES: usize = 128;
/// The maximum length of a percent-encoded identifier, in bytes. AMQP routing keys are limited to 255 bytes.
const MAX_ENCODED_BYTES: usize = 200;

/// The reason why a text is not an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
pub enum IdError {
    /// It is empty or over 128 bytes.
    Length,
    /// It contains a control character or white space.
    Character,
    /// It contains a zero-width character or a control character of the bidirectional algorithm.
    Unseen,
    /// It exceeds 200 bytes when percent-encoded.
    Encoded,
    /// It is `.` or `..`.
    DotSegment,
    /// It does not match `[a-z][a-z0-9_]{0,31}`.
    ServiceName,
}

impl IdError {
    /// The text of the error.
    pub fn sentence(self) -> &'static str {
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

/// Checks a new identifier: from a client, a backend service, a token or an application.
pub(crate) fn check_new_identifier(text: &str) -> Result<(), IdError> {
    check_identifier(text)?;
    if !text.is_ascii() && text.chars().any(is_unseen) { Err(IdError::Unseen) } else { Ok(()) }
}

/// Checks the bounds of an identifier that may be older than the rule for invisible characters.
pub(crate) fn check_identifier(text: &str) -> Result<(), IdError> {
    if text.is_empty() || text.len() > MAX_BYTES {
        return Err(IdError::Length);
    }
    // Nearly all identifiers are ASCII, where one look at the bytes says the same.
    let is_visible_ascii = text.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_visible_ascii && text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(IdError::Character);
    }
    // Clients and proxies resolve dot segments in the path of a URL even if they are percent-encoded (URL standard,
    // section 4.4), so such an identifier could not be used in the HTTP API.
    if matches!(text, "." | "..") {
        return Err(IdError::DotSegment);
    }
    // A text of a third of the bound is within it, whatever it contains.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let encoded = || text.bytes().map(|byte| if plain(byte) { 1 } else { 3 }).sum::<usize>();
    if text.len() * 3 > MAX_ENCODED_BYTES && encoded() > MAX_ENCODED_BYTES { Err(IdError::Encoded) } else { Ok(()) }
}

pub(crate) fn check_service_name(text: &str) -> Result<(), IdError> {
    let mut bytes = text.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase());
    let rest = bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if first && rest && text.len() <= 32 { Ok(()) } else { Err(IdError::ServiceName) }
}

/// The pattern of characters that are allowed by `char::is_control`, `char::is_whitespace` and [`is_unseen`]. It uses
/// only syntax that all regular expression engines interpret alike, so it does not cover characters beyond U+FFFF.
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

/// An identifier that was accepted before, perhaps by a version with another rule for text. It comes from a store or
/// from the gateway. New identifiers are checked by `new` or by the decoder of messages.
pub trait StoredId: Sized {
    /// Creates the identifier after checking only its bounds.
    ///
    /// # Errors
    /// An [`IdError`] with the rule that the text breaks.
    fn from_stored(text: &str) -> Result<Self, IdError>;
}

/// Declares an identifier, which is checked once when it is created and is cheap to clone.
macro_rules! identifier {
    ($(#[$meta:meta])* $name:ident, $check_new:ident, $check:ident, $schema:ident) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Creates the identifier after checking the text.
            ///
            /// # Errors
            /// An [`IdError`] with the rule that the text breaks.
            pub fn new(text: impl AsRef<str>) -> Result<Self, IdError> {
                $check_new(text.as_ref())?;
                Ok(Self(text.as_ref().into()))
            }

            /// Returns the text.
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
    /// The id of a user: the `sub` of a verified token.
    UserId, check_new_identifier, check_identifier, identifier_schema
);
identifier!(
    /// The id of a clan. The chat of a clan is a topic.
    ClanId, check_new_identifier, check_identifier, identifier_schema
);
identifier!(
    /// The id of a notification, by which clients detect duplicates.
    NotificationId, check_new_identifier, check_identifier, identifier_schema
);
identifier!(
    /// The id of a chat message or event, generated by the gateway (UUIDv7, RFC 9562 section 5.7).
    MessageId, check_new_identifier, check_identifier, identifier_schema
);
identifier!(
    /// The id of a command, chosen by the client. The reply to the command contains it.
    RequestId, check_new_identifier, check_identifier, identifier_schema
);
identifier!(
    /// The idempotency key of a message, chosen by the client. It makes retries safe within `idempotency.window`.
    ClientMessageId, check_new_identifier, check_identifier, identifier_schema
);
identifier!(
    /// The id of a user's device.
    DeviceId, check_new_identifier, check_identifier, identifier_schema
);
identifier!(
    /// The id of a session (one authenticated client on one connection), generated by the gateway.
    SessionId, check_new_identifier, check_identifier, identifier_schema
);
identifier!(
    /// The id of a token: the `jti` that its issuer assigned (RFC 7519, section 4.1.7).
    TokenId, check_new_identifier, check_identifier, identifier_schema
);
identifier!(
    /// The name of a topic of a declared service.
    TopicName, check_new_identifier, check_identifier, identifier_schema
);
identifier!(
    /// The name of a call of a declared service.
    MethodName, check_new_identifier, check_identifier, identifier_schema
);
identifier!(
    /// The name that a client gives a call, which stays the same when the call is repeated.
    CallId, check_new_identifier, check_identifier, identifier_schema
);
identifier!(
    /// The name of a service: `notifications`, `clan_chat` or a declared one.
    ServiceName, check_service_name, check_service_name, service_name_schema
);

impl UserId {
    /// The author of `SYSTEM` messages. Tokens with this `sub` are rejected.
    pub const SYSTEM: &'static str = "system";

    /// Returns whether this is the author of `SYSTEM` messages.
    pub fn is_system(&self) -> bool {
        self.as_str() == Self::SYSTEM
    }
}

// Users, clans and topics have identifiers of the same rules, because each names the topic of its log.

impl From<&UserId> for TopicName {
    fn from(user: &UserId) -> Self {
        Self(user.0.clone())
    }
}

impl From<&ClanId> for TopicName {
    fn from(clan: &ClanId) -> Self {
        Self(clan.0.clone())
    }
}

impl From<&TopicName> for UserId {
    fn from(topic: &TopicName) -> Self {
        Self(topic.0.clone())
    }
}

impl ServiceName {
    /// Names that a declared service must not have.
    pub const RESERVED: [&'static str; 5] = ["user", "clan", "notifications", "clan_chat", "system"];

    /// Returns the name of the notification service.
    pub fn notifications() -> Self {
        Self("notifications".into())
    }

    /// Returns the name of the clan chat service.
    pub fn clan_chat() -> Self {
        Self("clan_chat".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_bounds_in_bytes_and_in_percent_encoded_bytes() {
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
            assert!(UserId::from_stored(unseen).is_ok(), "accepted by an earlier version");
        }
        assert!(UserId::new("...").is_ok() && UserId::new(".a").is_ok());
    }

    /// The rule as the protocol page states it, without the short ways for texts that are usual.
    fn check_as_stated(text: &str) -> Result<(), IdError> {
        let encoded =
            text.bytes().map(|byte| if byte.is_ascii_alphanumeric() || b"-_".contains(&byte) { 1 } else { 3 });
        if text.is_empty() || text.len() > 128 {
            Err(IdError::Length)
        } else if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            Err(IdError::Character)
        } else if matches!(text, "." | "..") {
            Err(IdError::DotSegment)
        } else if encoded.sum::<usize>() > 200 {
            Err(IdError::Encoded)
        } else if text.chars().any(is_unseen) {
            Err(IdError::Unseen)
        } else {
            Ok(())
        }
    }

    proptest::proptest! {
        #[test]
        fn short_ways_agree_with_the_rule(text in "[ -~]{0,130}|[\\.a-z\u{7f}\u{85}\u{200b}é]{0,70}|[a-z~]{60,72}") {
            proptest::prop_assert_eq!(check_new_identifier(&text), check_as_stated(&text));
        }
    }

    #[test]
    fn accepts_only_lower_snake_case_service_names() {
        assert!(ServiceName::new("orders_2").is_ok());
        assert_eq!(ServiceName::new("2orders"), Err(IdError::ServiceName));
        assert_eq!(ServiceName::new("a".repeat(33)), Err(IdError::ServiceName));
    }
}
