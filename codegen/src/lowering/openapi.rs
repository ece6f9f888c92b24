//! Turns the OpenAPI document of the gateway into the intermediate form: the operations with which backends publish, and
//! the types of their bodies.

use gateway_contracts::Schema;
use serde_json::{Map, Value, json};

use super::{DEFINITIONS, lower_types, pointer};
use crate::{
    CodegenError, Warning,
    model::{Model, Notes, Operation, PathPart},
};

/// The name of the document in warnings.
const FILE: &str = "openapi.json";
/// The beginning of a reference to a type of the document.
const SCHEMAS: &str = "#/components/schemas/";
/// The scope of an API key that publishes.
const SCOPE: &str = "publish";
/// The type of refusals.
const PROBLEM: &str = "Problem";
/// Members of a body that make a repeat safe.
const IDEMPOTENCY_KEYS: [&str; 2] = ["clientMessageId", "id"];

/// An operation of the document, with the names of its types.
struct Described<'a> {
    pointer: String,
    path: &'a str,
    method: &'a str,
    operation: &'a Value,
    body: &'a str,
    response: &'a str,
}

/// Turns the operations that need an API key with the scope `publish`, and their types, into a model.
///
/// # Errors
/// [`CodegenError::OpenApi`] for a text that is no such document, and [`CodegenError::Messages`] for types that cannot be
/// read.
pub(crate) fn lower_publishing(text: &str) -> Result<Model, CodegenError> {
    let document: Value = serde_json::from_str(text).map_err(|error| invalid(format!("is no JSON: {error}")))?;
    let schemas = document.pointer("/components/schemas").and_then(Value::as_object);
    let schemas = schemas.ok_or_else(|| invalid("has no `/components/schemas`"))?;
    let mut model = Model::default();
    let described = operations(&document, &mut model.warnings);
    if described.is_empty() {
        return Err(invalid(format!("has no operation with a JSON body that needs the scope `{SCOPE}`")));
    }
    let roots = described.iter().flat_map(|operation| [operation.body, operation.response]).chain([PROBLEM]);
    let definitions = definitions(schemas, roots.collect());
    let schema = Schema::from_text(FILE, json!({ "$defs": definitions }).to_string())?;
    let ids = lower_types(&schema, &mut model)?;
    for Described { pointer, path, method, operation, body, response } in described {
        let (Some(body_id), Some(response_id)) = (ids.get(body), ids.get(response)) else {
            return Err(invalid(format!("has no type `{body}` or `{response}`")));
        };
        let members = definitions.get(body).and_then(|schema| schema.get("properties"));
        let key = IDEMPOTENCY_KEYS.into_iter().find(|key| members.is_some_and(|members| members.get(key).is_some()));
        model.operations.push(Operation {
            name: text_of(operation, "operationId").to_owned(),
            position: format!("{FILE}: `{pointer}`"),
            notes: Notes { description: Some(description(operation)), ..Notes::default() },
            method: method.to_ascii_uppercase(),
            path: path_parts(path),
            body: *body_id,
            idempotency_key: key.map(str::to_owned),
            response: *response_id,
            may_be_empty: operation.pointer("/responses/204").is_some(),
        });
    }
    Ok(model)
}

fn invalid(problem: impl Into<String>) -> CodegenError {
    CodegenError::OpenApi { problem: problem.into() }
}

fn text_of<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn description(operation: &Value) -> String {
    let parts = ["summary", "description"].map(|key| text_of(operation, key));
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
}

/// Returns the operations that publish. Those without a JSON body and answer have a warning instead.
fn operations<'a>(document: &'a Value, warnings: &mut Vec<Warning>) -> Vec<Described<'a>> {
    let mut found = Vec::new();
    for (path, methods) in document.get("paths").and_then(Value::as_object).into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            if !publishes(operation) {
                continue;
            }
            let pointer = pointer("/paths", &[path, method]);
            let body = operation.get("requestBody").and_then(json_type);
            let responses = operation.get("responses").and_then(Value::as_object).into_iter().flatten();
            let mut successes = responses.filter(|(status, _)| status.starts_with('2'));
            match (body, successes.find_map(|(_, response)| json_type(response))) {
                (Some(body), Some(response)) => {
                    found.push(Described { pointer, path, method, operation, body, response });
                }
                _ => {
                    let text = "has no named type for its body or answer: no function is written".to_owned();
                    warnings.push(Warning { file: FILE.to_owned(), pointer, text });
                }
            }
        }
    }
    found
}

fn publishes(operation: &Value) -> bool {
    let schemes =
        operation.get("security").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object);
    let mut scopes = schemes.flat_map(Map::values).filter_map(Value::as_array).flatten();
    scopes.any(|scope| scope == SCOPE)
}

/// Returns the name of the type of a body.
fn json_type(body: &Value) -> Option<&str> {
    body.pointer("/content/application~1json/schema/$ref")?.as_str()?.strip_prefix(SCHEMAS)
}

fn path_parts(path: &str) -> Vec<PathPart> {
    let mut parts = Vec::new();
    let mut rest = path;
    while let Some((literal, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        parts.extend([PathPart::Literal(literal.to_owned()), PathPart::Parameter(name.to_owned())]);
        rest = after;
    }
    parts.push(PathPart::Literal(rest.to_owned()));
    parts.retain(|part| !matches!(part, PathPart::Literal(literal) if literal.is_empty()));
    parts
}

/// Returns the types with these names and those that they refer to, in the order of the document.
fn definitions(schemas: &Map<String, Value>, roots: Vec<&str>) -> Map<String, Value> {
    let mut needed: Vec<String> = Vec::new();
    let mut open: Vec<String> = roots.into_iter().map(str::to_owned).collect();
    while let Some(name) = open.pop() {
        if !needed.contains(&name) {
            schemas.get(&name).into_iter().for_each(|schema| references(schema, &mut open));
            needed.push(name);
        }
    }
    let needed = schemas.iter().filter(|(name, _)| needed.contains(name));
    needed.map(|(name, schema)| (name.clone(), simplified(schema))).collect()
}

fn references(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(members) => members.iter().for_each(|(name, value)| {
            let target = value.as_str().filter(|_| name == "$ref").and_then(|target| target.strip_prefix(SCHEMAS));
            found.extend(target.map(str::to_owned));
            references(value, found);
        }),
        Value::Array(elements) => elements.iter().for_each(|element| references(element, found)),
        _ => {}
    }
}

/// Returns a schema as that of a contract: references within the file, no formats and patterns that comments need not
/// repeat, and no `null` for members that may be missing, because the API treats both as the same.
fn simplified(schema: &Value) -> Value {
    let Value::Object(members) = schema else { return schema.clone() };
    let required: Vec<&Value> = members.get("required").and_then(Value::as_array).into_iter().flatten().collect();
    let mut simple = Map::new();
    for (name, value) in members {
        let value = match (name.as_str(), value) {
            ("title" | "pattern" | "examples", _) => continue,
            ("format", Value::String(format)) if format.starts_with("uint") => continue,
            ("$ref", Value::String(target)) => Value::String(target.replacen(SCHEMAS, DEFINITIONS, 1)),
            ("properties", Value::Object(properties)) => {
                let simplified = properties.iter().map(|(name, property)| {
                    let property = simplified(property);
                    let is_required = required.iter().any(|required| *required == name);
                    (name.clone(), if is_required { property } else { without_null(property) })
                });
                Value::Object(simplified.collect())
            }
            ("items" | "additionalProperties", value) => simplified(value),
            (_, value) => value.clone(),
        };
        simple.insert(name.clone(), value);
    }
    Value::Object(simple)
}

fn without_null(mut schema: Value) -> Value {
    let names = schema.get("type").and_then(Value::as_array).into_iter().flatten();
    let others: Vec<Value> = names.filter(|name| *name != "null").cloned().collect();
    if let ([name], Some(members)) = (others.as_slice(), schema.as_object_mut()) {
        members.insert("type".to_owned(), name.clone());
        if let Some(Value::Array(words)) = members.get_mut("enum") {
            words.retain(|word| !word.is_null());
        }
    }
    schema
}
