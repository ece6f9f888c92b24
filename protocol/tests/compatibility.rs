//! The schemas and close codes of this tree against those of the last release, in `protocol/baseline`: no change breaks
//! a client or a backend service unless `accepted.txt` says that it is intended, and why.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test file: what fails here is a failed test")]

use std::{fs, path::Path};

use realtime_gateway_protocol::{
    backend::{Flow, backend_schema},
    client_schema, close_code_document,
    compatibility::{Direction, compare, compare_close_codes},
    server_schema,
};
use serde_json::Value;

/// The name of the document of close codes in the baseline.
const CLOSE_CODES: &str = "close_codes";

fn baseline(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Each document with its name in the baseline.
fn documents() -> [(&'static str, Value, Direction); 4] {
    [
        ("client", client_schema(), Direction::ToGateway),
        ("server", server_schema(), Direction::FromGateway),
        ("inbound", backend_schema(Flow::Inbound), Direction::ToGateway),
        ("outbound", backend_schema(Flow::Outbound), Direction::FromGateway),
    ]
}

fn baseline_document(name: &str) -> Value {
    serde_json::from_str(&baseline(&format!("{name}.json"))).unwrap()
}

/// The breaking changes since the baseline, as `accepted.txt` names them.
fn breaking_changes() -> Vec<String> {
    let of_messages = documents().into_iter().flat_map(|(name, document, direction)| {
        let changes = compare(&baseline_document(name), &document, direction);
        changes.into_iter().map(move |change| (name, change))
    });
    let of_close_codes = compare_close_codes(&baseline_document(CLOSE_CODES), &close_code_document());
    let all = of_messages.chain(of_close_codes.into_iter().map(|change| (CLOSE_CODES, change)));
    all.filter(|(_, change)| change.is_breaking).map(|(name, change)| format!("{name}: {change}")).collect()
}

#[test]
fn breaking_changes_since_the_last_release_are_intended() {
    let text = baseline("accepted.txt");
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let accepted: Vec<_> = lines
        .map(|line| line.split_once(" # ").unwrap_or_else(|| panic!("accepted.txt: no ` # ` and reason in: {line}")))
        .map(|(change, _)| change)
        .collect();
    let changes = breaking_changes();
    let unintended: Vec<_> = changes.iter().filter(|change| !accepted.contains(&change.as_str())).collect();
    let version = baseline("VERSION");
    assert!(
        unintended.is_empty(),
        "these changes break programs that were written for {}:\n{}\nWithin protocol version 1 messages and fields are \
         only added. protocol/baseline/README.md says what to do if a change is intended.",
        version.trim(),
        unintended.iter().map(|change| format!("  {change}\n")).collect::<String>()
    );
    let stale: Vec<_> = accepted.iter().filter(|line| !changes.iter().any(|change| change == **line)).collect();
    assert!(stale.is_empty(), "accepted.txt names changes that are not there: {stale:?}");
}

#[test]
fn each_close_code_of_the_last_release_is_protected() {
    let old = baseline_document(CLOSE_CODES);
    let codes = old["codes"].as_object().unwrap();
    assert!(codes.contains_key("1013") && codes.contains_key("4401"), "{codes:?}");
    for code in codes.keys() {
        let mut new = old.clone();
        new["codes"].as_object_mut().unwrap().remove(code);
        let changes: Vec<_> = compare_close_codes(&old, &new).into_iter().map(|change| change.to_string()).collect();
        assert_eq!(changes, [format!("{code}: the close code was removed")]);
    }
}
