//! Finds types without any value: each value would have to contain another value of the type, without end.

use std::collections::HashMap;

use serde_json::Value;

use super::{SchemaProblem, keywords::Subschema, references::References};

/// Refuses definitions that require themselves.
pub(super) fn check(schemas: &[Subschema<'_>], references: &References) -> Result<(), SchemaProblem> {
    let positions: HashMap<&str, usize> =
        schemas.iter().enumerate().map(|(index, schema)| (schema.pointer.as_str(), index)).collect();
    let mut finite = vec![false; schemas.len()];
    // Each round finds the schemas whose values need only schemas of earlier rounds.
    loop {
        let is_finite = |pointer: String| {
            positions.get(pointer.as_str()).and_then(|index| finite.get(*index)).copied().unwrap_or(true)
        };
        let mut found = Vec::new();
        for (index, schema) in schemas.iter().enumerate().rev() {
            let target = references.get(&index).and_then(|target| finite.get(*target));
            let is_open = finite.get(index) == Some(&false);
            if is_open && target.copied().unwrap_or(true) && has_finite_value(schema, &is_finite) {
                found.push(index);
            }
        }
        if found.is_empty() {
            break;
        }
        found.into_iter().for_each(|index| finite.iter_mut().skip(index).take(1).for_each(|slot| *slot = true));
    }
    let endless = schemas.iter().zip(&finite).find(|(_, finite)| !**finite);
    match endless {
        None => Ok(()),
        Some((schema, _)) => Err(SchemaProblem::new(
            schema.pointer.clone(),
            "has no finite value, because it requires a value of its own type: make a member optional or nullable",
        )),
    }
}

fn has_finite_value(schema: &Subschema<'_>, is_finite: &impl Fn(String) -> bool) -> bool {
    let value = schema.value;
    if value.get("const").is_some() || value.get("enum").is_some() {
        return true;
    }
    let branches = |keyword: &str| -> Vec<bool> {
        let count = value.get(keyword).and_then(Value::as_array).map_or(0, Vec::len);
        (0..count).map(|index| is_finite(format!("{}/{index}", schema.keyword(keyword)))).collect()
    };
    let none = |keyword: &str| {
        let branches = branches(keyword);
        !branches.is_empty() && !branches.contains(&true)
    };
    if branches("allOf").contains(&false) || none("anyOf") || none("oneOf") {
        return false;
    }
    match value.get("type").and_then(Value::as_str) {
        Some("object") => {
            let required = value.get("required").and_then(Value::as_array).into_iter().flatten();
            let mut required = required.filter_map(Value::as_str);
            let properties = Subschema { pointer: schema.keyword("properties"), value };
            required.all(|name| is_finite(properties.keyword(name)))
        }
        Some("array") => {
            let least = value.get("minItems").and_then(Value::as_u64).unwrap_or(0);
            let prefix = value.get("prefixItems").and_then(Value::as_array).map_or(0, Vec::len) as u64;
            let mut fixed =
                (0..least.min(prefix)).map(|index| is_finite(format!("{}/{index}", schema.keyword("prefixItems"))));
            fixed.all(|finite| finite) && (least <= prefix || is_finite(schema.keyword("items")))
        }
        // Without a type, or with several, a value of another type fits.
        _ => true,
    }
}
