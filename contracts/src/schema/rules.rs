//! The rules that each schema within a document has to follow.

use serde_json::Value;

use super::{
    SchemaProblem, finite,
    keywords::{KEYWORDS, REFUSED_KEYWORDS, Subschema, subschemas},
    patterns, references,
};
use crate::{
    nearest::{misspelled, suggestion},
    ordered::OrderedValue,
};

/// The formats of JSON Schema, and those of numbers in OpenAPI. Not all of them are checked.
const FORMATS: &str = "date-time date time duration email idn-email hostname idn-hostname ipv4 ipv6 uri uri-reference \
                       uri-template iri iri-reference uuid json-pointer relative-json-pointer regex int8 int16 int32 \
                       int64 uint8 uint16 uint32 uint64 float double";
const TYPES: [&str; 7] = ["null", "boolean", "object", "array", "number", "string", "integer"];

/// Checks all schemas of a document.
pub(super) fn check(root: OrderedValue<'_>) -> Result<(), SchemaProblem> {
    let schemas = subschemas(root);
    for schema in &schemas {
        check_keywords(schema)?;
        check_type(schema)?;
        check_format(schema)?;
    }
    check_meta_schema(root.value())?;
    let references = references::resolve(&schemas)?;
    references::check_cycles(&schemas, &references)?;
    finite::check(&schemas, &references)?;
    patterns::check(&schemas)
}

fn check_keywords(schema: &Subschema<'_>) -> Result<(), SchemaProblem> {
    for (keyword, _) in schema.value.members() {
        let refuse = |text: String| Err(SchemaProblem::new(schema.keyword(keyword), text));
        if let Some((_, instead)) = REFUSED_KEYWORDS.iter().find(|(refused, _)| *refused == keyword) {
            return refuse(format!("is not supported: {instead}"));
        }
        if keyword == "$id" && !schema.pointer.is_empty() {
            return refuse("is not supported below the root: refer to types by `#/$defs/NAME`".into());
        }
        let mut known = KEYWORDS.iter().map(|(name, _)| *name);
        if known.clone().any(|known| known == keyword) {
            continue;
        }
        // Other unknown keywords are annotations (JSON Schema Core, section 6.5), such as `discriminator`.
        if let Some(meant) = misspelled(keyword, known.by_ref()).filter(|_| !keyword.starts_with("x-")) {
            return refuse(format!("is an unknown keyword; the nearest one is `{meant}`"));
        }
    }
    Ok(())
}

fn check_type(schema: &Subschema<'_>) -> Result<(), SchemaProblem> {
    let names = match schema.value.get("type") {
        Some(Value::Array(names)) => names.as_slice(),
        Some(name) => std::slice::from_ref(name),
        None => return Ok(()),
    };
    match names.iter().filter_map(Value::as_str).find(|name| !TYPES.contains(name)) {
        None => Ok(()),
        Some(name) => {
            let nearest = suggestion("type", name, TYPES);
            Err(SchemaProblem::new(schema.keyword("type"), format!("is {name:?}, which is no type{nearest}")))
        }
    }
}

/// Refuses misspelled formats. Other unknown ones are annotations (JSON Schema Validation, section 7.1).
fn check_format(schema: &Subschema<'_>) -> Result<(), SchemaProblem> {
    let Some(format) = schema.value.get("format").and_then(Value::as_str) else { return Ok(()) };
    match misspelled(format, FORMATS.split(' ')).filter(|meant| *meant != format) {
        None => Ok(()),
        Some(meant) => {
            let text = format!("is {format:?}, which is no format; the nearest one is `{meant}`");
            Err(SchemaProblem::new(schema.keyword("format"), text))
        }
    }
}

/// Checks the document against the schema of schemas, which covers the values of all keywords.
fn check_meta_schema(root: &Value) -> Result<(), SchemaProblem> {
    jsonschema::draft202012::meta::validate(root).map_err(|error| {
        let reason = error.masked_with("the value").to_string();
        let text = format!("is not valid in JSON Schema 2020-12: {reason}");
        SchemaProblem::new(error.instance_path().as_str(), text)
    })
}
