//! Texts and times of notifications, which cannot be built outside their bounds.

use std::{borrow::Cow, fmt, sync::Arc};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::text_rule::{SAID_PATTERN, is_said};

/// Declares a text of 1 to so many characters (Unicode code points).
macro_rules! bounded_text {
    ($(#[$meta:meta])* $name:ident, $max:literal) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the text and takes it; none when it is empty, too long or blank, or holds U+0000.
            pub fn new(text: impl AsRef<str>) -> Option<Self> {
                let text = text.as_ref();
                (Self::fits(text) && is_said(text)).then(|| Self(text.into()))
            }

            fn fits(text: &str) -> bool {
                // Code points are at most as many as bytes, so most texts need no count.
                !text.is_empty() && (text.len() <= $max || text.chars().count() <= $max)
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            /// Tells the length only, so that no log line can show what somebody wrote.
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
                // What is new is checked where a message is decoded.
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
                json_schema!({ "type": "string", "minLength": 1, "maxLength": $max, "pattern": SAID_PATTERN })
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
    /// Why an operator blocks a user, for other operators: 1 to 256 characters.
    BlockReason, 256
);

/// Ten years.
const MAX_SECONDS: u64 = 10 * 365 * 86_400;

/// A time to live in seconds: 1 second to 10 years.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TtlSeconds(u64);

impl TtlSeconds {
    /// The seconds.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for TtlSeconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // To JSON Schema `60.0` is a whole number too (2020-12 core, section 4.2.3).
        let seconds = f64::deserialize(deserializer)?;
        if seconds.fract() == 0.0 && (1.0..=MAX_SECONDS as f64).contains(&seconds) {
            Ok(Self(seconds as u64))
        } else {
            Err(de::Error::custom(format!("a whole number from 1 to {MAX_SECONDS}")))
        }
    }
}

impl JsonSchema for TtlSeconds {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "TtlSeconds".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": MAX_SECONDS })
    }
}
