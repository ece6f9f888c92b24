//! The tag of a union: a required property with a constant text, whose name all branches share and whose texts differ.

use gateway_contracts::{OrderedValue, Schema};
use serde_json::Value;

use super::DEFINITIONS;

/// Returns the name of the tag, and its text in each branch.
pub(crate) fn of(branches: &[OrderedValue<'_>], schema: &Schema) -> Option<(String, Vec<String>)> {
    let branches: Vec<OrderedValue<'_>> = branches.iter().map(|branch| resolve(*branch, schema)).collect();
    let candidates = branches.first()?.member("properties")?;
    candidates.members().find_map(|(name, _)| {
        let words: Vec<&str> = branches.iter().map(|branch| word(branch.value(), name)).collect::<Option<_>>()?;
        let mut unique = words.clone();
        unique.sort_unstable();
        unique.dedup();
        let is_tag = unique.len() == words.len();
        is_tag.then(|| (name.to_owned(), words.into_iter().map(str::to_owned).collect()))
    })
}

fn word<'a>(branch: &'a Value, name: &str) -> Option<&'a str> {
    let is_required = branch.get("required")?.as_array()?.iter().any(|required| required == name);
    branch.get("properties")?.get(name)?.get("const").filter(|_| is_required)?.as_str()
}

/// Follows references to the schema that they lead to. References do not end in a circle.
pub(crate) fn resolve<'a>(value: OrderedValue<'a>, schema: &'a Schema) -> OrderedValue<'a> {
    let mut value = value;
    while let Some(next) = referenced(value.value()).and_then(|name| schema.definition(name)) {
        value = next;
    }
    value
}

/// Returns the name of the type that a schema refers to.
pub(crate) fn referenced(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix(DEFINITIONS)
}
