//! Examples for the generated documents. They are taken from the test vectors, so every example is known to decode.

use serde::Deserialize;
use serde_json::Value;

/// The direction of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// From a client to the gateway.
    Client,
    /// From the gateway to a client.
    Server,
}

/// An accepted test vector. Vectors that are given as text show what a decoder accepts, not what to send.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Example {
    /// What the example shows.
    pub(crate) name: String,
    /// The `type` of the message.
    #[serde(rename = "type")]
    type_name: String,
    /// The frame.
    #[serde(default)]
    pub(crate) message: Value,
    /// Whether the schema rejects the message although the decoder accepts it.
    #[serde(default, rename = "schemaRefuses")]
    schema_refuses: bool,
}

/// Returns up to two examples of a message: the minimal and the full form.
pub(crate) fn examples(side: Side, word: &str) -> Vec<Example> {
    let file = match side {
        Side::Client => include_str!("../vectors/client/accepted.json"),
        Side::Server => include_str!("../vectors/server/accepted.json"),
    };
    let all: Vec<Example> = serde_json::from_str(file).unwrap_or_default();
    let shown = |example: &Example| example.type_name == word && example.message.is_object() && !example.schema_refuses;
    all.into_iter().filter(shown).take(2).collect()
}

/// Returns up to two examples of a body: the minimal and the full form.
pub(crate) fn backend_examples(name: &str) -> Vec<Example> {
    let file = include_str!("../vectors/backend/accepted.json");
    let all: Vec<Example> = serde_json::from_str(file).unwrap_or_default();
    let shown = |example: &Example| example.type_name == name && example.message.is_object() && !example.schema_refuses;
    all.into_iter().filter(shown).take(2).collect()
}

/// Returns the example with the most fields.
pub(crate) fn fullest_example(side: Side, word: &str) -> Option<Value> {
    let fields = |message: &Value| message.as_object().map_or(0, serde_json::Map::len);
    examples(side, word).into_iter().map(|example| example.message).max_by_key(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClientMessage, ServerMessage};

    #[test]
    fn every_message_has_an_example() {
        for word in ClientMessage::TYPES {
            assert!(fullest_example(Side::Client, word).is_some(), "client: {word}");
        }
        for word in ServerMessage::TYPES {
            assert!(fullest_example(Side::Server, word).is_some(), "server: {word}");
        }
        for kind in crate::backend::KINDS {
            assert!(!backend_examples(kind.name).is_empty(), "backend: {}", kind.name);
        }
    }
}
