//! The table by which a message is read in outline, derived from the types as their schemas are.

use std::fmt::Write as _;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

use crate::{ClientMessage, ServerMessage, export::NOTICE, schema::variants};

/// A Rust file: what each side may say, with the fields of each message.
pub(crate) fn table() -> String {
    let mut out =
        format!("//! The fields of every message. @generated\n//! {NOTICE}\n\nuse super::check::{{Field, Kind}};\n");
    let sides = [
        ("CLIENT", "Every command.", of::<ClientMessage>(SchemaSettings::draft2020_12().for_deserialize())),
        ("SERVER", "Every server message.", of::<ServerMessage>(SchemaSettings::draft2020_12().for_serialize())),
    ];
    for (name, about, schema) in sides {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "\n/// {about}\npub(super) static {name}: &[(&str, &[Field])] = &[");
        for (word, message) in variants(&schema) {
            let _ = writeln!(out, "    (\"{word}\", &[{}]),", fields(message, "        "));
        }
        out.push_str("];\n");
    }
    out
}

/// The schema with what the published one leaves out: how wide a number is.
fn of<T: JsonSchema>(settings: SchemaSettings) -> Value {
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

fn fields(object: &Value, indent: &str) -> String {
    let required = object.get("required").and_then(Value::as_array);
    let properties = object.get("properties").and_then(Value::as_object);
    let mut out = String::new();
    for (name, field) in properties.into_iter().flatten().filter(|(name, _)| *name != "type") {
        let required = required.is_some_and(|names| names.iter().any(|other| other == name));
        let kind = kind(field, indent);
        let _ = write!(out, "\n{indent}Field {{ name: \"{name}\", required: {required}, kind: {kind} }},");
    }
    if !out.is_empty() {
        out.push('\n');
        out.push_str(indent.get(4..).unwrap_or_default());
    }
    out
}

fn kind(schema: &Value, indent: &str) -> String {
    // A field that may be absent may also be null.
    let kinds = schema.get("type").and_then(Value::as_array);
    let named = kinds.and_then(|kinds| kinds.iter().find(|kind| *kind != "null")).or(schema.get("type"));
    let has = |key: &str| schema.get(key).is_some();
    let number = |key: &str| schema.get(key).and_then(Value::as_u64);
    match named.and_then(Value::as_str) {
        Some("string") if schema.get("format").is_some_and(|format| format == "date-time") => "Kind::Time".into(),
        Some("string") if has("pattern") && has("maxLength") => "Kind::Id".into(),
        Some("string") if has("pattern") => "Kind::Service".into(),
        Some("string") if number("maxLength") == Some(4_000) => "Kind::Content".into(),
        Some("string") if has("enum") => "Kind::Sendable".into(),
        Some("string") => "Kind::Text".into(),
        Some("boolean") => "Kind::Flag".into(),
        Some("integer") => {
            let narrow = schema.get("format").is_some_and(|format| format == "uint32");
            let widest = if narrow { u64::from(u32::MAX) } else { u64::MAX };
            let (least, most) = (number("minimum").unwrap_or(0), number("maximum").unwrap_or(widest));
            format!("Kind::Whole(&({least}..={most}))")
        }
        Some("array") => {
            let item = schema.get("items").map_or_else(|| "Kind::Any".into(), |item| kind(item, indent));
            format!("Kind::List(&{item})")
        }
        Some("object") if has("properties") => {
            format!("Kind::Object(&[{}])", fields(schema, &format!("{indent}    ")))
        }
        Some("object") => "Kind::Data".into(),
        _ => "Kind::Any".into(),
    }
}
