//! The messages as one JSON Schema of named types, from which the SDK types of every language are generated: a definition
//! for each message, for each object within messages, and for each enumeration.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{
    Chat, ClientInfo, ErrorCode, Event, Limits, MessageType, PresenceChange, PresenceStatus, PresentUser,
    ReconnectReason, Recover, ResetReason, SubscriptionOrigin, SubscriptionStatus, TopicPresenceChange,
    TopicPresenceStatus, TopicUser,
    schema::{self, Plain},
};

/// Messages whose titles would hide names of languages or of browsers, and their names here.
const RENAMED: [(&str, &str); 3] = [("Error", "ErrorReply"), ("Event", "TopicMessage"), ("Reconnect", "ReconnectHint")];

/// Returns the schema. Its `$defs` are the types; `ClientMessage` and `ServerMessage` are the unions of both directions.
///
/// Enumerations and unions may get further words and branches, unless they have `x-closed`. Rules that the type of a field
/// cannot express, such as lengths, are left out: the descriptions name them, and the published schemas have them.
pub fn message_definitions() -> Value {
    let (enumerations, parts) = (enumerations(), parts());
    let named = Named { enumerations: &enumerations, parts: &parts };
    let mut definitions = Map::new();
    for Enumeration { name, about, words, is_closed } in &enumerations {
        let mut schema = json!({ "description": about, "enum": words });
        if let (true, Some(keywords)) = (is_closed, schema.as_object_mut()) {
            keywords.insert("x-closed".to_owned(), Value::Bool(true));
        }
        definitions.insert((*name).to_owned(), schema);
    }
    for (name, part) in &parts {
        definitions.insert((*name).to_owned(), named.within(part));
    }
    for (union, about, is_closed, schema) in [
        ("ClientMessage", "Every command that a client may send.", true, crate::client_schema()),
        ("ServerMessage", "Every message that the gateway may send.", false, crate::server_schema()),
    ] {
        let mut branches = Vec::new();
        for (_, message) in schema::variants(&schema) {
            let title = message.get("title").and_then(Value::as_str).unwrap_or_default();
            let name = RENAMED.iter().find(|(from, _)| *from == title).map_or(title, |(_, to)| to);
            branches.push(reference(name));
            definitions.insert(name.to_owned(), named.within(message));
        }
        let union_schema = json!({ "description": about, "oneOf": branches, "x-closed": is_closed });
        definitions.insert(union.to_owned(), union_schema);
    }
    json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": definitions })
}

/// An enumeration of texts, which fields of several messages have.
struct Enumeration {
    name: &'static str,
    about: &'static str,
    words: Vec<String>,
    is_closed: bool,
}

/// Returns all enumerations. A field has the type of the one with the same words.
fn enumerations() -> Vec<Enumeration> {
    fn open<T: ToString>(name: &'static str, about: &'static str, known: &[T]) -> Enumeration {
        Enumeration { name, about, words: known.iter().map(ToString::to_string).collect(), is_closed: false }
    }
    let sendable = [MessageType::Text, MessageType::Image, MessageType::File];
    let about_sendable = "The type of a chat message that a client may send.";
    vec![
        open("ErrorCode", "The reason why a command failed, for programs.", ErrorCode::KNOWN),
        open("MessageType", "The type of a chat message.", MessageType::KNOWN),
        Enumeration { is_closed: true, ..open("SendableMessageType", about_sendable, &sendable) },
        open("PresenceStatus", "Whether a user became present in a clan or left it.", PresenceStatus::KNOWN),
        open("TopicPresenceStatus", "How the presence of a user in a topic has changed.", TopicPresenceStatus::KNOWN),
        open("ReconnectReason", "The reason why the node asks the client to reconnect.", ReconnectReason::KNOWN),
        open("ResetReason", "The reason why a subscription has missed entries.", ResetReason::KNOWN),
        open("SubscriptionOrigin", "Who has made a subscription, if not the client.", SubscriptionOrigin::KNOWN),
        open("SubscriptionStatus", "Whether a subscription exists.", SubscriptionStatus::KNOWN),
    ]
}

/// Returns the objects within messages. A field has the type of the one with the same members.
fn parts() -> Vec<(&'static str, Value)> {
    fn part<T: JsonSchema>(settings: SchemaSettings) -> Value {
        settings.with_transform(Plain { depth: 1 }).into_generator().into_root_schema_for::<T>().to_value()
    }
    let sent = || SchemaSettings::draft2020_12().for_deserialize();
    let received = || SchemaSettings::draft2020_12().for_serialize();
    vec![
        ("ClientInfo", part::<ClientInfo>(sent())),
        ("Recover", part::<Recover>(sent())),
        ("Limits", part::<Limits>(received())),
        ("ClanUser", part::<PresentUser>(received())),
        ("TopicUser", part::<TopicUser>(received())),
        ("PresenceChange", part::<PresenceChange>(received())),
        ("TopicPresenceChange", part::<TopicPresenceChange>(received())),
        // The entries of pages are messages without a `type`.
        ("ChatEntry", part::<Chat>(received())),
        ("TopicMessageEntry", part::<Event>(received())),
    ]
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

/// The types that have names.
struct Named<'a> {
    enumerations: &'a [Enumeration],
    parts: &'a [(&'static str, Value)],
}

impl Named<'_> {
    /// Returns an object whose fields refer to named types.
    fn within(&self, object: &Value) -> Value {
        let fields = object.get("properties").and_then(Value::as_object).into_iter().flatten();
        let fields: Map<String, Value> = fields.map(|(name, field)| (name.clone(), self.field(field))).collect();
        let mut named = json!({ "type": "object", "properties": fields });
        copy(object, &mut named, &["description", "required"]);
        named
    }

    fn field(&self, schema: &Value) -> Value {
        if let Some(name) = self.name_of(schema) {
            let mut named = reference(name);
            copy(schema, &mut named, &["description"]);
            return named;
        }
        let mut field = json!({});
        copy(schema, &mut field, &["description", "type", "const", "format"]);
        if let (Some(items), Some(keywords)) = (schema.get("items"), field.as_object_mut()) {
            keywords.insert("items".to_owned(), self.field(items));
        }
        field
    }

    /// Returns the name of the type of a field.
    fn name_of(&self, schema: &Value) -> Option<&'static str> {
        let is_same = |part: &Value| ["properties", "required"].iter().all(|key| part.get(key) == schema.get(key));
        if schema.get("properties").is_some() {
            return self.parts.iter().find(|(_, part)| is_same(part)).map(|(name, _)| *name);
        }
        let closed = schema.get("enum");
        let words = closed.or_else(|| schema.get("examples"))?.as_array()?;
        let is_same = |enumeration: &&Enumeration| {
            enumeration.is_closed == closed.is_some() && words.iter().eq(enumeration.words.iter())
        };
        self.enumerations.iter().find(is_same).map(|enumeration| enumeration.name)
    }
}

fn copy(from: &Value, to: &mut Value, keys: &[&str]) {
    let Some(to) = to.as_object_mut() else { return };
    for key in keys {
        if let Some(value) = from.get(key) {
            to.insert((*key).to_owned(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClientMessage, ServerMessage};

    #[test]
    fn every_message_has_a_definition() {
        let document = message_definitions();
        for (union, types) in [("ClientMessage", ClientMessage::TYPES), ("ServerMessage", ServerMessage::TYPES)] {
            let branches = document["$defs"][union]["oneOf"].as_array().unwrap();
            let target = |branch: &Value| branch["$ref"].as_str().unwrap().trim_start_matches('#').to_owned();
            let word =
                |branch: &Value| document.pointer(&target(branch)).unwrap()["properties"]["type"]["const"].clone();
            assert_eq!(branches.iter().map(word).collect::<Vec<_>>(), types);
        }
    }

    #[test]
    fn every_object_and_enumeration_within_a_message_has_a_name() {
        fn check(at: &str, field: &Value) {
            let is_plain =
                field.get("properties").is_none() && field.get("enum").is_none() && field.get("examples").is_none();
            assert!(is_plain, "{at}: add its type to `parts` or `enumerations`");
            if let Some(items) = field.get("items") {
                check(at, items);
            }
        }
        let document = message_definitions();
        let definitions = document["$defs"].as_object().unwrap();
        for (name, definition) in definitions {
            for (field, schema) in definition.get("properties").and_then(Value::as_object).into_iter().flatten() {
                check(&format!("{name}.{field}"), schema);
            }
        }
        let text = document.to_string();
        for (name, _) in definitions.iter().filter(|(name, _)| !name.ends_with("Message")) {
            assert!(text.contains(&format!("#/$defs/{name}\"")), "{name} is used");
        }
    }

    #[test]
    fn enumerations_differ_in_their_words() {
        let mut words: Vec<_> = enumerations().into_iter().map(|enumeration| enumeration.words).collect();
        let count = words.len();
        words.sort();
        words.dedup();
        assert_eq!(words.len(), count);
    }
}
