//! The generated documents, and the paths at which they are committed.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::backend::{Flow, backend_schema};

/// The notice at the top of every generated file.
pub(crate) const NOTICE: &str =
    "Generated from the types of the protocol crate by `cargo run -p realtime-gateway-protocol --example export`.";

/// Returns every generated file: its path relative to the root of the repository, and its content.
pub fn files() -> Vec<(&'static str, String)> {
    vec![
        ("protocol/schema/client.json", pretty(&crate::client_schema())),
        ("protocol/schema/server.json", pretty(&crate::server_schema())),
        ("protocol/schema/inbound.json", pretty(&backend_schema(Flow::Inbound))),
        ("protocol/schema/outbound.json", pretty(&backend_schema(Flow::Outbound))),
        ("protocol/schema/close_codes.json", pretty(&crate::close_code_document())),
        ("protocol/schema/asyncapi.json", pretty(&crate::asyncapi_document(&[]))),
        ("protocol/src/outline/table.rs", crate::field_table::table()),
        ("fuzz/protocol.dict", dictionary()),
        ("sdk-wasm/js/testing/fields.js", crate::field_table::script()),
        ("docs/protocol.md", crate::page::protocol_page_markdown()),
    ]
}

/// Returns the fuzzer dictionary (libFuzzer format): types, fields and values of enumerations.
fn dictionary() -> String {
    let mut words = BTreeSet::new();
    for schema in [crate::client_schema(), crate::server_schema()] {
        for (word, variant) in crate::schema::variants(&schema) {
            words.insert(word.to_owned());
            collect_words(variant, &mut words);
        }
    }
    let lines: String = words.iter().map(|word| format!("\"\\\"{word}\\\"\"\n")).collect();
    format!("# {NOTICE}\n{lines}")
}

fn collect_words(schema: &Value, words: &mut BTreeSet<String>) {
    for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        words.insert(name.clone());
        collect_words(field, words);
        let known = field.get("examples").and_then(Value::as_array).into_iter().flatten();
        words.extend(known.filter_map(Value::as_str).map(str::to_owned));
    }
}

fn pretty(document: &Value) -> String {
    format!("{document:#}\n")
}
