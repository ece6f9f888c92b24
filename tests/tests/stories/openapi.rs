//! The OpenAPI document against the live server: schemathesis sends what the document allows and what it forbids, and
//! holds every answer against it.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use realtime_gateway_tests::{Api, Gateway};
use tokio::process::Command;

/// Where `cargo xtask test` has installed it, or beside this test's target folder.
#[expect(clippy::disallowed_methods, reason = "the variable is how xtask tells")]
fn schemathesis() -> PathBuf {
    std::env::var("GATEWAY_TEST_SCHEMATHESIS")
        .map_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/venv/bin/schemathesis"), PathBuf::from)
}

#[tokio::test]
async fn every_answer_is_as_the_document_says() {
    let gateway = Gateway::start().await;
    let program = schemathesis();
    assert!(program.exists(), "schemathesis is not installed: run `cargo xtask test --setup` once");
    // Identifiers of many bytes are valid by what JSON Schema can say, and refused for their percent-encoded length.
    // A repeated id gives back a message that was deleted, so deleting that again is 404, as it should be.
    let output = Command::new(program)
        .args(["run", &format!("http://{}/openapi.json", gateway.address())])
        .args(["-H", &format!("Authorization: Bearer {}", Api::KEY)])
        .args(["--max-examples", "15", "--seed", "1", "--generation-codec", "ascii"])
        .args(["--exclude-checks", "ensure_resource_availability"])
        .current_dir(gateway.dir())
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
