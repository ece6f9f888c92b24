//! The keywords of JSON Schema 2020-12, and the schemas within a schema.

use serde_json::Value;

use crate::{ordered::OrderedValue, unique_json::push_name};

/// What the value of a keyword is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// A schema that applies to the same value.
    InPlace,
    /// Schemas that apply to the same value.
    InPlaceList,
    /// Schemas by the name of a member, which apply to the same value.
    InPlaceMap,
    /// A schema of a part of the value, or an annotation.
    Schema,
    /// Schemas of parts of the value.
    List,
    /// Schemas of parts of the value, or definitions, by name.
    Map,
    /// No schema.
    Value,
}

/// The supported keywords.
pub(super) const KEYWORDS: [(&str, Holds); 55] = [
    ("$schema", Holds::Value),
    ("$id", Holds::Value),
    ("$ref", Holds::Value),
    ("$defs", Holds::Map),
    ("$comment", Holds::Value),
    ("allOf", Holds::InPlaceList),
    ("anyOf", Holds::InPlaceList),
    ("oneOf", Holds::InPlaceList),
    ("not", Holds::InPlace),
    ("if", Holds::InPlace),
    ("then", Holds::InPlace),
    ("else", Holds::InPlace),
    ("dependentSchemas", Holds::InPlaceMap),
    ("prefixItems", Holds::List),
    ("items", Holds::Schema),
    ("contains", Holds::Schema),
    ("properties", Holds::Map),
    ("patternProperties", Holds::Map),
    ("additionalProperties", Holds::Schema),
    ("propertyNames", Holds::Schema),
    ("unevaluatedItems", Holds::Schema),
    ("unevaluatedProperties", Holds::Schema),
    ("type", Holds::Value),
    ("enum", Holds::Value),
    ("const", Holds::Value),
    ("multipleOf", Holds::Value),
    ("maximum", Holds::Value),
    ("exclusiveMaximum", Holds::Value),
    ("minimum", Holds::Value),
    ("exclusiveMinimum", Holds::Value),
    ("maxLength", Holds::Value),
    ("minLength", Holds::Value),
    ("pattern", Holds::Value),
    ("maxItems", Holds::Value),
    ("minItems", Holds::Value),
    ("uniqueItems", Holds::Value),
    ("maxContains", Holds::Value),
    ("minContains", Holds::Value),
    ("maxProperties", Holds::Value),
    ("minProperties", Holds::Value),
    ("required", Holds::Value),
    ("dependentRequired", Holds::Value),
    ("format", Holds::Value),
    ("title", Holds::Value),
    ("description", Holds::Value),
    ("default", Holds::Value),
    ("deprecated", Holds::Value),
    ("readOnly", Holds::Value),
    ("writeOnly", Holds::Value),
    ("examples", Holds::Value),
    ("contentEncoding", Holds::Value),
    ("contentMediaType", Holds::Value),
    ("contentSchema", Holds::Schema),
    ("x-closed", Holds::Value),
    ("x-name", Holds::Value),
];

/// Keywords of other dialects that would be ignored silently, and what to write instead.
pub(super) const REFUSED_KEYWORDS: [(&str, &str); 10] = [
    ("definitions", "move the types to `$defs`"),
    ("dependencies", "write `dependentRequired` or `dependentSchemas`"),
    ("additionalItems", "write `items`, after `prefixItems`"),
    ("nullable", "write `\"type\": [\"string\", \"null\"]` or a branch of `anyOf`"),
    ("$anchor", "refer to the type by `#/$defs/NAME`"),
    ("$dynamicRef", "write `$ref`"),
    ("$dynamicAnchor", "refer to the type by `#/$defs/NAME`"),
    ("$recursiveRef", "write `$ref`"),
    ("$recursiveAnchor", "refer to the type by `#/$defs/NAME`"),
    ("$vocabulary", "it belongs to a meta-schema"),
];

/// A schema within the document.
pub(super) struct Subschema<'a> {
    pub(super) pointer: String,
    pub(super) value: OrderedValue<'a>,
}

impl Subschema<'_> {
    /// Returns the pointer of a keyword of this schema.
    pub(super) fn keyword(&self, keyword: &str) -> String {
        let mut pointer = self.pointer.clone();
        push_name(&mut pointer, keyword);
        pointer
    }

    /// Returns the number of definitions in this schema, without those of schemas below.
    pub(super) fn definitions(&self) -> usize {
        self.value.get("$defs").and_then(Value::as_object).map_or(0, serde_json::Map::len)
    }

    /// Returns the pointers of the schemas that apply to the same value, except for that of `$ref`.
    pub(super) fn in_place(&self) -> Vec<String> {
        let is_in_place = |holds| matches!(holds, Holds::InPlace | Holds::InPlaceList | Holds::InPlaceMap);
        children(self.pointer.clone(), self.value, is_in_place).into_iter().map(|child| child.pointer).collect()
    }
}

/// Returns all schemas of a document, the root first, in the order of the file.
pub(super) fn subschemas(root: OrderedValue<'_>) -> Vec<Subschema<'_>> {
    let mut found = Vec::new();
    collect(Subschema { pointer: String::new(), value: root }, &mut found);
    found
}

// The depth of the document bounds the recursion.
fn collect<'a>(schema: Subschema<'a>, found: &mut Vec<Subschema<'a>>) {
    let below = children(schema.pointer.clone(), schema.value, |_| true);
    found.push(schema);
    for child in below {
        collect(child, found);
    }
}

fn children<'a>(pointer: String, schema: OrderedValue<'a>, include: impl Fn(Holds) -> bool) -> Vec<Subschema<'a>> {
    let mut children = Vec::new();
    for (keyword, value) in schema.members() {
        let Some((_, holds)) = KEYWORDS.iter().find(|(name, holds)| *name == keyword && include(*holds)) else {
            continue;
        };
        let mut pointer = pointer.clone();
        push_name(&mut pointer, keyword);
        let mut push = |name: &str, value| {
            let mut pointer = pointer.clone();
            push_name(&mut pointer, name);
            children.push(Subschema { pointer, value });
        };
        match holds {
            Holds::InPlaceList | Holds::List => {
                value.elements().enumerate().for_each(|(index, value)| push(&index.to_string(), value));
            }
            Holds::InPlaceMap | Holds::Map => {
                value.members().for_each(|(name, value)| push(name, value));
            }
            Holds::InPlace | Holds::Schema => children.push(Subschema { pointer, value }),
            Holds::Value => {}
        }
    }
    children
}
