//! Raw JSON, which the gateway forwards as text without parsing it.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, de::DeserializeOwned};
use serde_json::value::RawValue;

/// The maximum size of `chat.data`, in bytes as written.
const MAX_CHAT_DATA_BYTES: usize = 8 * 1024;

/// Any JSON value as the sender wrote it: numbers keep their digits, and objects keep the order of their keys.
#[derive(Clone)]
pub struct RawJson(Box<RawValue>);

impl RawJson {
    /// Encodes a value.
    ///
    /// # Errors
    /// When the value cannot be serialized to JSON, such as a map whose keys are not strings.
    pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(value).map(Self)
    }

    /// Creates a value from JSON text, which is kept unchanged.
    ///
    /// # Errors
    /// When the text is not one JSON value.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Deserializes the value.
    ///
    /// # Errors
    /// When the JSON does not match the type.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.as_str())
    }

    /// Returns the JSON text.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}

impl Default for RawJson {
    /// Returns `null`.
    fn default() -> Self {
        Self(RawValue::NULL.to_owned())
    }
}

/// Checks the text of a `chat.data` value.
pub(crate) fn check_data(written: &str) -> Result<(), &'static str> {
    if !written.starts_with('{') {
        return Err("data is a JSON object");
    }
    if written.len() > MAX_CHAT_DATA_BYTES { Err("data has at most 8192 bytes") } else { Ok(()) }
}

impl PartialEq for RawJson {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl fmt::Debug for RawJson {
    /// Writes only the length, so that the content cannot appear in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawJson({} bytes)", self.as_str().len())
    }
}

impl Serialize for RawJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RawJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self)
    }
}

impl JsonSchema for RawJson {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Json".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "Any JSON value." })
    }
}

/// The additional data of a chat message (replies, mentions, attachments): a JSON object of at most 8 KiB.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatData(RawJson);

impl ChatData {
    /// Creates the data after checking that the value is an object within the size limit.
    ///
    /// # Errors
    /// A sentence with the rule that the value breaks.
    pub fn new(value: RawJson) -> Result<Self, &'static str> {
        check_data(value.as_str()).map(|()| Self(value))
    }

    /// Returns the object.
    pub fn json(&self) -> &RawJson {
        &self.0
    }
}

impl Serialize for ChatData {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ChatData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(RawJson::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl JsonSchema for ChatData {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ChatData".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "description": "A JSON object of at most 8192 bytes." })
    }
}
