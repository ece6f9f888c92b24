//! Each file in `tests/changes` has an older and a newer contract, and the changes between them. A part that is missing
//! is that of `BASE`. To write the expected changes again: `REFRESH=1 cargo test -p realtime-gateway-codegen --test compare`
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{collections::BTreeMap, env, fs, path::Path};

use gateway_codegen::{Change, compare};
use gateway_contracts::Contract;
use serde_json::{Map, Value};

const CHANGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/changes");

const BASE: &str = include_str!("changes/base.toml");

/// Types of the base. `Other` differs from `Event`.
const TYPES: &str = include_str!("changes/types.json");

/// Returns the contract with these tables and types.
fn contract(tables: &str, types: &str) -> Contract {
    let folder = tempfile::tempdir().unwrap();
    let mut definitions: Map<String, Value> = serde_json::from_str(TYPES).unwrap();
    definitions.extend(serde_json::from_str::<Map<String, Value>>(types).unwrap());
    let schema = Value::from_iter([("$defs", Value::Object(definitions))]);
    fs::write(folder.path().join("schema.json"), schema.to_string()).unwrap();
    let path = folder.path().join("shop.service.toml");
    fs::write(&path, format!("name = \"shop\"\nschema = \"schema.json\"\n{tables}")).unwrap();
    Contract::read(&path).unwrap()
}

/// Splits a file into its parts, which begin with `--- NAME`.
fn parts(text: &str) -> BTreeMap<&str, &str> {
    text.split("--- ").skip(1).map(|part| part.split_once('\n').unwrap()).collect()
}

/// Returns the changes of each file in a folder, after comparing them with the expected ones.
fn cases(folder: &str) -> Vec<(String, Vec<Change>)> {
    let mut cases = Vec::new();
    for file in fs::read_dir(Path::new(CHANGES).join(folder)).unwrap() {
        let path = file.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let parts = parts(&text);
        let part = |name: &str, base: &'static str| parts.get(name).map_or(base, |part| *part).to_owned();
        let old = contract(&part("old contract", BASE), &part("old schema", "{}"));
        let new = contract(&part("new contract", BASE), &part("new schema", "{}"));
        let changes = compare(&old, &new);
        let found: String = changes.iter().map(|change| format!("{change}\n")).collect();
        if env::var_os("REFRESH").is_some() {
            let rest = text.find("\n--- ").map_or("", |at| &text[at + 1..]);
            fs::write(&path, format!("--- expected\n{found}{rest}")).unwrap();
        } else {
            assert_eq!(parts.get("expected"), Some(&found.as_str()), "{}", path.display());
        }
        assert!(!changes.is_empty(), "{}", path.display());
        assert_eq!(compare(&old, &old), [], "{}", path.display());
        cases.push((path.display().to_string(), changes));
    }
    cases
}

#[test]
fn breaking_changes_are_found() {
    let cases = cases("breaking");
    assert!(cases.len() >= 12);
    for (path, changes) in cases {
        assert!(changes.iter().any(|change| change.is_breaking), "{path}");
    }
}

#[test]
fn compatible_changes_are_not_breaking() {
    let cases = cases("compatible");
    assert!(cases.len() >= 12);
    for (path, changes) in cases {
        assert!(!changes.iter().any(|change| change.is_breaking), "{path}: {changes:?}");
    }
}

#[test]
fn long_chain_of_types_is_compared_with_the_stack_of_a_worker() {
    let chain = |end: &str| {
        let link = |index: usize| {
            format!("\"T{index}\":{{\"properties\":{{\"next\":{{\"$ref\":\"#/$defs/T{}\"}}}}}},", index + 1)
        };
        let links: String = (0..900).map(link).collect();
        let live = "\"Live\":{\"properties\":{\"next\":{\"$ref\":\"#/$defs/T0\"}}}";
        contract(BASE, &format!("{{{links}\"T900\":{{\"type\":\"{end}\"}},{live}}}"))
    };
    let (old, new) = (chain("string"), chain("number"));
    let worker = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    let changes = worker.spawn(move || compare(&old, &new)).unwrap().join().unwrap();
    let places: Vec<_> = changes.iter().map(|change| change.place.as_str()).collect();
    assert_eq!(places, ["/$defs/T900"]);
}
