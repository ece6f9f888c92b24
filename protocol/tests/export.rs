//! The committed documents are those that the types give, and the AsyncAPI document holds together.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test file: what fails here is a failed test")]

use std::{fs, path::Path};

use realtime_gateway_protocol::{
    ClientMessage, ServerMessage, ServiceName, asyncapi_document, backend::KINDS, client_schema, export, server_schema,
};
use serde_json::Value;

#[test]
fn committed_documents_are_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (path, content) in export::files() {
        let committed = fs::read_to_string(root.join(path)).unwrap_or_default();
        assert!(
            committed == content,
            "{path} is stale: run `cargo run -p realtime-gateway-protocol --example export` and commit what it writes"
        );
    }
}

/// Calls `visit` with every object inside the value.
fn objects(value: &Value, visit: &mut impl FnMut(&serde_json::Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            visit(object);
            object.values().for_each(|value| objects(value, visit));
        }
        Value::Array(values) => values.iter().for_each(|value| objects(value, visit)),
        _ => {}
    }
}

#[test]
fn the_schemas_name_every_message_and_refer_to_nothing() {
    for (schema, types) in [(client_schema(), ClientMessage::TYPES), (server_schema(), ServerMessage::TYPES)] {
        let variants = schema["oneOf"].as_array().unwrap();
        let words: Vec<_> =
            variants.iter().map(|variant| variant["properties"]["type"]["const"].as_str().unwrap()).collect();
        assert_eq!(words, types);
        let mut titles: Vec<_> = variants.iter().map(|variant| variant["title"].as_str().unwrap()).collect();
        titles.sort_unstable();
        titles.dedup();
        assert_eq!(titles.len(), variants.len(), "each message has a title of its own");
        objects(&schema, &mut |object| assert!(!object.contains_key("$ref"), "{object:?}"));
    }
}

#[test]
fn every_reply_is_a_server_message() {
    for (command, replies) in ClientMessage::REPLIES {
        for reply in *replies {
            assert!(ServerMessage::TYPES.contains(reply), "{command}: {reply}");
        }
    }
}

#[test]
fn every_reference_of_the_asyncapi_document_leads_somewhere() {
    let document = asyncapi_document(&[]);
    let mut references = 0;
    objects(&document, &mut |object| {
        if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
            references += 1;
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
    });
    assert!(references > 100, "{references}");
    let messages = document["components"]["messages"].as_object().unwrap();
    let count = ClientMessage::TYPES.len() + ServerMessage::TYPES.len() + KINDS.len();
    assert_eq!(messages.len(), count, "no two share a name");
    let used = |key: &str| {
        let end = format!("/messages/{key}");
        let mut found = false;
        objects(&document["operations"], &mut |object| {
            found |= object.get("$ref").and_then(Value::as_str).is_some_and(|reference| reference.ends_with(&end));
        });
        found
    };
    for key in messages.keys() {
        assert!(used(key), "{key} stands in no operation");
    }
}

#[test]
fn declared_services_stand_in_the_asyncapi_document() {
    let orders = ServiceName::new("orders").unwrap();
    let document = asyncapi_document(&[ServiceName::notifications(), ServiceName::clan_chat(), orders]);
    assert_eq!(document["x-declared-services"], serde_json::json!(["orders"]));
    let service = &document["components"]["messages"]["Publish"]["payload"]["properties"]["service"];
    assert_eq!(service["examples"], serde_json::json!(["orders"]));
    assert!(document["info"]["description"].as_str().unwrap().contains("`orders`"));
}
