//! Compiles the validators of a type.

use jsonschema::{Keyword, ValidationError, Validator};
use serde_json::{Map, Value, json};

use super::{
    DEFINITIONS,
    data_type::Validators,
    explain::{self, UNION},
    one_pass::OnePass,
    patterns,
};

/// The keyword that replaces `format` for integers in a compiled schema. JSON Schema has formats of texts only.
pub(super) const INTEGER_FORMAT: &str = "x-gateway-integer";

/// Compiles the validators of a definition. The error is a sentence.
pub(super) fn compile(root: &Value, name: &str) -> Result<Validators, String> {
    let mut definitions = root.get("$defs").and_then(Value::as_object).cloned().unwrap_or_default();
    definitions.values_mut().for_each(mark_integers);
    let one_pass = OnePass::compile(&definitions, name);
    let explaining = explain::definitions(&definitions);
    let decide = build(json!({ "$ref": format!("{DEFINITIONS}{name}"), "$defs": &definitions }))?;
    definitions.extend(explaining);
    let explain = build(json!({ "$ref": explain::reference(name), "$defs": definitions }))?;
    Ok(Validators { one_pass, decide, explain })
}

/// Compiles a schema, with the bounds and the formats of this crate. The error is a sentence.
pub(super) fn build(schema: Value) -> Result<Validator, String> {
    jsonschema::draft202012::options()
        .should_validate_formats(true)
        .with_pattern_options(patterns::options(patterns::CHECKED_SIZE))
        .with_keyword(INTEGER_FORMAT, |_, value, _| {
            let range = if value == "int32" { Range::Int32 } else { Range::Int64 };
            Ok(Box::new(range) as Box<dyn for<'i> Keyword<'i>>)
        })
        .with_keyword(UNION, |_, _, _| Ok(Box::new(NoBranch) as Box<dyn for<'i> Keyword<'i>>))
        .build(&schema)
        .map_err(|error| error.to_string())
}

/// Refuses every value, because no branch of a union accepts it.
struct NoBranch;

impl<'i> Keyword<'i> for NoBranch {
    fn validate(&self, _: &'i Value) -> Result<(), ValidationError<'i>> {
        Err(ValidationError::custom("no branch accepts the value"))
    }

    fn is_valid(&self, _: &'i Value) -> bool {
        false
    }
}

/// Adds the keyword for integers to each object with such a format. A member of another meaning, such as a property with
/// the name `format`, holds an object and not a text.
fn mark_integers(value: &mut Value) {
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(mark_integers),
        Value::Object(members) => {
            members.iter_mut().filter(|(name, _)| !is_data(name)).for_each(|(_, value)| mark_integers(value));
            mark(members);
        }
        _ => {}
    }
}

fn mark(members: &mut Map<String, Value>) {
    if let Some(format @ ("int32" | "int64")) = members.get("format").and_then(Value::as_str) {
        members.insert(INTEGER_FORMAT.into(), format.into());
    }
}

fn is_data(keyword: &str) -> bool {
    matches!(keyword, "const" | "enum" | "default" | "examples")
}

/// The range of an integer format.
#[derive(Clone, Copy)]
enum Range {
    Int32,
    Int64,
}

impl Range {
    fn contains(self, value: &Value) -> bool {
        let Value::Number(number) = value else { return true };
        let integer = number.as_i64().or_else(|| {
            // `1.0` is an integer (JSON Schema Validation, section 6.1.1).
            let float = number.as_f64().filter(|float| float.fract() == 0.0);
            float.filter(|float| (-9.2e18..=9.2e18).contains(float)).map(|float| float as i64)
        });
        match self {
            Self::Int64 => integer.is_some(),
            Self::Int32 => integer.is_some_and(|integer| i32::try_from(integer).is_ok()),
        }
    }
}

impl<'i> Keyword<'i> for Range {
    fn validate(&self, value: &'i Value) -> Result<(), ValidationError<'i>> {
        if self.contains(value) { Ok(()) } else { Err(ValidationError::custom("the integer is out of range")) }
    }

    fn is_valid(&self, value: &'i Value) -> bool {
        self.contains(value)
    }
}
