//! The operations of the HTTP API with which backends publish: the packages of the SDKs are up to date with the OpenAPI document, and
//! other documents are refused. `server/tests/cli.rs` compares the document with that of the gateway.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;

use gateway_codegen::{Generator, Language, Warning};
use serde_json::{Value, json};

const DOCUMENT: &str = include_str!("openapi.json");
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const EXPORT: &str = "cargo run -p realtime-gateway-codegen --example messages";

#[test]
fn packages_are_up_to_date() {
    for (language, folder) in [
        (Language::Go, "sdk-go/publish"),
        (Language::TypeScript, "sdk-wasm/js/publish"),
        (Language::Python, "sdk-python/gateway/publish"),
        (Language::Kotlin, "sdk-kotlin/src/main/kotlin/io/github/realtimegateway/publish"),
    ] {
        let mut generator = Generator::new(language).command(EXPORT);
        if language == Language::Kotlin {
            generator = generator.package("io.github.realtimegateway.publish");
        }
        let generated = generator.generate_publishing(DOCUMENT).unwrap();
        for file in generated.files {
            let path = format!("{ROOT}/{folder}/{}", file.name);
            let committed = fs::read_to_string(&path).unwrap_or_default();
            assert!(committed == file.content, "{path} is stale: run `{EXPORT}` and commit what it writes");
        }
        let is_data = |warning: &Warning| warning.text.contains("has no `type`");
        assert!(generated.warnings.iter().all(is_data), "only data is untyped: {:?}", generated.warnings);
    }
}

/// Returns the code of the document after a change.
fn changed(change: impl FnOnce(&mut Value)) -> String {
    let mut document: Value = serde_json::from_str(DOCUMENT).unwrap();
    change(&mut document);
    let generated = Generator::new(Language::Go).generate_publishing(&document.to_string());
    generated.map_or_else(
        |error| error.to_string(),
        |generated| {
            let warnings = generated.warnings.iter().map(|warning| format!("{warning}\n"));
            warnings.chain(generated.files.iter().map(|file| file.content.clone())).collect()
        },
    )
}

#[test]
fn further_operations_of_the_scope_are_written() {
    let path = "/paths/~1api~1v1~1clans~1{clanId}~1messages/post";
    let code = changed(|document| {
        let mut operation = document.pointer(path).unwrap().clone();
        operation["operationId"] = json!("announce");
        document["paths"]["/api/v1/{type}/announcements"]["post"] = operation;
    });
    assert!(code.contains("func (c *Client) Announce(ctx context.Context, type_ string, body PostMessage)"), "{code}");
    let code = changed(|document| document.pointer_mut(path).unwrap()["security"] = json!([{ "apiKey": ["admin"] }]));
    assert!(!code.contains("PostMessage(") && code.contains("SendNotification("), "{code}");
    let code = changed(|document| {
        document.pointer_mut(path).unwrap().as_object_mut().unwrap().remove("requestBody");
    });
    let warning =
        "openapi.json: `/paths/~1api~1v1~1clans~1{clanId}~1messages/post` has no named type for its body or answer";
    assert!(code.starts_with(warning) && !code.contains("PostMessage("), "{code}");
}

#[test]
fn other_documents_are_refused() {
    for (text, expected) in [
        ("", "the OpenAPI document is no JSON: "),
        ("[]", "the OpenAPI document has no `/components/schemas`"),
        (
            "{\"components\":{\"schemas\":{}}}",
            "the OpenAPI document has no operation with a JSON body that needs the scope `publish`",
        ),
    ] {
        let error = Generator::new(Language::Go).generate_publishing(text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
    let missing = changed(|document| {
        document.pointer_mut("/components/schemas").unwrap().as_object_mut().unwrap().remove("PostMessage");
    });
    assert_eq!(missing, "the OpenAPI document has no type `PostMessage` or `MessageAccepted`");
    let error = Generator::new(Language::Rust).generate_publishing(DOCUMENT).unwrap_err().to_string();
    assert_eq!(error, "code for backends is not written in rust");
}
