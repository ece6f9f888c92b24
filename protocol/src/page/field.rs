//! Describes the fields of a message, based on its schema.

use serde_json::Value;

use crate::MAX_OFFSET;

/// Returns one row for each field: its name, its values and its meaning. Fields of inner objects follow as
/// `outer.inner`.
pub(super) fn rows(object: &Value) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    add_rows(&mut rows, "", object);
    rows
}

fn add_rows(rows: &mut Vec<Vec<String>>, prefix: &str, object: &Value) {
    let required: Vec<&str> =
        object.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let fields = object.get("properties").and_then(Value::as_object).into_iter().flatten();
    for (name, schema) in fields.filter(|(name, _)| *name != "type" && *name != "requestId") {
        let optional = if required.contains(&name.as_str()) { "" } else { "?" };
        rows.push(vec![format!("`{prefix}{name}`{optional}"), value(schema), text(schema, "description").to_owned()]);
        add_rows(rows, &format!("{prefix}{name}."), schema);
        if let Some(item) = schema.get("items") {
            add_rows(rows, &format!("{prefix}{name}[]."), item);
        }
    }
}

/// Describes the values of a field in a few words.
fn value(schema: &Value) -> String {
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return code_words(words);
    }
    match text(schema, "type") {
        "string" => string(schema),
        "integer" => integer(schema),
        "boolean" => "`true` or `false`".to_owned(),
        "array" => {
            let bounds = range(number(schema, "minItems"), number(schema, "maxItems"));
            let item = schema.get("items").map(value).unwrap_or_default();
            if bounds.is_empty() { format!("list: {item}") } else { format!("list of {bounds}: {item}") }
        }
        "object" => "object".to_owned(),
        _ => "any JSON".to_owned(),
    }
}

fn string(schema: &Value) -> String {
    match (text(schema, "format"), text(schema, "pattern")) {
        ("date-time", _) => return "[time](#identifiers-times-and-limits)".to_owned(),
        (_, "^[a-z][a-z0-9_]{0,31}$") => return "[service name](#identifiers-times-and-limits)".to_owned(),
        // Texts for people have a pattern too, so the length distinguishes identifiers from them.
        (_, pattern) if !pattern.is_empty() && number(schema, "maxLength") == Some(128) => {
            return "[identifier](#identifiers-times-and-limits)".to_owned();
        }
        _ => {}
    }
    match schema.get("examples").and_then(Value::as_array) {
        Some(words) if words.iter().any(|word| word == "invalid_json") => "[error code](#error-codes)".to_owned(),
        Some(words) => format!("{} or a later word", code_words(words)),
        None => match range(number(schema, "minLength"), number(schema, "maxLength")).as_str() {
            "" => "text".to_owned(),
            bounds => format!("text of {bounds} characters"),
        },
    }
}

fn integer(schema: &Value) -> String {
    let default = number(schema, "default").map(|default| format!(", {default} when absent")).unwrap_or_default();
    let bounds = range(number(schema, "minimum"), number(schema, "maximum"));
    format!("whole number, {bounds}{default}")
}

fn range(from: Option<u64>, to: Option<u64>) -> String {
    match (from, to) {
        (from, Some(MAX_OFFSET)) => format!("{} to 2^53-1", from.unwrap_or(0)),
        (Some(from), Some(to)) => format!("{from} to {to}"),
        (None, Some(to)) => format!("up to {to}"),
        (Some(from), None) => format!("from {from}"),
        (None, None) => String::new(),
    }
}

fn code_words(words: &[Value]) -> String {
    words.iter().filter_map(Value::as_str).map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

fn text<'a>(schema: &'a Value, key: &str) -> &'a str {
    schema.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn number(schema: &Value, key: &str) -> Option<u64> {
    schema.get(key).and_then(Value::as_u64)
}
