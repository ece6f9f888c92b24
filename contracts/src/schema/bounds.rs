//! The bounds of a schema, and the shape of its root.

use super::{SchemaProblem, keywords::subschemas};
use crate::{nearest::suggestion, ordered::OrderedValue, unique_json::push_name};

/// The maximum size of a schema, and of a contract file, in bytes.
pub const MAX_SCHEMA_BYTES: u64 = 256 * 1024;
/// The maximum number of definitions of a schema.
pub const MAX_DEFINITIONS: usize = 1_000;
/// The maximum nesting depth of objects and arrays in a schema.
pub const MAX_DEPTH: usize = 64;

/// The dialect of schemas.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Checks the root, the number of definitions and their names.
pub(super) fn check(root: OrderedValue<'_>) -> Result<(), SchemaProblem> {
    if !root.is_object() {
        return Err(SchemaProblem::new("", "the schema is not an object with types in `$defs`"));
    }
    if let Some(dialect) = root.get("$schema")
        && dialect.as_str().map(|dialect| dialect.trim_end_matches('#')) != Some(DIALECT)
    {
        return Err(SchemaProblem::new("/$schema", format!("is not {DIALECT:?}, the only supported dialect")));
    }
    let Some(definitions) = root.member("$defs").filter(|definitions| definitions.is_object()) else {
        let nearest = suggestion("member", "$defs", root.members().map(|(name, _)| name));
        return Err(SchemaProblem::new("", format!("the schema has no object `$defs` with the types{nearest}")));
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if let Some(name) =
        definitions.members().map(|(name, _)| name).find(|name| name.is_empty() || !name.chars().all(is_plain))
    {
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
