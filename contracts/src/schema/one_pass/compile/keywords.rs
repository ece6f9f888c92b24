//! Compiles the keywords of one schema.

use serde_json::{Map, Value};

use super::Compiler;
use crate::schema::{
    DEFINITIONS,
    one_pass::{
        leaf::Leaf,
        node::{ANYTHING, Also, Kinds, Node, Values},
        number::{Limit, MAX_EXACT, Relation},
        object::{MAX_PROPERTIES, ObjectRules, Properties, Property, PropertySet},
    },
    validator::INTEGER_FORMAT,
};

/// Returns whether a keyword says nothing about which values are valid.
pub(super) fn is_annotation(keyword: &str) -> bool {
    const ANNOTATIONS: [&str; 13] = [
        "$comment",
        "title",
        "description",
        "default",
        "deprecated",
        "readOnly",
        "writeOnly",
        "examples",
        "contentEncoding",
        "contentMediaType",
        "contentSchema",
        "x-closed",
        "x-name",
    ];
    ANNOTATIONS.contains(&keyword)
}

impl<'a> Compiler<'a> {
    /// Compiles a schema.
    pub(super) fn node(&mut self, schema: &'a Value) -> Option<Node> {
        let mut node = Node::anything();
        let members = match schema {
            Value::Bool(true) => return Some(node),
            Value::Object(members) => members,
            _ => return None,
        };
        node.has_keywords = false;
        for (keyword, value) in members {
            node.has_keywords |= self.keyword(&mut node, keyword, value)?;
        }
        node.object = self.object(members)?.map(Box::new);
        node.has_keywords |= node.object.is_some() || node.also.is_empty();
        Some(node)
    }

    /// Compiles a keyword. Returns whether it concerns the value itself, and is not a further schema.
    fn keyword(&mut self, node: &mut Node, keyword: &str, value: &'a Value) -> Option<bool> {
        match keyword {
            "type" => node.kinds = kinds(value)?,
            "const" => node.values = Some(values(std::slice::from_ref(value), node.values.is_some())?),
            "enum" => node.values = Some(values(value.as_array()?, node.values.is_some())?),
            "minLength" => node.text.min_length = Some(value.as_u64()?),
            "maxLength" => node.text.max_length = Some(value.as_u64()?),
            "pattern" => node.text.leaves.push(self.leaf("pattern", value.as_str()?, Leaf::pattern)?),
            // The formats of integers have a keyword of their own.
            "format" if matches!(value.as_str()?, "int32" | "int64") => {}
            "format" => node.text.leaves.push(self.leaf("format", value.as_str()?, Leaf::format)?),
            INTEGER_FORMAT => node.number.range = Some(range(value)?),
            "minimum" => node.number.limits.push((Relation::AtLeast, limit(value)?)),
            "maximum" => node.number.limits.push((Relation::AtMost, limit(value)?)),
            "exclusiveMinimum" => node.number.limits.push((Relation::Over, limit(value)?)),
            "exclusiveMaximum" => node.number.limits.push((Relation::Under, limit(value)?)),
            "multipleOf" => node.number.multiple_of = Some(factor(value)?),
            "minItems" => node.array.min_items = Some(value.as_u64()?),
            "maxItems" => node.array.max_items = Some(value.as_u64()?),
            "items" => node.array.items = self.schema(value)?,
            "uniqueItems" if *value == Value::Bool(false) => {}
            // The keywords for objects are compiled together.
            "properties" | "required" | "additionalProperties" | "minProperties" | "maxProperties" => {}
            "$ref" => {
                let target = self.reference(value.as_str()?.strip_prefix(DEFINITIONS)?)?;
                node.also.push(Also::Schema(target));
                return Some(false);
            }
            "allOf" => {
                for schema in value.as_array()? {
                    node.also.push(Also::Schema(self.schema(schema)?));
                }
                return Some(false);
            }
            "oneOf" | "anyOf" => {
                node.also.push(self.union(value)?);
                return Some(false);
            }
            annotation => return is_annotation(annotation).then_some(false),
        }
        Some(true)
    }

    /// Compiles the keywords for objects, if there are any.
    fn object(&mut self, members: &'a Map<String, Value>) -> Option<Option<ObjectRules>> {
        let names = ["properties", "required", "additionalProperties", "minProperties", "maxProperties"];
        if !names.iter().any(|name| members.contains_key(*name)) {
            return Some(None);
        }
        let others = match members.get("additionalProperties") {
            None | Some(Value::Bool(true)) => Some(ANYTHING),
            Some(Value::Bool(false)) => None,
            Some(schema) => Some(self.schema(schema)?),
        };
        let mut properties = Vec::new();
        for (name, schema) in members.get("properties").and_then(Value::as_object).into_iter().flatten() {
            properties.push(Property { name: name.clone(), schema: self.schema(schema)? });
        }
        let mut required_names = Vec::new();
        for name in members.get("required").and_then(Value::as_array).into_iter().flatten() {
            let name = name.as_str()?;
            required_names.push(name);
            if !properties.iter().any(|property| property.name == name) {
                // No object has a member that is both required and refused.
                properties.push(Property { name: name.to_owned(), schema: others? });
            }
        }
        if properties.len() > MAX_PROPERTIES {
            return None;
        }
        let count = |name: &str| members.get(name).map(|count| count.as_u64().ok_or(()));
        let mut rules = ObjectRules {
            properties: Properties::new(properties),
            required: PropertySet::default(),
            others,
            min_members: count("minProperties").transpose().ok()?,
            max_members: count("maxProperties").transpose().ok()?,
        };
        for name in required_names {
            let (index, _) = rules.properties.find(name)?;
            // JSON Schema refuses a name that is required twice.
            rules.required.insert(index)?;
        }
        Some(Some(rules))
    }
}

/// Returns the kinds of the keyword `type`.
fn kinds(value: &Value) -> Option<Kinds> {
    let names = match value {
        Value::Array(names) => names.as_slice(),
        name => std::slice::from_ref(name),
    };
    let mut kinds = Kinds::NONE;
    for name in names {
        kinds = kinds.or(Kinds::named(name.as_str()?)?);
    }
    Some(kinds)
}

/// Returns the values of `enum` or `const`. A schema with both is not compiled.
fn values(list: &[Value], is_second: bool) -> Option<Values> {
    let mut values = Values::default();
    for value in list {
        match value {
            Value::String(text) => values.texts.push(text.clone()),
            Value::Bool(word) => values.words.push(Some(*word)),
            Value::Null => values.words.push(None),
            Value::Number(number) => values.integers.push(number.as_i64()?),
            Value::Array(_) | Value::Object(_) => return None,
        }
    }
    values.texts.sort_unstable();
    (!is_second).then_some(values)
}

fn limit(value: &Value) -> Option<Limit> {
    value.as_i64().map(Limit::Integer).or_else(|| {
        // A larger whole number is not exact as a floating-point number.
        value.as_f64().filter(|_| value.is_f64()).map(Limit::Float)
    })
}

fn factor(value: &Value) -> Option<i64> {
    value.as_i64().filter(|factor| (1..=MAX_EXACT).contains(factor))
}

fn range(value: &Value) -> Option<(i64, i64)> {
    match value.as_str()? {
        "int32" => Some((i32::MIN.into(), i32::MAX.into())),
        "int64" => Some((i64::MIN, i64::MAX)),
        _ => None,
    }
}
