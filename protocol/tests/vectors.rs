//! Every vector is accepted or refused as it says, by the decoder and by the schema, and no message lacks one.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test file: what fails here is a failed test")]

use std::collections::BTreeSet;

use realtime_gateway_protocol::{
    ClientMessage, ServerMessage, client_schema, decode_client, decode_server, encode_client, encode_server,
    server_schema,
};
use serde::Deserialize;
use serde_json::Value;

/// One entry of the files, as `vectors/README.md` describes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Vector {
    name: String,
    message: Option<Value>,
    text: Option<String>,
    #[serde(rename = "type")]
    type_name: Option<String>,
    encodes_as: Option<Value>,
    known: Option<bool>,
    offset: Option<u64>,
    code: Option<String>,
    field: Option<String>,
    request_id: Option<String>,
    in_reply_to: Option<String>,
    /// For clients: this side finds all.
    #[serde(default, rename = "gatewayOnly")]
    _gateway_only: bool,
    #[serde(default)]
    schema_accepts: bool,
    #[serde(default)]
    schema_refuses: bool,
}

impl Vector {
    fn frame(&self) -> String {
        match (&self.text, &self.message) {
            (Some(text), None) => text.clone(),
            (None, Some(message)) => message.to_string(),
            _ => panic!("{}: either text or message", self.name),
        }
    }

    /// What is left after decoding and encoding.
    fn encoded(&self) -> Value {
        self.encodes_as.clone().unwrap_or_else(|| serde_json::from_str(&self.frame()).unwrap())
    }
}

fn vectors(file: &str) -> Vec<Vector> {
    let path = format!("{}/vectors/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let vectors: Vec<Vector> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let names: BTreeSet<_> = vectors.iter().map(|vector| &vector.name).collect();
    assert_eq!(names.len(), vectors.len(), "{file}: each name once");
    vectors
}

/// Every difference from the vectors.
fn assert_all(failures: Vec<String>) {
    assert!(failures.is_empty(), "{} vectors fail:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn accepted_commands_decode_and_encode_to_themselves() {
    let mut failures = Vec::new();
    for vector in vectors("client/accepted") {
        match decode_client(&vector.frame()) {
            Err(refusal) => failures.push(format!("{}: {refusal}", vector.name)),
            Ok(command) => {
                let encoded: Value = serde_json::from_str(&encode_client(&command)).unwrap();
                let type_name = Some(command.message.type_name().to_owned());
                if encoded != vector.encoded() || vector.type_name != type_name {
                    failures.push(format!("{}: encodes as {encoded}", vector.name));
                }
            }
        }
    }
    assert_all(failures);
}

#[test]
fn refused_commands_name_the_code_and_the_field() {
    let mut failures = Vec::new();
    for vector in vectors("client/refused") {
        let Err(refusal) = decode_client(&vector.frame()) else {
            failures.push(format!("{}: accepted", vector.name));
            continue;
        };
        let found = (
            Some(refusal.error.code().as_str().to_owned()),
            refusal.error.field().map(str::to_owned),
            refusal.request_id.as_ref().map(|id| id.as_str().to_owned()),
            refusal.in_reply_to.map(str::to_owned),
        );
        if found != (vector.code, vector.field, vector.request_id, vector.in_reply_to) {
            failures.push(format!("{}: {found:?}, {refusal}", vector.name));
        }
    }
    assert_all(failures);
}

#[test]
fn accepted_server_messages_decode_and_encode_to_themselves() {
    let mut failures = Vec::new();
    for vector in vectors("server/accepted") {
        let message = match decode_server(&vector.frame()) {
            Ok(message) => message,
            Err(error) => {
                failures.push(format!("{}: {error}", vector.name));
                continue;
            }
        };
        let encoded: Value = serde_json::from_str(&encode_server(&message)).unwrap();
        let type_name = Some(message.message.type_name().to_owned());
        if encoded != vector.encoded() || type_name != vector.type_name {
            failures.push(format!("{}: encodes as {encoded}", vector.name));
        }
        let (known, offset) = match &message.message {
            ServerMessage::Unknown(unknown) => (false, unknown.offset()),
            _ => (true, vector.offset),
        };
        if known != vector.known.unwrap_or(true) || offset != vector.offset {
            failures.push(format!("{}: known: {known}, offset: {offset:?}", vector.name));
        }
    }
    assert_all(failures);
}

#[test]
fn refused_server_messages_name_the_code_and_the_field() {
    let mut failures = Vec::new();
    for vector in vectors("server/refused") {
        let Err(error) = decode_server(&vector.frame()) else {
            failures.push(format!("{}: accepted", vector.name));
            continue;
        };
        let found = (Some(error.code().as_str().to_owned()), error.field().map(str::to_owned));
        if found != (vector.code, vector.field) {
            failures.push(format!("{}: {found:?}, {error}", vector.name));
        }
    }
    assert_all(failures);
}

#[test]
fn every_message_has_vectors() {
    let of_type = |vectors: &[Vector], word: &str| {
        vectors.iter().filter(|vector| vector.type_name.as_deref() == Some(word)).count()
    };
    let (client, server) = (vectors("client/accepted"), vectors("server/accepted"));
    let refused = vectors("client/refused");
    let mut lacking = Vec::new();
    for word in ClientMessage::TYPES {
        if of_type(&client, word) < 2 {
            lacking.push(format!("client/accepted: {word}, minimal and full"));
        }
        if !refused.iter().any(|vector| vector.in_reply_to.as_deref() == Some(word)) {
            lacking.push(format!("client/refused: {word}"));
        }
    }
    for word in ServerMessage::TYPES {
        if of_type(&server, word) == 0 {
            lacking.push(format!("server/accepted: {word}"));
        }
    }
    assert_all(lacking);
}

/// Every field of every message stands in an accepted vector, or the full forms are not full.
#[test]
fn every_field_has_a_vector() {
    let mut lacking = Vec::new();
    for (file, schema) in [("client/accepted", client_schema()), ("server/accepted", server_schema())] {
        let vectors = vectors(file);
        for variant in schema["oneOf"].as_array().unwrap() {
            let word = variant["properties"]["type"]["const"].as_str().unwrap();
            for field in variant["properties"].as_object().unwrap().keys() {
                let stands_in = |vector: &Vector| {
                    vector.type_name.as_deref() == Some(word)
                        && vector.message.as_ref().and_then(|message| message.get(field)).is_some()
                };
                if !vectors.iter().any(stands_in) {
                    lacking.push(format!("{file}: {word}.{field}"));
                }
            }
        }
    }
    assert_all(lacking);
}

#[test]
fn schemas_agree_with_decoder() {
    let mut failures = Vec::new();
    for (side, schema) in [("client", client_schema()), ("server", server_schema())] {
        jsonschema::draft202012::meta::validate(&schema).unwrap();
        let validator = jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap();
        // What is not JSON is nothing that a schema could judge.
        let judge =
            |vector: &Vector| serde_json::from_str(&vector.frame()).ok().map(|value| validator.is_valid(&value));
        for vector in vectors(&format!("{side}/accepted")) {
            if judge(&vector) != Some(!vector.schema_refuses) {
                failures.push(format!("{side}/accepted: {}", vector.name));
            }
        }
        for vector in vectors(&format!("{side}/refused")) {
            if judge(&vector).is_some_and(|accepted| accepted != vector.schema_accepts) {
                failures.push(format!("{side}/refused: {}", vector.name));
            }
        }
    }
    assert_all(failures);
}
