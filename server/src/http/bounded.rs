//! Values of requests that have bounds of their own, which show in their schemas.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// A text of 1 to so many characters (Unicode code points).
pub(super) struct Text<const MAX: usize>(pub(super) String);

impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let fits = !text.is_empty() && (text.len() <= MAX || text.chars().count() <= MAX);
        if fits { Ok(Self(text)) } else { Err(de::Error::custom(format!("1 to {MAX} characters"))) }
    }
}

impl<const MAX: usize> JsonSchema for Text<MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Text{MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "maxLength": MAX })
    }
}

/// A time to live in seconds: 1 second to 10 years.
pub(super) struct Seconds(pub(super) u64);

/// Ten years.
const MAX_SECONDS: u64 = 10 * 365 * 86_400;

impl<'de> Deserialize<'de> for Seconds {
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

impl JsonSchema for Seconds {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Seconds".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": MAX_SECONDS })
    }
}

/// A list of 1 to so many values.
pub(super) struct Some1To<T, const MAX: usize>(pub(super) Vec<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for Some1To<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = Vec::deserialize(deserializer)?;
        if (1..=MAX).contains(&values.len()) {
            Ok(Self(values))
        } else {
            Err(de::Error::custom(format!("a list of 1 to {MAX}")))
        }
    }
}

impl<T: JsonSchema, const MAX: usize> JsonSchema for Some1To<T, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("ListOf{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let items = generator.subschema_for::<T>();
        json_schema!({ "type": "array", "items": items, "minItems": 1, "maxItems": MAX })
    }
}
