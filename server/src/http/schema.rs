//! Schemas for the OpenAPI document, generated from the types that are read and written.
//!
//! poem-openapi models schemas with types of its own. This module carries a complete JSON Schema (2020-12) through
//! these types in the `example` field, and extracts it again when the document is assembled.

use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value};

/// The title of a schema that carries another one as its example.
const CARRIER: &str = "carries a JSON Schema";

/// Whether values of a type are read or written. A field with a default is optional only when it is read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Direction {
    Read,
    Written,
}

/// Returns the schema of a type.
pub(super) fn of<T: JsonSchema>(direction: Direction) -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.meta_schema = None;
    settings.inline_subschemas = true;
    let settings = match direction {
        Direction::Read => settings.for_deserialize(),
        Direction::Written => settings.for_serialize(),
    };
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// Returns a schema to be used inline.
pub(super) fn inline(schema: Value) -> MetaSchemaRef {
    MetaSchemaRef::Inline(Box::new(carrier(schema)))
}

/// Returns a reference to the schema of a type.
pub(super) fn reference<T: JsonSchema>() -> MetaSchemaRef {
    MetaSchemaRef::Reference(T::schema_name().into_owned())
}

/// Registers the schema of a type under its name.
pub(super) fn register<T: JsonSchema>(registry: &mut Registry, direction: Direction) {
    registry.create_schema::<T, _>(T::schema_name().into_owned(), |_| carrier(of::<T>(direction)));
}

/// Replaces all carriers in a document by the schemas that they carry.
pub(super) fn unpack(value: &mut Value) {
    if let Value::Object(object) = value
        && object.get("title").and_then(Value::as_str) == Some(CARRIER)
        && let Some(carried) = object.remove("example")
    {
        *value = carried;
    }
    match value {
        Value::Object(object) => {
            remove_rust_formats(object);
            flatten_enumeration(object);
            object.values_mut().for_each(unpack);
        }
        Value::Array(values) => values.iter_mut().for_each(unpack),
        _ => {}
    }
}

fn carrier(schema: Value) -> MetaSchema {
    MetaSchema { title: Some(CARRIER.to_owned()), example: Some(schema), ..MetaSchema::ANY }
}

/// Removes the names of Rust's number types, which are not standard formats.
fn remove_rust_formats(schema: &mut Map<String, Value>) {
    let is_rust = |format: &str| format.starts_with("uint") || format == "double";
    if schema.get("format").and_then(Value::as_str).is_some_and(is_rust) {
        schema.remove("format");
    }
}

/// Rewrites an enumeration as `enum`. For variants with descriptions schemars generates `oneOf`, for which client
/// generators create a type per alternative, and some generate code that does not compile.
fn flatten_enumeration(schema: &mut Map<String, Value>) {
    let Some(variants) = schema.get("oneOf").and_then(Value::as_array) else { return };
    let value = |schema: &Value| schema.get("const").filter(|value| value.is_string()).cloned();
    let Some(known) = variants.iter().map(value).collect::<Option<Vec<_>>>() else { return };
    let meaning = |schema: &Value| {
        let (value, meaning) = (schema.get("const")?.as_str()?, schema.get("description")?.as_str()?);
        Some(format!("- `{value}`: {meaning}"))
    };
    let meanings = variants.iter().filter_map(meaning).collect::<Vec<_>>().join("\n");
    let summary = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let description = format!("{summary}\n\n{meanings}");
    schema.remove("oneOf");
    schema.insert("type".to_owned(), "string".into());
    schema.insert("enum".to_owned(), known.into());
    schema.insert("description".to_owned(), description.trim().into());
}
