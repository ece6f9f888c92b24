//! Data that is accepted in one pass over its text is valid as a tree of values too, and an error is the same.
#![no_main]

use std::{path::Path, sync::LazyLock};

use gateway_contracts::{Contract, DataType};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};

/// The types of a schema with every keyword.
static TYPES: LazyLock<Vec<DataType>> = LazyLock::new(|| {
    let schema: Value = serde_json::from_str(include_str!("../../contracts/tests/every_keyword.schema.json")).unwrap();
    let names = schema["$defs"].as_object().unwrap().keys().enumerate();
    let topics: Map<String, Value> = names
        .map(|(index, name)| (format!("t{index:03}"), json!({ "pattern": format!("t{index:03}"), "event": name })))
        .collect();
    let contract = json!({ "name": "fuzz", "topics": topics, "schema": schema }).to_string();
    let contract = Contract::from_json(&contract, Path::new("fuzz")).unwrap();
    contract.topics.values().map(|topic| topic.event.clone()).collect()
});

fuzz_target!(|input: (u8, &str)| {
    let (index, data) = input;
    let data_type = &TYPES[usize::from(index) % TYPES.len()];
    assert_eq!(data_type.validate(data), data_type.validate_as_tree(data));
});
