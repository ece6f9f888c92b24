//! Checks the running server against its OpenAPI document: schemathesis sends requests that the document allows and
//! forbids, and validates every response.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use realtime_gateway_tests::{Api, Gateway};
use tokio::process::Command;

/// Returns the path that `cargo xtask test` provides, or the program in `target/venv`.
#[expect(clippy::disallowed_methods, reason = "xtask passes the path in this variable")]
fn schemathesis() -> PathBuf {
    std::env::var("GATEWAY_TEST_SCHEMATHESIS")
        .map_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/venv/bin/schemathesis"), PathBuf::from)
}

#[tokio::test]
async fn every_response_conforms_to_openapi_document() {
    let gateway = Gateway::start().await;
    let program = schemathesis();
    assert!(program.exists(), "schemathesis is not installed: run `cargo xtask test --setup` once");
    // JSON Schema cannot express the limit on the percent-encoded length, so the server rejects some long identifiers.
    // Posting a repeated id returns the existing message even after its deletion, so deleting it again is 404. The
    // schemas do not express mutually exclusive fields (`userId` or `userIds`, `before` or `after`, `issuedBefore` or
    // `jti`), because client generators cannot read such schemas, nor that `until` lies in the future, nor which topics
    // have presence, nor all rules for the ids in the text of a topic. So these operations may answer 400 to requests that the document allows.
    let config = gateway.dir().join("schemathesis.toml");
    let rules = ["sendNotification", "getMessages", "getEvents", "getTopicPresence", "getTopics", "blockUser"].map(
        |operation| {
            let statuses = r#"["2xx", "400", "401", "403", "404", "409", "5xx"]"#;
            format!(
                "[[operations]]\ninclude-operation-id = \"{operation}\"\n\
             checks.positive_data_acceptance.expected-statuses = {statuses}\n"
            )
        },
    );
    std::fs::write(&config, rules.concat()).unwrap();
    let output = Command::new(program)
        .arg("--config-file")
        .arg(&config)
        .args(["run", &format!("http://{}/openapi.json", gateway.address())])
        .args(["-H", &format!("Authorization: Bearer {}", Api::KEY)])
        .args(["--max-examples", "15", "--seed", "1", "--generation-codec", "ascii"])
        // No schema says that field names, and strings in unknown fields, must not contain U+0000.
        .args(["--generation-allow-x00", "false"])
        .args(["--exclude-checks", "ensure_resource_availability"])
        // Its response has no end.
        .args(["--exclude-operation-id", "tail"])
        .current_dir(gateway.dir())
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
