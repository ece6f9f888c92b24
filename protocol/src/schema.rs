//! Generates the JSON Schemas (2020-12) of the messages of each side from the types.

use schemars::{
    JsonSchema, SchemaGenerator,
    generate::SchemaSettings,
    transform::{Transform, transform_subschemas},
};
use serde_json::{Map, Value, json};

use crate::{ClientMessage, RequestId, ServerMessage};

/// Returns the schema of all commands, as a `oneOf` with one object for each `type`.
///
/// It describes what a client should send. The decoder also accepts `null` for an absent field.
pub fn client_schema() -> Value {
    document::<ClientMessage>(SchemaSettings::draft2020_12().for_deserialize(), |_| true)
}

/// Returns the schema of all server messages, as a `oneOf` with one object for each `type`.
///
/// A client ignores everything that it does not know: a `type`, a field, or a value of an enumeration.
pub fn server_schema() -> Value {
    document::<ServerMessage>(SchemaSettings::draft2020_12().for_serialize(), is_reply)
}

/// Returns whether a server message of this type may be a reply, which has the `requestId` of its command.
pub(crate) fn is_reply(word: &str) -> bool {
    word == "error" || ClientMessage::REPLIES.iter().any(|(_, replies)| replies.contains(&word))
}

/// Returns the messages of a schema: the type and the object of each, in the order of declaration.
pub(crate) fn variants(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let variants = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    variants.filter_map(|variant| Some((type_word(variant)?, variant)))
}

fn type_word(variant: &Value) -> Option<&str> {
    variant.pointer("/properties/type/const")?.as_str()
}

fn document<T: JsonSchema>(settings: SchemaSettings, carries_request_id: impl Fn(&str) -> bool) -> Value {
    let mut schema = settings.with_transform(Plain { depth: 0 }).into_generator().into_root_schema_for::<T>();
    let variants = schema.get_mut("oneOf").and_then(Value::as_array_mut).into_iter().flatten();
    for variant in variants {
        let carries = type_word(variant).is_some_and(&carries_request_id);
        if let Some(properties) = variant.get_mut("properties").and_then(Value::as_object_mut)
            && carries
        {
            properties.insert("requestId".to_owned(), request_id());
        }
    }
    let mut document = Map::new();
    document.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    document.insert("$comment".to_owned(), json!(crate::export::NOTICE));
    if let Value::Object(rest) = schema.to_value() {
        for (key, value) in rest {
            document.entry(key).or_insert(value);
        }
    }
    Value::Object(document)
}

fn request_id() -> Value {
    let mut schema = RequestId::json_schema(&mut SchemaGenerator::default());
    schema.insert("description".to_owned(), json!("Chosen by the client and repeated in the reply to its command."));
    schema.to_value()
}

/// Removes parts that other tools do not handle well: `null` as a second type (optional fields are not required
/// anyway), the names of Rust's integers, and titles below a message (generators would create a second type of the same
/// name).
#[derive(Debug, Clone)]
pub(crate) struct Plain {
    pub(crate) depth: usize,
}

impl Transform for Plain {
    fn transform(&mut self, schema: &mut schemars::Schema) {
        let kinds = schema.get("type").and_then(Value::as_array);
        if let Some(kind) = kinds.and_then(|kinds| kinds.iter().find(|kind| *kind != "null")).cloned() {
            schema.insert("type".to_owned(), kind);
            if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
                words.retain(|word| !word.is_null());
            }
        }
        if schema.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("uint")) {
            schema.remove("format");
        }
        // The root is level 0, the messages are level 1.
        if self.depth > 1 {
            schema.remove("title");
        }
        if let Some(keys) = schema.as_object_mut() {
            read_in_order(keys);
        }
        transform_subschemas(&mut Plain { depth: self.depth + 1 }, schema);
    }
}

/// Moves the keys that people look for to the front.
pub(crate) fn read_in_order(keys: &mut Map<String, Value>) {
    let mut rest = std::mem::take(keys);
    for key in ["title", "description", "type", "const", "properties", "required"] {
        if let Some(value) = rest.shift_remove(key) {
            keys.insert(key.to_owned(), value);
        }
    }
    keys.extend(rest);
}
