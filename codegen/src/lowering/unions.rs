//! Unions, enumerations and constants.

use gateway_contracts::OrderedValue;
use serde_json::Value;

use super::{Lowered, Lowering, notes, pointer, tags};
use crate::{
    CodegenError,
    model::{Branch, Constant, Enum, Notes, Shape, Type, Union, Word},
    names::pascal,
};

impl<'a> Lowering<'a, '_> {
    pub(super) fn alternatives(
        &mut self,
        schema: OrderedValue<'a>,
        branches: &[OrderedValue<'a>],
        keyword: &str,
        at: &str,
        name: &str,
    ) -> Result<Lowered, CodegenError> {
        let is_null = |branch: &Value| {
            branch.get("type").is_some_and(|name| name == "null") || branch.get("const").is_some_and(Value::is_null)
        };
        let others: Vec<_> = branches.iter().enumerate().filter(|(_, branch)| !is_null(branch.value())).collect();
        let is_nullable = others.len() < branches.len();
        let place = |index: usize| pointer(at, &[keyword, &index.to_string()]);
        let lowered = match others.as_slice() {
            [] => return Ok(Lowered::Inline(Type::Null)),
            [(index, branch)] => {
                let branch_at = place(*index);
                let chosen = self.chosen_name(**branch, &branch_at)?;
                self.schema(**branch, &branch_at, chosen.as_deref().unwrap_or(name))?
            }
            _ if others.iter().all(|(_, branch)| is_word(branch.value())) => {
                let mut words = Vec::new();
                for (index, branch) in &others {
                    let text = branch.value().get("const").and_then(Value::as_str).unwrap_or_default().to_owned();
                    let chosen = self.chosen_name(**branch, &place(*index))?;
                    let base_name = chosen.unwrap_or_else(|| text.clone());
                    words.push(Word { text, base_name, notes: notes::of(branch.value()) });
                }
                Lowered::Named(Shape::Enum(Enum { words, is_closed: is_closed(schema.value()) }))
            }
            _ => {
                let schemas: Vec<_> = others.iter().map(|(_, branch)| **branch).collect();
                let tags = if keyword == "oneOf" { tags::of(&schemas, self.schema) } else { None };
                let Some((tag, words)) = tags else {
                    return Ok(self.untyped(
                        at,
                        "is a union whose branches do not each require one property with a `const` text",
                    ));
                };
                let mut union = Union { tag, branches: Vec::new(), is_closed: is_closed(schema.value()) };
                for ((index, branch), word) in others.iter().zip(words) {
                    let branch_at = place(*index);
                    let chosen = self.chosen_name(**branch, &branch_at)?;
                    let branch_name = chosen.unwrap_or_else(|| format!("{name}{}", pascal(&word)));
                    let Type::Named(value) = self.within(**branch, &branch_at, &branch_name)? else {
                        return Ok(self.untyped(&branch_at, "is a branch that is no object"));
                    };
                    union.branches.push(Branch { word, value });
                }
                Lowered::Named(Shape::Union(union))
            }
        };
        Ok(if is_nullable { Lowered::Nullable(Box::new(lowered)) } else { lowered })
    }

    pub(super) fn constant(&mut self, value: &Value, at: &str) -> Lowered {
        Lowered::Inline(match value {
            Value::Null => Type::Null,
            Value::Bool(value) => Type::Constant(Constant::Boolean(*value)),
            Value::String(text) => Type::Constant(Constant::Text(text.clone())),
            Value::Number(number) => match number.as_i64() {
                Some(integer) => Type::Constant(Constant::Integer(integer)),
                None => Type::Number,
            },
            Value::Array(_) | Value::Object(_) => return self.untyped(at, "is a constant array or object"),
        })
    }

    pub(super) fn words(&mut self, schema: OrderedValue<'_>, values: &[Value], at: &str) -> Lowered {
        let others: Vec<&Value> = values.iter().filter(|value| !value.is_null()).collect();
        let word = |text: &str| Word { text: text.to_owned(), base_name: text.to_owned(), notes: Notes::default() };
        let words: Option<Vec<Word>> = others.iter().map(|value| value.as_str().map(word)).collect();
        let lowered = match words {
            _ if others.is_empty() => return Lowered::Inline(Type::Null),
            Some(words) => Lowered::Named(Shape::Enum(Enum { words, is_closed: is_closed(schema.value()) })),
            None if others.iter().all(|value| value.is_boolean()) => Lowered::Inline(Type::Boolean),
            None if others.iter().all(|value| value.is_i64()) => {
                self.warn(at, "lists numbers, which are not expressed: it is any integer");
                Lowered::Inline(Type::Integer)
            }
            None => return self.untyped(at, "lists values other than texts"),
        };
        if others.len() < values.len() { Lowered::Nullable(Box::new(lowered)) } else { lowered }
    }
}

/// Returns whether a branch is one word, so that its union is an enumeration whose words have names and descriptions.
pub(crate) fn is_word(branch: &Value) -> bool {
    branch.get("const").is_some_and(Value::is_string) && branch.get("properties").is_none()
}

/// Returns whether a union or enumeration gets no further branches or words.
pub(crate) fn is_closed(schema: &Value) -> bool {
    schema.get("x-closed") == Some(&Value::Bool(true))
}
