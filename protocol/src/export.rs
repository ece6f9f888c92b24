//! The documents that are derived from the types, and where they are committed.

use serde_json::Value;

/// Stands at the top of every generated file.
pub(crate) const NOTICE: &str =
    "Generated from the types of the protocol crate by `cargo run -p realtime-gateway-protocol --example export`.";

/// Every generated file: its path from the root of the repository, and what stands in it.
pub fn files() -> Vec<(&'static str, String)> {
    vec![
        ("protocol/schema/client.json", pretty(&crate::client_schema())),
        ("protocol/schema/server.json", pretty(&crate::server_schema())),
        ("protocol/schema/asyncapi.json", pretty(&crate::asyncapi_document(&[]))),
        ("sdk-wasm/js/messages.d.ts", crate::typescript::declarations()),
        ("docs/protocol.md", crate::page::protocol_page_markdown()),
    ]
}

fn pretty(document: &Value) -> String {
    format!("{document:#}\n")
}
