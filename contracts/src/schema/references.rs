//! References between the types of a document: each stays in the file and leads somewhere.

use std::collections::HashMap;

use serde_json::Value;

use super::{DEFINITIONS, SchemaProblem, keywords::Subschema};
use crate::nearest::nearest;

/// The maximum number of schemas that apply to one value, one within or through the other.
///
/// It bounds the stack that a validation uses, together with the depth of the data.
const MAX_IN_PLACE: usize = 32;

/// The references of a document, by the index of the schema that has the `$ref`.
pub(super) type References = HashMap<usize, usize>;

/// Finds the target of each `$ref`.
pub(super) fn resolve(schemas: &[Subschema<'_>]) -> Result<References, SchemaProblem> {
    let positions: HashMap<&str, usize> =
        schemas.iter().enumerate().map(|(index, schema)| (schema.pointer.as_str(), index)).collect();
    let mut references = References::new();
    for (index, schema) in schemas.iter().enumerate() {
        let Some(reference) = schema.value.get("$ref").and_then(Value::as_str) else { continue };
        let refuse = |text: String| Err(SchemaProblem::new(schema.keyword("$ref"), text));
        // Types are what contracts and generated code name, so a reference into a type has no use.
        let is_type = |name: &&str| !name.contains('/');
        let Some(name) = reference.strip_prefix(DEFINITIONS).filter(is_type) else {
            return refuse(format!("is {reference:?}: references name a type of the file as `{DEFINITIONS}NAME`"));
        };
        let pointer = |name: &str| format!("/$defs/{name}");
        let Some(target) = positions.get(pointer(name).as_str()) else {
            let types = positions.keys().filter_map(|pointer| pointer.strip_prefix("/$defs/"));
            let mut types: Vec<&str> = types.filter(is_type).collect();
            types.sort_unstable();
            let nearest = nearest(name, types).map(|name| format!("; the nearest one is `{DEFINITIONS}{name}`"));
            return refuse(format!("is {reference:?}, which is not in `$defs`{}", nearest.unwrap_or_default()));
        };
        references.insert(index, *target);
    }
    Ok(references)
}

/// Refuses references that lead back to the same schema for the same value: their validation would not end.
pub(super) fn check_cycles(schemas: &[Subschema<'_>], references: &References) -> Result<(), SchemaProblem> {
    let positions: HashMap<&str, usize> =
        schemas.iter().enumerate().map(|(index, schema)| (schema.pointer.as_str(), index)).collect();
    let mut heights = vec![Height::Unknown; schemas.len()];
    for index in 0..schemas.len() {
        let mut walk = Walk { schemas, references, positions: &positions, heights: &mut heights };
        walk.height(index, 0)?;
    }
    Ok(())
}

/// The length of the longest chain of schemas below one that apply to the same value.
#[derive(Clone, Copy)]
enum Height {
    Unknown,
    /// The schema is on the chain that is being followed.
    Open,
    Known(usize),
}

struct Walk<'a> {
    schemas: &'a [Subschema<'a>],
    references: &'a References,
    positions: &'a HashMap<&'a str, usize>,
    heights: &'a mut [Height],
}

impl Walk<'_> {
    /// Returns the height of a schema. The depth of the recursion is bounded by `MAX_IN_PLACE`.
    fn height(&mut self, index: usize, depth: usize) -> Result<usize, SchemaProblem> {
        let Some(schema) = self.schemas.get(index) else { return Ok(0) };
        let too_long = || {
            let text = format!("has over {MAX_IN_PLACE} schemas one within the other that apply to the same value");
            Err(SchemaProblem::new(schema.pointer.clone(), text))
        };
        match self.heights.get(index) {
            Some(Height::Known(height)) if depth + height > MAX_IN_PLACE => return too_long(),
            Some(Height::Known(height)) => return Ok(*height),
            Some(Height::Open) => {
                let text = "refers to itself without end: its value would have to be validated against it again";
                return Err(SchemaProblem::new(schema.pointer.clone(), text));
            }
            _ if depth > MAX_IN_PLACE => return too_long(),
            _ => {}
        }
        self.set(index, Height::Open);
        let below = schema.in_place().into_iter().filter_map(|pointer| self.positions.get(pointer.as_str()).copied());
        let below: Vec<usize> = below.chain(self.references.get(&index).copied()).collect();
        let mut height = 0;
        for next in below {
            height = height.max(self.height(next, depth + 1)? + 1);
        }
        self.set(index, Height::Known(height));
        Ok(height)
    }

    fn set(&mut self, index: usize, height: Height) {
        if let Some(slot) = self.heights.get_mut(index) {
            *slot = height;
        }
    }
}
