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
    // That a notification is for `userId` or `userIds`, and that a page lies before or after an offset, no schema says,
    // because client generators cannot read such schemas: what the document allows may be 400 there. The same holds for
    // the end of a block, which is in the future, and a block is of earlier tokens or of one.
    let config = gateway.dir().join("schemathesis.toml");
    let rules = ["sendNotification", "getMessages", "blockUser"].map(|operation| {
        let statuses = r#"["2xx", "400", "401", "403", "404", "409", "5xx"]"#;
        format!(
            "[[operations]]\ninclude-operation-id = \"{operation}\"\n\
             checks.positive_data_acceptance.expected-statuses = {statuses}\n"
        )
    });
    std::fs::write(&config, rules.concat()).unwrap();
    let output = Command::new(program)
        .arg("--config-file")
        .arg(&config)
        .args(["run", &format!("http://{}/openapi.json", gateway.address())])
        .args(["-H", &format!("Authorization: Bearer {}", Api::KEY)])
        .args(["--max-examples", "15", "--seed", "1", "--generation-codec", "ascii"])
        // No schema says that a name of a field, or a string of a field that nobody knows, holds no U+0000.
        .args(["--generation-allow-x00", "false"])
        .args(["--exclude-checks", "ensure_resource_availability"])
        .current_dir(gateway.dir())
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
