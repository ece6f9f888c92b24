//! Rewrites definitions so that a validator finds the first problem of invalid data in time that is linear in the data.
//!
//! A validator that reports why no branch of a union accepts a value validates each branch with a report of its own, so
//! the time doubles with each level of a recursive union. In the rewritten definitions the tag of a union selects the
//! only branch to report. A union without tags reports itself. `if` decides without a report, with remembered results.

use serde_json::{Map, Value, json};

use super::{
    DEFINITIONS,
    keywords::{Holds, KEYWORDS},
    referenced_type,
};

/// The keyword that refuses every value, for a union that accepts none.
pub(super) const UNION: &str = "x-gateway-union";

/// The beginning of the names of rewritten definitions. Names in a schema contain no colon.
const PREFIX: &str = "explain:";

/// Returns the reference to a rewritten definition.
pub(super) fn reference(name: &str) -> String {
    format!("{DEFINITIONS}{PREFIX}{name}")
}

/// Returns rewritten copies of all definitions, which refer to each other and to the original ones.
pub(super) fn definitions(definitions: &Map<String, Value>) -> Map<String, Value> {
    let rewritten = |(name, schema): (&String, &Value)| (format!("{PREFIX}{name}"), rewrite(schema, definitions));
    definitions.iter().map(rewritten).collect()
}

fn rewrite(schema: &Value, definitions: &Map<String, Value>) -> Value {
    let Value::Object(members) = schema else { return schema.clone() };
    let mut rewritten = Map::new();
    let mut unions = Vec::new();
    for (keyword, value) in members {
        let value = match keyword.as_str() {
            "$ref" => value.as_str().and_then(|target| target.strip_prefix(DEFINITIONS)).map(reference).into(),
            "oneOf" | "anyOf" => {
                unions.push(union(keyword, value, definitions));
                continue;
            }
            // These decide without a report.
            "if" | "not" | "contains" | "propertyNames" => value.clone(),
            _ => rewrite_within(keyword, value, definitions),
        };
        rewritten.insert(keyword.clone(), value);
    }
    if !unions.is_empty() {
        let conditions = rewritten.entry("allOf").or_insert_with(|| json!([]));
        conditions.as_array_mut().into_iter().for_each(|conditions| conditions.append(&mut unions));
    }
    rewritten.into()
}

/// Rewrites the schemas within the value of a keyword.
fn rewrite_within(keyword: &str, value: &Value, definitions: &Map<String, Value>) -> Value {
    let holds = KEYWORDS.iter().find(|(name, _)| *name == keyword).map(|(_, holds)| *holds);
    match (holds, value) {
        (Some(Holds::Schema | Holds::InPlace), schema) => rewrite(schema, definitions),
        (Some(Holds::List | Holds::InPlaceList), Value::Array(schemas)) => {
            schemas.iter().map(|schema| rewrite(schema, definitions)).collect()
        }
        (Some(Holds::Map | Holds::InPlaceMap), Value::Object(schemas)) => {
            let rewritten = schemas.iter().map(|(name, schema)| (name.clone(), rewrite(schema, definitions)));
            Value::Object(rewritten.collect())
        }
        (_, value) => value.clone(),
    }
}

/// Returns the schema that replaces a union.
fn union(keyword: &str, branches: &Value, definitions: &Map<String, Value>) -> Value {
    let refuse = json!({ UNION: true });
    let list = branches.as_array().map(Vec::as_slice).unwrap_or_default();
    let Some(tags) = tags(list, definitions) else {
        return json!({ "if": { keyword: branches }, "else": refuse });
    };
    let is_tagged =
        |(name, value): &(&str, &Value)| json!({ "required": [name], "properties": { *name: { "const": value } } });
    let selected: Vec<Value> = tags.iter().map(is_tagged).collect();
    let mut conditions: Vec<Value> = selected
        .iter()
        .zip(list)
        .map(|(selected, branch)| json!({ "if": selected, "then": rewrite(branch, definitions) }))
        .collect();
    conditions.push(json!({ "if": { "anyOf": selected }, "else": refuse }));
    json!({ "allOf": conditions })
}

/// Returns the tag of each branch: a required property with a constant, whose name all branches share and whose values
/// all differ.
pub(super) fn tags<'a>(
    branches: &'a [Value],
    definitions: &'a Map<String, Value>,
) -> Option<Vec<(&'a str, &'a Value)>> {
    let branches: Vec<&Value> = branches.iter().map(|branch| resolve(branch, definitions)).collect();
    let candidates = branches.first()?.get("properties")?.as_object()?.keys();
    candidates.map(String::as_str).find_map(|name| {
        let tags: Vec<_> = branches.iter().map(|branch| Some((name, tag(branch, name)?))).collect::<Option<_>>()?;
        let is_unique = |(index, tag): (usize, &(&str, &Value))| !tags.iter().skip(index + 1).any(|other| other == tag);
        tags.iter().enumerate().all(is_unique).then_some(tags)
    })
}

fn tag<'a>(branch: &'a Value, name: &str) -> Option<&'a Value> {
    let is_required = branch.get("required")?.as_array()?.iter().any(|required| required == name);
    branch.get("properties")?.get(name)?.get("const").filter(|_| is_required)
}

/// Follows references to the schema that they lead to. References do not end in a circle.
pub(super) fn resolve<'a>(schema: &'a Value, definitions: &'a Map<String, Value>) -> &'a Value {
    let mut schema = schema;
    while let Some(next) = referenced_type(schema).and_then(|name| definitions.get(name)) {
        schema = next;
    }
    schema
}
