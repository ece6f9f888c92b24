//! Schemas of the tests: one with every kind of keyword, and those of the contracts in this repository.

use std::{fs, path::Path};

use serde_json::Value;

/// A valid document of the type `Form`.
pub(super) const FORM: &str = r#"{"type":"form","id":"b0f3c1de-77aa","title":"Twelve chairs","status":"sent","quantity":12,"priceCents":118800,"urgent":false,"tags":["office","furniture"],"owner":{"userId":"user-17"},"createdAt":"2026-11-30T12:00:00.000Z"}"#;

const EVERY_KEYWORD: &str = include_str!("../../../../tests/every_keyword.schema.json");

/// Returns the schemas, that with every kind of keyword first.
pub(super) fn all() -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folders = ["contracts/tests/accepted", "codegen/tests/contracts", "docs/examples/orders"];
    let files = folders.iter().flat_map(|folder| fs::read_dir(root.join(folder)).unwrap());
    let files =
        files.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|kind| kind == "json"));
    let mut schemas: Vec<Value> = vec![serde_json::from_str(EVERY_KEYWORD).unwrap()];
    schemas.extend(files.map(|path| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()));
    assert!(schemas.len() >= 5, "{} schemas are found", schemas.len());
    schemas
}
