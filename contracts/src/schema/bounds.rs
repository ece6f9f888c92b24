//! The bounds of a schema, and the shape of its root.

use serde_json::Value;

use super::{SchemaProblem, keywords::subschemas};
use crate::{nearest::suggestion, unique_json::push_name};

/// The maximum size of a schema, and of a contract file, in bytes.
pub const MAX_SCHEMA_BYTES: u64 = 256 * 1024;
/// The maximum number of definitions of a schema.
pub const MAX_DEFINITIONS: usize = 1_000;
/// The maximum nesting depth of objects and arrays in a schema.
pub const MAX_DEPTH: usize = 64;

/// The dialect of schemas.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Checks the root, the number of definitions and their names.
pub(super) fn check(root: &Value) -> Result<(), SchemaProblem> {
    let Some(members) = root.as_object() else {
        return Err(SchemaProblem::new("", "the schema is not an object with types in `$defs`"));
    };
    if let Some(dialect) = members.get("$schema")
        && dialect.as_str().map(|dialect| dialect.trim_end_matches('#')) != Some(DIALECT)
    {
        return Err(SchemaProblem::new("/$schema", format!("is not {DIALECT:?}, the only supported dialect")));
    }
    let Some(definitions) = members.get("$defs").and_then(Value::as_object) else {
        let nearest = suggestion("member", "$defs", members.keys().map(String::as_str));
        return Err(SchemaProblem::new("", format!("the schema has no object `$defs` with the types{nearest}")));
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if let Some(name) = definitions.keys().find(|name| name.is_empty() || !name.chars().all(is_plain)) {
        let mut pointer = "/$defs".to_owned();
        push_name(&mut pointer, name);
        return Err(SchemaProblem::new(
            pointer,
            "has a name with other characters than A-Z, a-z, 0-9, `_`, `.` and `-`",
        ));
    }
    let nested = subschemas(root).iter().map(|found| found.definitions()).sum::<usize>();
    if nested > MAX_DEFINITIONS {
        let text = format!("the schema has {nested} definitions, over the maximum of {MAX_DEFINITIONS}");
        return Err(SchemaProblem::new("", text));
    }
    Ok(())
}
