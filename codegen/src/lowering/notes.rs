//! What comments say about a schema: its description, and the constraints that types do not express.

use serde_json::Value;

use crate::model::Notes;

/// Returns the notes about a schema.
pub(super) fn of(schema: &Value) -> Notes {
    let text = |keyword: &str| schema.get(keyword).and_then(Value::as_str).map(str::to_owned);
    Notes {
        description: text("description").or_else(|| text("title")).filter(|text| !text.trim().is_empty()),
        constraints: constraints(schema),
        is_deprecated: schema.get("deprecated") == Some(&Value::Bool(true)),
    }
}

fn counted<'a>(count: &str, unit: &'a str) -> &'a str {
    if count == "1" { unit.trim_end_matches('s') } else { unit }
}

fn constraints(schema: &Value) -> Vec<String> {
    let value = |keyword: &str| schema.get(keyword).filter(|value| value.is_number()).map(Value::to_string);
    let mut found = Vec::new();
    // Integer formats are types.
    let format = schema.get("format").and_then(Value::as_str).filter(|format| !matches!(*format, "int32" | "int64"));
    found.extend(format.map(|format| format!("format {format}")));
    for (keyword, words) in [
        ("minimum", "at least"),
        ("exclusiveMinimum", "more than"),
        ("maximum", "at most"),
        ("exclusiveMaximum", "less than"),
        ("multipleOf", "a multiple of"),
    ] {
        found.extend(value(keyword).map(|value| format!("{words} {value}")));
    }
    for (least, most, unit) in [
        ("minLength", "maxLength", "characters"),
        ("minItems", "maxItems", "elements"),
        ("minProperties", "maxProperties", "members"),
    ] {
        match (value(least), value(most)) {
            (Some(least), Some(most)) => found.push(format!("{least} to {most} {unit}")),
            (Some(least), None) => found.push(format!("at least {least} {}", counted(&least, unit))),
            (None, Some(most)) => found.push(format!("at most {most} {}", counted(&most, unit))),
            (None, None) => {}
        }
    }
    let pattern = schema.get("pattern").and_then(Value::as_str);
    found.extend(pattern.map(|pattern| format!("matches {pattern}")));
    found
}
