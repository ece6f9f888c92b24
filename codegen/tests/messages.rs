//! The types of the built-in messages, which the same emitters write: those of the npm package and of the Go SDK are up
//! to date, and those
//! in Rust read and write every test vector of the protocol.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

/// The generated code.
#[allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "the tests do not use every type, and no other crate does"
)]
mod gateway_messages {
    include!("messages/gateway_messages.rs");
}

use std::fs;

use gateway_codegen::{Generator, Language, Warning};
use gateway_messages::{ClientMessage, ServerMessage};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const EXPORT: &str = "cargo run -p realtime-gateway-codegen --example messages";

#[test]
fn generated_types_are_up_to_date() {
    for (language, path) in [
        (Language::TypeScript, "sdk-wasm/js/messages.d.ts"),
        (Language::Rust, "codegen/tests/messages/gateway_messages.rs"),
        (Language::Go, "sdk-go/messages.go"),
        (Language::Python, "sdk-python/gateway/messages.py"),
        (Language::Kotlin, "sdk-kotlin/src/main/kotlin/io/github/realtimegateway/protocol/GatewayMessages.kt"),
    ] {
        let mut generator = Generator::new(language).command(EXPORT);
        if language == Language::Kotlin {
            generator = generator.package("io.github.realtimegateway.protocol");
        }
        let generated = generator.generate_messages().unwrap();
        let committed = fs::read_to_string(format!("{ROOT}/{path}")).unwrap_or_default();
        assert!(committed == generated.files[0].content, "{path} is stale: run `{EXPORT}` and commit what it writes");
        let is_data = |warning: &Warning| warning.text.contains("has no `type`");
        assert!(generated.warnings.iter().all(is_data), "only the data of apps is untyped: {:?}", generated.warnings);
    }
}

/// Reads each message of the vectors, and compares what is written with it. Optional `null` and unknown members disappear.
fn assert_read_and_written<T: DeserializeOwned + Serialize>(vectors: &str, is_unknown: impl Fn(&T) -> bool) {
    let vectors: Vec<Value> = serde_json::from_str(&fs::read_to_string(format!("{ROOT}/{vectors}")).unwrap()).unwrap();
    assert!(vectors.len() > 50);
    for vector in vectors {
        let text =
            vector.get("text").and_then(Value::as_str).map_or_else(|| vector["message"].to_string(), str::to_owned);
        let message: T = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(is_unknown(&message), vector.get("known") == Some(&Value::Bool(false)), "{text}");
        let written = serde_json::to_value(&message).unwrap();
        let is_same = written == serde_json::from_str::<Value>(&text).unwrap();
        assert!(is_same || vector.get("encodesAs") == Some(&written), "{text} is written as {written}");
    }
}

#[test]
fn rust_types_read_and_write_the_vectors() {
    assert_read_and_written::<ClientMessage>("protocol/vectors/client/accepted.json", |_| false);
    assert_read_and_written::<ServerMessage>("protocol/vectors/server/accepted.json", |message| {
        matches!(message, ServerMessage::Unknown(_))
    });
}
