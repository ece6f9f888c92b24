//! The expressions that read JSON into the types of a file, and write it again.

use std::collections::BTreeSet;

use super::Emitter;
use crate::model::{Constant, Shape, Type, TypeId};

impl Emitter<'_> {
    /// Returns the expression of a function that reads a type.
    pub(super) fn decoder(&self, value: &Type) -> String {
        match value {
            Type::Named(id) => match &self.model.definition(*id).shape {
                Shape::Object(_) => format!("{}.decode", self.name(*id)),
                Shape::Enum(words) if !words.is_closed => "codec.text".to_owned(),
                Shape::Enum(_) | Shape::Union(_) | Shape::Alias(_) => self.function("decode", *id),
            },
            Type::Nullable(inner) => format!("codec.nullable({})", self.decoder(inner)),
            Type::Array(inner) => format!("codec.array({})", self.decoder(inner)),
            Type::Map(inner) => format!("codec.mapping({})", self.decoder(inner)),
            Type::Text | Type::Constant(Constant::Text(_)) => "codec.text".to_owned(),
            Type::Boolean | Type::Constant(Constant::Boolean(_)) => "codec.boolean".to_owned(),
            Type::Int32 | Type::Int64 | Type::Integer | Type::Constant(Constant::Integer(_)) => {
                "codec.integer".to_owned()
            }
            Type::Number => "codec.number".to_owned(),
            Type::Null => "codec.null".to_owned(),
            Type::Untyped => "codec.anything".to_owned(),
        }
    }

    /// Returns the expression that writes a variable of a type.
    pub(super) fn encoded(&self, value: &Type, variable: &str) -> String {
        self.encoded_within(value, variable, 0)
    }

    fn encoded_within(&self, value: &Type, variable: &str, depth: usize) -> String {
        if self.is_json(value) {
            return variable.to_owned();
        }
        let item = if depth == 0 { "item".to_owned() } else { format!("item{depth}") };
        match value {
            Type::Named(id) => match &self.model.definition(*id).shape {
                Shape::Alias(_) => format!("{}({variable})", self.function("encode", *id)),
                _ => format!("{variable}.encode()"),
            },
            Type::Nullable(inner) => {
                format!("None if {variable} is None else {}", self.encoded_within(inner, variable, depth))
            }
            Type::Array(inner) => {
                format!("[{} for {item} in {variable}]", self.encoded_within(inner, &item, depth + 1))
            }
            Type::Map(inner) => {
                let name = format!("name{depth}");
                let written = self.encoded_within(inner, &item, depth + 1);
                format!("{{{name}: {written} for {name}, {item} in {variable}.items()}}")
            }
            _ => variable.to_owned(),
        }
    }

    /// Returns whether the values of a type are JSON already: texts, numbers, and lists and dictionaries of these.
    pub(super) fn is_json(&self, value: &Type) -> bool {
        self.is_json_within(value, &mut BTreeSet::new())
    }

    /// An alias that contains itself consists of the rest of it.
    fn is_json_within(&self, value: &Type, seen: &mut BTreeSet<TypeId>) -> bool {
        match value {
            Type::Named(id) => match &self.model.definition(*id).shape {
                Shape::Object(_) | Shape::Union(_) => false,
                Shape::Enum(_) => true,
                Shape::Alias(inner) => !seen.insert(*id) || self.is_json_within(inner, seen),
            },
            Type::Nullable(inner) | Type::Array(inner) | Type::Map(inner) => self.is_json_within(inner, seen),
            _ => true,
        }
    }
}
