//! Deserializes JSON objects of other programs.

use serde::de::DeserializeOwned;

/// Deserializes a JSON object. serde also reads a struct from an array, so the shape is checked first: an array is not what
/// any of the other programs means. Returns `None` for any other text.
pub(crate) fn from_object<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    json.trim_ascii_start().starts_with(b"{").then(|| serde_json::from_slice(json).ok())?
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Answer {
        allowed: bool,
    }

    #[test]
    fn reads_objects_only() {
        assert_eq!(from_object(b" {\"allowed\":true}"), Some(Answer { allowed: true }));
        for text in ["[true]", "true", "", "{", "{}", "{\"allowed\":true}]"] {
            assert_eq!(from_object::<Answer>(text.as_bytes()), None, "{text}");
        }
    }
}
