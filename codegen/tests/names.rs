//! Names that become equal are errors, and what stays untyped is named.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;

use gateway_codegen::{CodegenError, Generator, Language};
use gateway_contracts::Contract;

const TABLES: &str = "[topics.a]\npattern = \"a-{id}\"\nevent = \"A\"\n";

/// Returns the contract with this name, these tables and these definitions.
fn contract(name: &str, tables: &str, definitions: &str) -> Contract {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.service.toml");
    fs::write(&path, format!("name = \"{name}\"\nschema = \"s.json\"\n{tables}")).unwrap();
    fs::write(folder.path().join("s.json"), format!("{{\"$defs\":{{{definitions}}}}}")).unwrap();
    let contract = Contract::read(&path).unwrap();
    // Errors name the file without the folder, which is another one each time.
    let source = std::path::Path::new(if name == "other" { "other.json" } else { "s.json" });
    Contract::from_json(&contract.to_json(), source).unwrap()
}

fn error(contracts: &[Contract], language: Language) -> String {
    Generator::new(language).generate(contracts).map_or_else(|error| error.to_string(), |_| "accepted".into())
}

/// Returns the error of one contract with these definitions.
fn error_of(definitions: &str, language: Language) -> String {
    error(&[contract("orders", TABLES, definitions)], language)
}

#[test]
fn equal_names_name_both_positions() {
    use Language::{Rust, TypeScript};
    let object = |properties: &str| format!("\"A\":{{\"type\":\"object\",\"properties\":{{{properties}}}}}");
    let members = object("\"b-c\":{\"type\":\"string\"},\"bC\":{\"type\":\"string\"}");
    assert_eq!(
        error_of(&members, Rust),
        "s.json: `/$defs/A/properties/b-c` and s.json: `/$defs/A/properties/bC` both become `b_c` in Rust: rename one \
         with `x-name`"
    );
    assert!(error_of(&members, Language::Go).contains("both become `BC` in Go"));
    assert_eq!(error_of(&members, TypeScript), "accepted", "TypeScript keeps the names of members");
    let renamed = object("\"b-c\":{\"type\":\"string\",\"x-name\":\"dashed\"},\"bC\":{\"type\":\"string\"}");
    assert_eq!(error_of(&renamed, Rust), "accepted");
    // A type within another one and a definition.
    let inner = object("\"b\":{\"enum\":[\"x\"]}") + ",\"AB\":{\"type\":\"string\"}";
    for language in Language::ALL {
        let expected = "s.json: `/$defs/A/properties/b` and s.json: `/$defs/AB` both become `AB`";
        assert!(error_of(&inner, language).starts_with(expected), "{}", error_of(&inner, language));
    }
    // Definitions that differ in what languages do not allow in names, and reserved words.
    assert!(error_of("\"A\":{},\"a.b\":{},\"a-b\":{}", TypeScript).contains("both become `AB`"));
    assert!(error_of("\"A\":{},\"Promise\":{},\"Promise_\":{}", Rust).contains("both become `Promise`"));
    // Names that are generated.
    assert!(error_of("\"A\":{},\"OrdersATopic\":{}", Rust).contains("topic `a`"));
    let union = "\"A\":{\"oneOf\":[{\"$ref\":\"#/$defs/B\"},{\"$ref\":\"#/$defs/UnknownA\"}]},\
        \"B\":{\"required\":[\"t\"],\"properties\":{\"t\":{\"const\":\"b\"}}},\
        \"UnknownA\":{\"required\":[\"t\"],\"properties\":{\"t\":{\"const\":\"u\"}}}";
    assert!(error_of(union, TypeScript).contains("both become `UnknownA`"), "{}", error_of(union, TypeScript));
    assert_eq!(error_of(union, Rust), "accepted");
    assert!(error_of(union, Language::Go).contains("both become `UnknownA`"));
    let words = "\"A\":{\"enum\":[\"a-b\",\"a_b\"]}";
    assert!(error_of(words, Rust).contains("the word \"a-b\"") && error_of(words, TypeScript) == "accepted");
}

#[test]
fn equal_names_of_two_contracts_are_an_error() {
    let (first, second) = (contract("orders", TABLES, "\"A\":{}"), contract("other", TABLES, "\"A\":{}"));
    for language in Language::ALL {
        let found = error(&[first.clone(), second.clone()], language);
        assert!(found.starts_with("s.json: `/$defs/A` and other.json: `/$defs/A` both become `A`"), "{found}");
    }
    let renamed = contract("other", TABLES, "\"A\":{\"x-name\":\"OtherA\"}");
    assert_eq!(error(&[first, renamed], Language::Rust), "accepted");
    assert_eq!(Generator::new(Language::Rust).generate(&[]), Err(CodegenError::NoContracts));
}

#[test]
fn chosen_names_are_checked() {
    for name in ["", "a b", "1", "é", "a\\nb"] {
        let definitions = format!("\"A\":{{\"x-name\":\"{name}\"}}");
        let found = error_of(&definitions, Language::Rust);
        assert_eq!(found, "s.json: `/$defs/A` has an `x-name` that does not match [A-Za-z][A-Za-z0-9_]{0,127}");
    }
}

/// Returns the warnings of the hostile contract, without the folder of the file.
fn warnings(language: Language) -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/contracts/hostile.service.toml");
    let contract = Contract::read(std::path::Path::new(path)).unwrap();
    let generated = Generator::new(language).generate(&[contract]).unwrap();
    generated.warnings.iter().map(|it| format!("{} {}", it.pointer, it.text)).collect()
}

#[test]
fn untyped_parts_are_named() {
    let expected = [
        "/$defs/Promise/properties/union is a union whose branches do not each require one property with a `const` text: \
         it stays untyped",
        "/$defs/Untyped/properties/tuple has a type for each position, by `prefixItems`: it stays untyped",
        "/$defs/Untyped/properties/joined joins several schemas by `allOf`: it stays untyped",
        "/$defs/Untyped/properties/either is a union whose branches do not each require one property with a `const` \
         text: it stays untyped",
        "/$defs/Untyped/properties/several has several types: it stays untyped",
        "/$defs/Untyped/properties/anything has no `type`: it stays untyped",
        "/$defs/Untyped/properties/number lists numbers, which are not expressed: it is any integer",
        "/$defs/Untyped/required names `missing`, which is not in `properties`: it stays untyped",
    ];
    assert_eq!(warnings(Language::Rust), expected);
    let mut with_names = expected.map(str::to_owned).to_vec();
    let unusual = ["", "quote\"back\\slash\nline"].map(|name| format!("/$defs/Promise/properties/{name}"));
    with_names.extend(unusual.map(|at| format!("{at} has a name that `encoding/json` cannot write: it is left out")));
    assert_eq!(warnings(Language::Go), with_names);
    let mut with_integers = expected.map(str::to_owned).to_vec();
    let int64 = "is an `int64`, and a number of the language is exact up to 2^53 only";
    with_integers.push(format!("/$defs/Promise/properties/async {int64}"));
    assert_eq!(warnings(Language::TypeScript), with_integers);
}
