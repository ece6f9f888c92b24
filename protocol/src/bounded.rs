//! Newtypes for the bounded texts and times of notifications and blocks.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::text_rule::{VISIBLE_TEXT_PATTERN, is_visible_text};

/// Declares a text of 1 to `$max` characters (Unicode code points).
macro_rules! bounded_text {
    ($(#[$meta:meta])* $name:ident, $max:literal) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Creates the text. Returns `None` when it is empty, too long or blank, or contains U+0000.
            pub fn new(text: impl AsRef<str>) -> Option<Self> {
                let text = text.as_ref();
                (Self::fits(text) && is_visible_text(text)).then(|| Self(text.into()))
            }

            fn fits(text: &str) -> bool {
                // A text has at most as many code points as bytes, so short texts need not be counted.
                !text.is_empty() && (text.len() <= $max || text.chars().count() <= $max)
            }

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            /// Writes only the length, so that the content cannot appear in logs.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({} bytes)", stringify!($name), self.0.len())
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
                // Stored texts may be older than the rule for visible characters, so only the length is checked here.
                // The decoder of messages checks new texts.
                let fits = Self::fits(&text).then(|| Self(text.into()));
                fits.ok_or_else(|| de::Error::custom(concat!("1 to ", $max, " characters")))
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
                json_schema!({ "type": "string", "minLength": 1, "maxLength": $max, "pattern": VISIBLE_TEXT_PATTERN })
            }
        }
    };
}

bounded_text!(
    /// The headline of a notification: 1 to 256 characters.
    NotificationTitle, 256
);
bounded_text!(
    /// The text of a notification: 1 to 10,000 characters.
    NotificationText, 10_000
);

bounded_text!(
    /// The reason for which an operator blocks a user, for other operators: 1 to 256 characters.
    BlockReason, 256
);

/// Ten years, in seconds.
const MAX_SECONDS: u64 = 10 * 365 * 86_400;

/// Declares a time in whole seconds, with its smallest value.
macro_rules! bounded_seconds {
    ($(#[$doc:meta])* $name:ident, $min:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name(u64);

        impl $name {
            /// Returns the number of seconds.
            pub fn get(self) -> u64 {
                self.0
            }

            /// Returns the time.
            pub fn duration(self) -> Duration {
                Duration::from_secs(self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                // JSON Schema treats `60.0` as an integer too (2020-12 core, section 4.2.3).
                let seconds = f64::deserialize(deserializer)?;
                if seconds.fract() == 0.0 && (f64::from($min)..=MAX_SECONDS as f64).contains(&seconds) {
                    Ok(Self(seconds as u64))
                } else {
                    Err(de::Error::custom(format!("a whole number from {} to {MAX_SECONDS}", $min)))
                }
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
                json_schema!({ "type": "integer", "minimum": $min, "maximum": MAX_SECONDS })
            }
        }
    };
}

bounded_seconds!(
    /// A time in seconds, such as a time to live: 1 second to 10 years.
    TtlSeconds, 1
);
bounded_seconds!(
    /// The time in seconds after which a notification is escalated: up to 10 years. 0 means never.
    EscalateAfterSeconds, 0
);
