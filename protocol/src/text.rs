//! The bounded content of chat messages.

use std::{borrow::Cow, fmt, sync::Arc};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::text_rule::{BLANK, NUL, VISIBLE_TEXT_PATTERN, is_blank};

/// The maximum number of characters (Unicode code points) of a chat message.
const MAX_CONTENT_CHARS: usize = 4_000;

/// The rule for the content of a chat message, as a sentence for error texts.
pub(crate) const CONTENT: &str = "the content of a chat message has 1 to 4000 characters";

/// The reason why a text is not valid content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// It is empty or too long.
    #[error("{CONTENT}")]
    Length,
    /// It contains no visible character.
    #[error("{BLANK}")]
    Blank,
    /// It contains U+0000.
    #[error("{NUL}")]
    Nul,
}

/// Checks the content of a new chat message.
pub(crate) fn check_content(text: &str) -> Result<(), TextError> {
    if !is_content(text) {
        Err(TextError::Length)
    } else if is_blank(text) {
        Err(TextError::Blank)
    } else if text.contains('\0') {
        Err(TextError::Nul)
    } else {
        Ok(())
    }
}

/// Returns whether a text has a valid length for a chat message. Other rules are not checked, because the text may be
/// older than they are.
pub(crate) fn is_content(text: &str) -> bool {
    // A text has at most as many code points as bytes, so short texts need not be counted.
    !text.is_empty() && (text.len() <= MAX_CONTENT_CHARS || text.chars().count() <= MAX_CONTENT_CHARS)
}

/// The content of a chat message: 1 to 4,000 characters, counted as Unicode code points.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ChatContent(Arc<str>);

impl ChatContent {
    /// Creates the content after checking the text.
    ///
    /// # Errors
    /// A [`TextError`] when the text is empty, too long or blank, or contains U+0000.
    pub fn new(text: impl AsRef<str>) -> Result<Self, TextError> {
        let text = text.as_ref();
        check_content(text)?;
        Ok(Self(text.into()))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChatContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ChatContent {
    /// Writes only the length, so that the content cannot appear in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChatContent({} bytes)", self.0.len())
    }
}

impl Serialize for ChatContent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ChatContent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        // Stored texts may be older than the rule for visible characters, so only the length is checked here. The
        // decoder of messages checks new texts.
        if is_content(&text) { Ok(Self(text.into())) } else { Err(de::Error::custom(TextError::Length)) }
    }
}

impl JsonSchema for ChatContent {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ChatContent".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "maxLength": MAX_CONTENT_CHARS, "pattern": VISIBLE_TEXT_PATTERN })
    }
}
