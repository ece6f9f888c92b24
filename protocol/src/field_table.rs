//! Generates the tables of fields, in Rust for the partial decoder and in JavaScript for the fake gateway of the npm
//! package, from the types.

use std::fmt::Write as _;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

use crate::{ClientMessage, ServerMessage, export::NOTICE, schema::variants};

/// Returns the Rust file with the fields of every message of each side.
pub(crate) fn table() -> String {
    let mut out =
        format!("//! The fields of every message. @generated\n//! {NOTICE}\n\nuse super::check::{{Field, Kind}};\n");
    for (name, about, schema) in sides() {
        // Writing to a `String` cannot fail.
        let _ = writeln!(out, "\n/// {about}\npub(super) static {name}: &[(&str, &[Field])] = &[");
        for (word, message) in variants(&schema) {
            let _ = writeln!(out, "    (\"{word}\", &[{}]),", fields(&fields_of(message), "        "));
        }
        out.push_str("];\n");
    }
    out.push_str("\n/// The defaults of commands: the `type`, the field and the JSON of its value.\n");
    out.push_str("pub(super) static DEFAULTS: &[(&str, &str, &str)] = &[\n");
    for (word, message) in variants(&of::<ClientMessage>(SchemaSettings::draft2020_12().for_deserialize())) {
        let properties = message.get("properties").and_then(Value::as_object);
        for (name, field) in properties.into_iter().flatten() {
            if let Some(default) = field.get("default").filter(|default| !default.is_null()) {
                let _ = writeln!(out, "    (\"{word}\", \"{name}\", {:?}),", default.to_string());
            }
        }
    }
    out.push_str("];\n");
    out
}

/// Returns both sides: the name of the table, its doc comment, and the schema.
fn sides() -> [(&'static str, &'static str, Value); 2] {
    [
        ("CLIENT", "Every command.", of::<ClientMessage>(SchemaSettings::draft2020_12().for_deserialize())),
        ("SERVER", "Every server message.", of::<ServerMessage>(SchemaSettings::draft2020_12().for_serialize())),
    ]
}

/// Returns the schema with the widths of numbers, which the published schema leaves out.
fn of<T: JsonSchema>(settings: SchemaSettings) -> Value {
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// The type of a field.
enum Kind {
    /// A kind without parameters, by its name in `outline/check.rs`.
    Plain(&'static str),
    Whole(u64, u64),
    List(Box<Kind>),
    Object(Vec<Field>),
}

struct Field {
    name: String,
    required: bool,
    kind: Kind,
}

fn fields_of(object: &Value) -> Vec<Field> {
    let required = object.get("required").and_then(Value::as_array);
    let properties = object.get("properties").and_then(Value::as_object);
    let fields = properties.into_iter().flatten().filter(|(name, _)| *name != "type");
    let is_required = |name: &str| required.is_some_and(|names| names.iter().any(|other| other == name));
    fields
        .map(|(name, field)| Field { name: name.clone(), required: is_required(name), kind: kind_of(field) })
        .collect()
}

fn kind_of(schema: &Value) -> Kind {
    // An optional field may also be null, so skip that type.
    let kinds = schema.get("type").and_then(Value::as_array);
    let named = kinds.and_then(|kinds| kinds.iter().find(|kind| *kind != "null")).or(schema.get("type"));
    let has = |key: &str| schema.get(key).is_some();
    let number = |key: &str| schema.get(key).and_then(Value::as_u64);
    match named.and_then(Value::as_str) {
        Some("string") if schema.get("format").is_some_and(|format| format == "date-time") => Kind::Plain("Time"),
        Some("string") if has("pattern") && number("maxLength") == Some(128) => Kind::Plain("Id"),
        Some("string") if has("pattern") && !has("maxLength") => Kind::Plain("Service"),
        Some("string") if number("maxLength") == Some(4_000) => Kind::Plain("Content"),
        Some("string") if has("enum") => Kind::Plain("Sendable"),
        Some("string") => Kind::Plain("Text"),
        Some("boolean") => Kind::Plain("Flag"),
        Some("integer") => {
            let narrow = schema.get("format").is_some_and(|format| format == "uint32");
            let widest = if narrow { u64::from(u32::MAX) } else { u64::MAX };
            Kind::Whole(number("minimum").unwrap_or(0), number("maximum").unwrap_or(widest))
        }
        Some("array") => Kind::List(Box::new(schema.get("items").map_or(Kind::Plain("Any"), kind_of))),
        Some("object") if has("properties") => Kind::Object(fields_of(schema)),
        Some("object") => Kind::Plain("Data"),
        _ => Kind::Plain("Any"),
    }
}

fn fields(object: &[Field], indent: &str) -> String {
    let mut out = String::new();
    for Field { name, required, kind } in object {
        let kind = rust(kind, indent);
        let _ = write!(out, "\n{indent}Field {{ name: \"{name}\", required: {required}, kind: {kind} }},");
    }
    if !out.is_empty() {
        out.push('\n');
        out.push_str(indent.get(4..).unwrap_or_default());
    }
    out
}

fn rust(kind: &Kind, indent: &str) -> String {
    match kind {
        Kind::Plain(name) => format!("Kind::{name}"),
        Kind::Whole(least, most) => format!("Kind::Whole(&({least}..={most}))"),
        Kind::List(item) => format!("Kind::List(&{})", rust(item, indent)),
        Kind::Object(object) => format!("Kind::Object(&[{}])", fields(object, &format!("{indent}    "))),
    }
}

/// Returns the JavaScript file with which the fake gateway of the npm package checks frames.
pub(crate) fn script() -> String {
    let mut out = format!("// {NOTICE}\n");
    for (name, about, schema) in sides() {
        let _ = writeln!(out, "\n/** {about} */\nexport const {name} = {{");
        for (word, message) in variants(&schema) {
            let _ = writeln!(out, "  {word}: {},", javascript(&fields_of(message)));
        }
        out.push_str("};\n");
    }
    out
}

fn javascript(fields: &[Field]) -> String {
    let fields = fields
        .iter()
        .map(|Field { name, required, kind }| format!("{name}: {{ required: {required}, {} }}", javascript_kind(kind)));
    let fields: Vec<String> = fields.collect();
    if fields.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", fields.join(", ")) }
}

fn javascript_kind(kind: &Kind) -> String {
    match kind {
        Kind::Plain(name) => format!("kind: \"{name}\""),
        Kind::Whole(least, most) => format!("kind: \"Whole\", least: {least}n, most: {most}n"),
        Kind::List(item) => format!("kind: \"List\", item: {{ {} }}", javascript_kind(item)),
        Kind::Object(fields) => format!("kind: \"Object\", fields: {}", javascript(fields)),
    }
}
