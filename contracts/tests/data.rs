//! Validation of data: the first problem, named by pointer and keyword.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use std::{fmt::Write, fs, path::Path, time::Instant};

use gateway_contracts::{Contract, DataType};

fn event() -> DataType {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/accepted/orders.service.toml");
    Contract::read(Path::new(path)).unwrap().topics["order"].event.clone()
}

/// Returns the type `A` of a schema with these definitions.
fn type_of(definitions: &str) -> DataType {
    let folder = tempfile::tempdir().unwrap();
    let contract = folder.path().join("a.service.toml");
    fs::write(&contract, "name = \"a\"\nschema = \"s.json\"\n[topics.a]\npattern = \"a\"\nevent = \"A\"\n").unwrap();
    fs::write(folder.path().join("s.json"), format!("{{\"$defs\":{{{definitions}}}}}")).unwrap();
    Contract::read(&contract).unwrap().topics["a"].event.clone()
}

fn problem(data_type: &DataType, data: &str) -> Option<String> {
    data_type.validate(data).err().map(|problem| format!("{}: {}", problem.pointer, problem.keyword))
}

#[test]
fn names_pointer_and_keyword_of_the_first_problem() {
    let event = event();
    for (data, expected) in [
        (r#"{"type":"placed","items":[{"sku":"AB-1","qty":1}]}"#, None),
        (r#"{"type":"comment","text":"hello"}"#, None),
        (r#"{"type":"placed","items":[{"sku":"AB-1","qty":0}]}"#, Some("/items/0/qty: minimum")),
        (r#"{"type":"placed","items":[{"sku":"AB-1","qty":3000000000}]}"#, Some("/items/0/qty: format")),
        (r#"{"type":"placed","items":[{"sku":"ab","qty":1}]}"#, Some("/items/0/sku: pattern")),
        (r#"{"type":"placed","items":[],"at":"yesterday"}"#, Some("/at: format")),
        (r#"{"type":"placed"}"#, Some(": required")),
        (r#"{"type":"comment","text":""}"#, Some("/text: minLength")),
        (r#"{"type":"unknown"}"#, Some(": oneOf")),
        (r#"{"type":"comment","text":"a","text":"b"}"#, Some("/text: duplicate")),
        (r#"{"type":"placed","items":[{"qty":1,"qty":-1}]}"#, Some("/items/0/qty: duplicate")),
        ("7", Some(": type")),
    ] {
        assert_eq!(problem(&event, data).as_deref(), expected, "{data}");
    }
}

#[test]
fn asserts_formats() {
    for (format, good, bad) in [
        ("date-time", "\"2026-01-31T12:00:00Z\"", "\"2026-01-31\""),
        ("date", "\"2026-01-31\"", "\"2026-02-31\""),
        ("time", "\"12:00:00Z\"", "\"noon\""),
        ("uuid", "\"01890a5d-ac96-774b-bcce-b302099a8057\"", "\"01890a5d\""),
        ("email", "\"anna@example.com\"", "\"anna\""),
        ("uri", "\"https://example.com/a\"", "\"example\""),
        ("int32", "-2147483648", "2147483648"),
        ("int32", "1.0", "1.5"),
        ("int64", "9223372036854775807", "9223372036854775808"),
    ] {
        let data_type = type_of(&format!("\"A\":{{\"format\":\"{format}\"}}"));
        assert_eq!(problem(&data_type, good), None, "{format} {good}");
        assert_eq!(problem(&data_type, bad).as_deref(), Some(": format"), "{format} {bad}");
    }
    // An unknown format is a remark.
    assert_eq!(problem(&type_of("\"A\":{\"format\":\"iban\"}"), "\"x\""), None);
    // A property may have the name of a keyword.
    let property =
        type_of("\"A\":{\"properties\":{\"format\":{\"const\":\"int32\"}},\"const\":{\"format\":\"int32\"}}");
    assert_eq!(problem(&property, "{\"format\":\"int32\"}"), None);
}

/// Returns a recursive union whose branches hold another value before they hold their tag, and data that no branch
/// accepts at the deepest level.
fn recursive_union(keyword: &str, tag: &str, required: &str) -> (DataType, String) {
    let branch = |name: &str| {
        format!("{{{required}\"properties\":{{\"left\":{{\"$ref\":\"#/$defs/A\"}},\"op\":{{\"{tag}\":\"{name}\"}}}}}}")
    };
    let union = type_of(&format!("\"A\":{{\"{keyword}\":[{},{}]}}", branch("add"), branch("sub")));
    let mut data = "{\"op\":7}".to_owned();
    for _ in 0..60 {
        data = format!("{{\"op\":\"add\",\"left\":{data}}}");
    }
    (union, data)
}

#[test]
fn validates_recursive_unions_in_bounded_time() {
    // Without remembered results and selected branches each level would be validated once for each branch: 2^60 times.
    let deepest = format!("{}: oneOf", "/left".repeat(60));
    for (keyword, tag, required, expected) in [
        ("oneOf", "const", "\"required\":[\"op\"],", deepest.as_str()),
        ("anyOf", "const", "\"required\":[\"op\"],", deepest.as_str()),
        ("oneOf", "const", "", ": oneOf"),
        ("anyOf", "pattern", "", ": oneOf"),
    ] {
        let (union, data) = recursive_union(keyword, tag, required);
        let start = Instant::now();
        let found = problem(&union, &data);
        assert!(start.elapsed().as_secs() < 5, "{keyword} took {:?}", start.elapsed());
        if tag == "const" {
            assert_eq!(found.as_deref(), Some(expected), "{keyword} {required}");
        }
    }
}

#[test]
fn validates_deepest_data_with_the_stack_of_a_worker() {
    // 30 schemas apply to each of 62 levels.
    let mut definitions = String::new();
    for index in 0..29 {
        write!(definitions, "\"T{index}\":{{\"allOf\":[{{\"$ref\":\"#/$defs/T{}\"}}]}},", index + 1).unwrap();
        if index == 13 {
            break;
        }
    }
    let definitions =
        format!("{definitions}\"T14\":{{\"items\":{{\"$ref\":\"#/$defs/T0\"}}}},\"A\":{{\"$ref\":\"#/$defs/T0\"}}");
    let data_type = type_of(&definitions);
    let data = format!("{}1{}", "[".repeat(63), "]".repeat(63));
    let worker = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    let thread = worker.spawn(move || problem(&data_type, &data)).unwrap();
    assert_eq!(thread.join().unwrap(), None);
}

/// Prints the cost of a validation. `cargo test --release -p realtime-gateway-contracts --test data -- --nocapture cost`
#[test]
fn cost_of_ten_fields_is_measured() {
    let fields: Vec<_> = (0..9).map(|index| format!("\"f{index}\":{{\"type\":\"string\",\"maxLength\":50}}")).collect();
    let required: Vec<_> = (0..9).map(|index| format!("\"f{index}\"")).collect();
    let data_type = type_of(&format!(
        "\"A\":{{\"type\":\"object\",\"required\":[{}],\"properties\":{{{},\"n\":{{\"type\":\"integer\",\"minimum\":1}}}}}}",
        required.join(","),
        fields.join(",")
    ));
    let values: Vec<_> = (0..9).map(|index| format!("\"f{index}\":\"a value of {index}\"")).collect();
    let data = format!("{{{},\"n\":5}}", values.join(","));
    let rounds = 10_000;
    let start = Instant::now();
    for _ in 0..rounds {
        assert_eq!(data_type.validate(&data), Ok(()));
    }
    println!("{} bytes with ten fields: {:?} for each validation", data.len(), start.elapsed() / rounds);
}
