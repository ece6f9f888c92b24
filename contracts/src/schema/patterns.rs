//! The regular expressions of a schema: matched in linear time, and bounded in size.

use jsonschema::PatternOptions;
use serde_json::{Value, json};

use super::{SchemaProblem, keywords::Subschema};
use crate::ordered::OrderedValue;

/// The memory that all compiled patterns of a schema may take together, in bytes.
const MAX_COMPILED_BYTES: usize = 16 * 1024 * 1024;
/// The memory that one compiled pattern may take, in bytes.
const MAX_PATTERN_BYTES: usize = 1024 * 1024;

/// Constructs that need backtracking.
const BACKTRACKING: [&str; 5] = ["(?=", "(?!", "(?<=", "(?<!", "\\k<"];

/// Returns the options with which patterns are compiled. Its engine matches in linear time.
pub(super) fn options(size: usize) -> PatternOptions<jsonschema::Regex> {
    PatternOptions::regex().size_limit(size).dfa_size_limit(size)
}

/// The size limit of a pattern that has been checked.
pub(super) const CHECKED_SIZE: usize = MAX_PATTERN_BYTES;

/// Compiles each pattern.
pub(super) fn check(schemas: &[Subschema<'_>]) -> Result<(), SchemaProblem> {
    let patterns: Vec<_> = schemas.iter().flat_map(patterns).collect();
    let share = MAX_PATTERN_BYTES.min(MAX_COMPILED_BYTES / patterns.len().max(1));
    for (pointer, pattern) in &patterns {
        let compiled = jsonschema::draft202012::options()
            .with_pattern_options(options(share))
            .build(&json!({ "pattern": pattern }));
        if compiled.is_err() {
            return Err(SchemaProblem::new(pointer.clone(), problem(pattern, share)));
        }
    }
    Ok(())
}

/// Returns the patterns of a schema, with their pointers.
fn patterns<'a>(schema: &Subschema<'a>) -> Vec<(String, &'a str)> {
    let pattern = schema.value.value().get("pattern").and_then(Value::as_str);
    let pattern = pattern.map(|pattern| (schema.keyword("pattern"), pattern));
    let members = schema.value.member("patternProperties").into_iter().flat_map(OrderedValue::members);
    let within = Subschema { pointer: schema.keyword("patternProperties"), value: schema.value };
    pattern.into_iter().chain(members.map(|(name, _)| (within.keyword(name), name))).collect()
}

fn problem(pattern: &str, share: usize) -> String {
    let reference = pattern.as_bytes().windows(2).any(|pair| matches!(pair, [b'\\', b'1'..=b'9']));
    if reference || BACKTRACKING.iter().any(|construct| pattern.contains(construct)) {
        return "has a look-around or a back-reference, which cannot be matched in linear time".into();
    }
    let syntax = jsonschema::draft202012::options().should_validate_formats(true).build(&json!({ "format": "regex" }));
    if syntax.is_ok_and(|syntax| syntax.is_valid(&pattern.into())) {
        return format!("takes over {} KiB once it is compiled: use smaller repetitions", share / 1024);
    }
    "is not a valid regular expression".into()
}
