//! The digest of the content of a message. It distinguishes a repeated message from another message with the same id.

use std::{fmt, num::NonZeroU64};

use serde::{
    Deserializer, Serialize,
    de::{DeserializeSeed, MapAccess, SeqAccess, Visitor},
};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The digest of a message's content, of 64 bits.
///
/// White space and the order of the members of JSON objects do not count: a backend that repeats a message after a
/// restart may write them differently. Two different messages have the same digest with a probability of 1 in 2^64. An
/// attacker who finds such a pair gains nothing, because only messages of one sender are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentDigest(NonZeroU64);

impl ContentDigest {
    /// Computes the digest of a value that is written as JSON.
    ///
    /// # Errors
    /// If the value cannot be written as JSON.
    pub fn of(content: &impl Serialize) -> Result<Self, serde_json::Error> {
        let text = serde_json::to_vec(content)?;
        let mut reader = serde_json::Deserializer::from_slice(&text);
        // JSON allows numbers that fit into no machine type. The digest of such a value is that of its text.
        let digest = Node.deserialize(&mut reader).unwrap_or_else(|_| xxh3_64_with_seed(&text, Kind::Text as u64));
        Ok(Self::from_number(digest))
    }

    /// Returns the digest as a number, which a store can keep.
    pub fn number(self) -> u64 {
        self.0.get()
    }

    /// Creates a digest from a stored number. Returns `None` for 0, which stands for no digest.
    pub fn from_stored(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    fn from_number(number: u64) -> Self {
        Self(NonZeroU64::new(number).unwrap_or(NonZeroU64::MIN))
    }
}

/// The kind of a value. It begins the hash, so that `"1"` and `1` differ.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Null,
    Bool,
    Integer,
    Float,
    String,
    Array,
    Object,
    Text,
}

fn hash(kind: Kind, bytes: &[u8]) -> u64 {
    xxh3_64_with_seed(bytes, kind as u64)
}

/// Computes the hash of one JSON value while it is read.
#[derive(Clone, Copy)]
struct Node;

impl<'de> DeserializeSeed<'de> for Node {
    type Value = u64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<u64, E> {
        Ok(hash(Kind::Null, &[]))
    }

    fn visit_bool<E>(self, value: bool) -> Result<u64, E> {
        Ok(hash(Kind::Bool, &[value.into()]))
    }

    fn visit_u64<E>(self, value: u64) -> Result<u64, E> {
        Ok(hash(Kind::Integer, &i128::from(value).to_le_bytes()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<u64, E> {
        Ok(hash(Kind::Integer, &i128::from(value).to_le_bytes()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<u64, E> {
        Ok(hash(Kind::Float, &value.to_bits().to_le_bytes()))
    }

    fn visit_str<E>(self, value: &str) -> Result<u64, E> {
        Ok(hash(Kind::String, value.as_bytes()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<u64, A::Error> {
        let mut all = hash(Kind::Array, &[]);
        while let Some(item) = items.next_element_seed(Self)? {
            all = xxh3_64_with_seed(&item.to_le_bytes(), all);
        }
        Ok(all)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<u64, A::Error> {
        let mut sum = 0_u64;
        while let Some(name) = members.next_key_seed(Self)? {
            let value = members.next_value_seed(Self)?;
            // A sum, because the order of members does not count.
            sum = sum.wrapping_add(xxh3_64_with_seed(&value.to_le_bytes(), name));
        }
        Ok(hash(Kind::Object, &sum.to_le_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use realtime_gateway_protocol::RawJson;

    use super::*;

    fn digest(json: &str) -> ContentDigest {
        ContentDigest::of(&RawJson::parse(json).unwrap()).unwrap()
    }

    #[test]
    fn ignores_white_space_and_the_order_of_members() {
        assert_eq!(
            digest(r#"{"a":1,"b":{"c":[1,2],"d":"\u0041"}}"#),
            digest(r#"{ "b": {"d": "A", "c": [1, 2]}, "a": 1 }"#)
        );
    }

    #[test]
    fn differs_for_different_values() {
        let texts = [
            "null",
            "true",
            "false",
            "0",
            "1",
            "-1",
            "1.5",
            "18446744073709551615",
            "1e999",
            "1e998",
            r#""""#,
            r#""1""#,
            r#""null""#,
            "[]",
            "[[]]",
            "[1,2]",
            "[2,1]",
            "[1,2,2]",
            "[[1],2]",
            "{}",
            r#"{"a":1}"#,
            r#"{"a":2}"#,
            r#"{"b":1}"#,
            r#"{"a":1,"b":2}"#,
            r#"{"a":2,"b":1}"#,
            r#"{"a":{"b":2}}"#,
            r#"{"a":{},"b":2}"#,
            r#"["a",1]"#,
            "[{}]",
            r#"{"a":1,"a":1}"#,
        ];
        for (n, one) in texts.iter().enumerate() {
            for other in &texts[..n] {
                assert_ne!(digest(one), digest(other), "{one} and {other}");
            }
        }
    }

    #[test]
    fn is_stable_across_processes() {
        // Stores keep these numbers: other ones would turn every repeated message into a conflict at an update.
        let number = digest(r#"{"content":"hello","data":[1,2.5,null,true]}"#).number();
        assert_eq!(number, 4_694_885_431_906_251_162);
        assert_eq!(ContentDigest::from_stored(number).map(ContentDigest::number), Some(number));
        assert_eq!(ContentDigest::from_stored(0), None);
    }
}
