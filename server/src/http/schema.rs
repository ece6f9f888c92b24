//! Schemas for the OpenAPI document, made of the very types that are read and written.
//!
//! poem-openapi has a vocabulary of its own for schemas. Here a finished JSON Schema (2020-12) is carried through it in
//! a place where it is not looked at, and taken out again when the document is put together.

use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value};

/// Marks a schema that carries another one as its example.
const CARRIER: &str = "carries a JSON Schema";

/// Whether values of a type are read or written: a field with a default may be left out only when it is read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Direction {
    Read,
    Written,
}

/// The schema of a type.
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

/// A schema in its place.
pub(super) fn inline(schema: Value) -> MetaSchemaRef {
    MetaSchemaRef::Inline(Box::new(carrier(schema)))
}

/// The schema of a type, by its name.
pub(super) fn reference<T: JsonSchema>() -> MetaSchemaRef {
    MetaSchemaRef::Reference(T::schema_name().into_owned())
}

/// Puts the schema of a type where its name is looked up.
pub(super) fn register<T: JsonSchema>(registry: &mut Registry, direction: Direction) {
    registry.create_schema::<T, _>(T::schema_name().into_owned(), |_| carrier(of::<T>(direction)));
}

/// Takes the carried schemas out, everywhere in a document.
pub(super) fn unpack(value: &mut Value) {
    if let Value::Object(object) = value
        && object.get("title").and_then(Value::as_str) == Some(CARRIER)
        && let Some(carried) = object.remove("example")
    {
        *value = carried;
    }
    match value {
        Value::Object(object) => {
            without_rust(object);
            plain_enumeration(object);
            object.values_mut().for_each(unpack);
        }
        Value::Array(values) => values.iter_mut().for_each(unpack),
        _ => {}
    }
}

fn carrier(schema: Value) -> MetaSchema {
    MetaSchema { title: Some(CARRIER.to_owned()), example: Some(schema), ..MetaSchema::ANY }
}

/// Leaves out the names of Rust's numbers, which are no formats elsewhere.
fn without_rust(schema: &mut Map<String, Value>) {
    let is_rust = |format: &str| format.starts_with("uint") || format == "double";
    if schema.get("format").and_then(Value::as_str).is_some_and(is_rust) {
        schema.remove("format");
    }
}

/// Writes an enumeration as `enum`, where schemars writes `oneOf` because its words have descriptions: client generators
/// make a type of each alternative, and some of them code that does not compile.
fn plain_enumeration(schema: &mut Map<String, Value>) {
    let Some(words) = schema.get("oneOf").and_then(Value::as_array) else { return };
    let word = |schema: &Value| schema.get("const").filter(|word| word.is_string()).cloned();
    let Some(known) = words.iter().map(word).collect::<Option<Vec<_>>>() else { return };
    let meaning = |schema: &Value| {
        let (word, meaning) = (schema.get("const")?.as_str()?, schema.get("description")?.as_str()?);
        Some(format!("- `{word}`: {meaning}"))
    };
    let meanings = words.iter().filter_map(meaning).collect::<Vec<_>>().join("\n");
    let about = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let description = format!("{about}\n\n{meanings}");
    schema.remove("oneOf");
    schema.insert("type".to_owned(), "string".into());
    schema.insert("enum".to_owned(), known.into());
    schema.insert("description".to_owned(), description.trim().into());
}
