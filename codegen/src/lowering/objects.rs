//! Objects, maps and arrays.

use gateway_contracts::OrderedValue;
use serde_json::Value;

use super::{Lowered, Lowering, notes, pointer};
use crate::{
    CodegenError, Warning,
    go::is_tag_name,
    model::{Field, Notes, Object, Shape, Type},
    names::pascal,
};

impl<'a> Lowering<'a, '_> {
    pub(super) fn array(&mut self, schema: OrderedValue<'a>, at: &str, name: &str) -> Result<Lowered, CodegenError> {
        if schema.value().get("prefixItems").is_some() {
            return Ok(self.untyped(at, "has a type for each position, by `prefixItems`"));
        }
        let Some(items) = schema.member("items").filter(|items| items.value().is_object()) else {
            self.warn(at, "has no `items`: its elements stay untyped");
            return Ok(Lowered::Inline(Type::Array(Box::new(Type::Untyped))));
        };
        let items_at = pointer(at, &["items"]);
        let chosen = self.chosen_name(items, &items_at)?;
        let item = self.within(items, &items_at, &chosen.unwrap_or_else(|| format!("{name}Item")))?;
        Ok(Lowered::Inline(Type::Array(Box::new(item))))
    }

    pub(super) fn object(&mut self, schema: OrderedValue<'a>, at: &str, name: &str) -> Result<Lowered, CodegenError> {
        let properties: Vec<_> = schema.member("properties").into_iter().flat_map(OrderedValue::members).collect();
        let required: Vec<&str> = schema
            .value()
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let additional = schema.member("additionalProperties").filter(|it| it.value().is_object());
        let patterns: Vec<_> = schema.member("patternProperties").into_iter().flat_map(OrderedValue::members).collect();
        if properties.is_empty() && required.is_empty() {
            return self.map(schema, additional, &patterns, at, name);
        }
        if additional.is_some() || !patterns.is_empty() {
            self.warn(at, "allows further members of a type, which are not expressed");
        }
        let mut fields = Vec::new();
        for (member, property) in &properties {
            let member_at = pointer(at, &["properties", member]);
            let base_name = self.chosen_name(*property, &member_at)?.unwrap_or_else(|| (*member).to_owned());
            let value = self.within(*property, &member_at, &format!("{name}{}", pascal(&base_name)))?;
            // Go writes required constants with any name.
            let is_constant = matches!(value, Type::Constant(_)) && required.contains(member);
            if !is_tag_name(member) && !is_constant {
                self.note_unusual_name(&member_at);
            }
            fields.push(Field {
                name: (*member).to_owned(),
                base_name,
                position: self.position(&member_at),
                notes: notes::of(property.value()),
                is_required: required.contains(member),
                is_time: property.value().get("format").is_some_and(|format| format == "date-time"),
                value,
            });
        }
        for member in required.iter().filter(|member| !properties.iter().any(|(name, _)| name == *member)) {
            let member_at = pointer(at, &["required"]);
            self.warn(&member_at, &format!("names `{member}`, which is not in `properties`: it stays untyped"));
            fields.push(Field {
                name: (*member).to_owned(),
                base_name: (*member).to_owned(),
                position: self.position(&member_at),
                notes: Notes::default(),
                is_required: true,
                is_time: false,
                value: Type::Untyped,
            });
        }
        Ok(Lowered::Named(Shape::Object(Object { fields })))
    }

    /// Notes a member that Go leaves out.
    fn note_unusual_name(&mut self, at: &str) {
        let text = "has a name that `encoding/json` cannot write: it is left out".to_owned();
        self.model.unusual_names.push(Warning { file: self.file.clone(), pointer: at.to_owned(), text });
    }

    /// Turns an object without known members into a map.
    pub(super) fn map(
        &mut self,
        schema: OrderedValue<'a>,
        additional: Option<OrderedValue<'a>>,
        patterns: &[(&'a str, OrderedValue<'a>)],
        at: &str,
        name: &str,
    ) -> Result<Lowered, CodegenError> {
        let values = match (additional, patterns) {
            (Some(values), []) => Some((values, pointer(at, &["additionalProperties"]))),
            (None, [(pattern, values)]) => Some((*values, pointer(at, &["patternProperties", pattern]))),
            (None, []) => None,
            _ => return Ok(self.untyped(at, "has members of several types")),
        };
        let value = match values {
            Some((values, values_at)) => {
                let chosen = self.chosen_name(values, &values_at)?;
                self.within(values, &values_at, &chosen.unwrap_or_else(|| format!("{name}Value")))?
            }
            None if schema.value().get("properties").is_some()
                || schema.value().get("additionalProperties") == Some(&Value::Bool(false)) =>
            {
                return Ok(Lowered::Named(Shape::Object(Object { fields: Vec::new() })));
            }
            None => Type::Untyped,
        };
        Ok(Lowered::Inline(Type::Map(Box::new(value))))
    }
}
