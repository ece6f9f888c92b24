//! `gateway schema diff`: its exit codes and output, for every pair of contracts in `codegen/tests/changes`.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::{Map, Value};

use super::{CommandOutput, Sandbox};

const CHANGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../codegen/tests/changes");

/// The tables of a contract that a file of changes does not have.
const BASE: &str = include_str!("../../../codegen/tests/changes/base.toml");

/// The types of `BASE`. `Other` differs from `Event`.
const TYPES: &str = include_str!("../../../codegen/tests/changes/types.json");

/// Adds a contract with these tables and types in a folder `name`.
fn with_contract(sandbox: &Sandbox, name: &str, tables: &str, types: &str) {
    let folder = sandbox.folder.path().join(name);
    fs::create_dir_all(&folder).unwrap();
    let mut definitions: Map<String, Value> = serde_json::from_str(TYPES).unwrap();
    definitions.extend(serde_json::from_str::<Map<String, Value>>(types).unwrap());
    let schema = Value::from_iter([("$defs", Value::Object(definitions))]);
    fs::write(folder.join("schema.json"), schema.to_string()).unwrap();
    let contract = format!("name = \"shop\"\nschema = \"schema.json\"\n{tables}");
    fs::write(folder.join("shop.service.toml"), contract).unwrap();
}

fn diff(sandbox: &Sandbox) -> CommandOutput {
    sandbox.run(&["schema", "diff", "old/shop.service.toml", "new/shop.service.toml"])
}

/// Runs the command for each file in a folder, and compares its output with the changes in the file.
fn run_all(folder: &str, code: i32) {
    let mut count = 0;
    for file in fs::read_dir(Path::new(CHANGES).join(folder)).unwrap() {
        let path = file.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let parts: BTreeMap<&str, &str> =
            text.split("--- ").skip(1).map(|part| part.split_once('\n').unwrap()).collect();
        let part = |name: &str, base: &'static str| parts.get(name).map_or(base, |part| *part).to_owned();
        let sandbox = Sandbox::empty();
        with_contract(&sandbox, "old", &part("old contract", BASE), &part("old schema", "{}"));
        with_contract(&sandbox, "new", &part("new contract", BASE), &part("new schema", "{}"));
        let output = diff(&sandbox);
        let mut expected: Vec<_> = parts["expected"].lines().collect();
        expected.sort_by_key(|line| !line.starts_with("breaking: "));
        assert_eq!(output.out().lines().collect::<Vec<_>>(), expected, "{}", path.display());
        assert_eq!((output.code(), output.err().as_str()), (code, ""), "{}", path.display());
        count += 1;
    }
    assert!(count >= 12, "{folder} has {count} files");
}

#[test]
fn schema_diff_exits_with_1_for_each_breaking_change() {
    run_all("breaking", 1);
}

#[test]
fn schema_diff_exits_with_0_for_each_compatible_change() {
    run_all("compatible", 0);
}

#[test]
fn schema_diff_prints_breaking_changes_first() {
    let sandbox = Sandbox::empty();
    with_contract(&sandbox, "old", BASE, "{}");
    let required =
        r#"{ "Request": { "type": "object", "required": ["id"], "properties": { "id": { "type": "string" } } } }"#;
    let tables = BASE.replace("[calls.send]", "[topics.added]\npattern = \"added\"\nevent = \"Live\"\n[calls.send]");
    with_contract(&sandbox, "new", &tables, required);
    let output = diff(&sandbox);
    let words: Vec<_> = output.out().lines().map(|line| line.split(':').next().unwrap().to_owned()).collect();
    assert_eq!(words, ["breaking", "compatible"], "{}", output.out());
    assert!(output.out().contains("compatible: `topics.added`: the topic was added\n"), "{}", output.out());
    let same = sandbox.run(&["schema", "diff", "old/shop.service.toml", "old/shop.service.toml"]);
    assert_eq!((same.code(), same.out().as_str()), (0, "no changes\n"), "{}", same.err());
}

#[test]
fn schema_diff_exits_with_2_and_reason_for_bad_input() {
    let sandbox = Sandbox::empty().file("empty.toml", "").file("rubbish", "\u{1}\u{1b}[2J");
    with_contract(&sandbox, "good", BASE, "{}");
    with_contract(&sandbox, "other", &BASE.replace("\"Live\"", "\"Lime\""), "{}");
    fs::write(sandbox.folder.path().join("binary"), [0xff, 0xfe, 0]).unwrap();
    let good = "good/shop.service.toml";
    for (bad, reason) in [
        ("none.toml", "none.toml: cannot be read: No such file"),
        ("good", "good: cannot be read: Is a directory"),
        ("empty.toml", "empty.toml, line 1"),
        ("rubbish", "rubbish, line 1: is not valid TOML"),
        ("binary", "binary: is not UTF-8"),
        ("/dev/zero", "/dev/zero: is over 256 KiB"),
        ("other/shop.service.toml", "the nearest"),
    ] {
        for order in [[bad, good], [good, bad]] {
            let output = sandbox.run(&[&["schema", "diff"][..], &order].concat());
            assert_eq!((output.code(), output.out().as_str()), (2, ""), "{bad}: {}", output.err());
            let err = output.err();
            assert!(err.lines().count() == 1 && err.contains(reason) && !err.contains('\u{1b}'), "{bad}: {err:?}");
        }
    }
    for wrong in [&["schema", "diff"][..], &["schema", "diff", good], &["schema", "diff", good, good, good]] {
        assert_eq!(sandbox.run(wrong).code(), 2, "{wrong:?}");
    }
    // The folder is for the documents only.
    assert_eq!(sandbox.run(&["schema", "--out", "x", "diff", good, good]).code(), 2);
    assert!(!sandbox.folder.path().join("x").exists());
}
