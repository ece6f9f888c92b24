//! Compiles unions whose data itself says which branch applies to it. No other branch accepts the data then, so `oneOf`
//! and `anyOf` mean the same.

use serde_json::Value;

use super::Compiler;
use crate::schema::{
    explain::{resolve, tags},
    one_pass::node::{Also, Kinds},
};

impl<'a> Compiler<'a> {
    /// Compiles the branches of `oneOf` or `anyOf`.
    pub(super) fn union(&mut self, value: &'a Value) -> Option<Also> {
        let list = value.as_array()?;
        if let Some(tags) = tags(list, self.definitions) {
            let mut branches = Vec::with_capacity(tags.len());
            for ((_, tag), branch) in tags.iter().zip(list) {
                branches.push((tag.as_str()?.to_owned(), self.schema(branch)?));
            }
            branches.sort_unstable();
            let (name, _) = tags.first()?;
            return Some(Also::Tagged { name: (*name).to_owned(), branches });
        }
        let mut found = Kinds::NONE;
        let mut branches = Vec::with_capacity(list.len());
        for branch in list {
            let kinds = self.kinds(branch);
            (!kinds.overlaps(found)).then_some(())?;
            found = found.or(kinds);
            branches.push((kinds, self.schema(branch)?));
        }
        Some(Also::OfKinds(branches))
    }

    /// Returns the kinds of values that a schema may accept. All numbers are of one kind here.
    fn kinds(&self, schema: &Value) -> Kinds {
        let schema = resolve(schema, self.definitions);
        let list = |keyword: &str| match schema.get(keyword) {
            Some(Value::Array(values)) => Some(values.as_slice()),
            Some(value) => Some(std::slice::from_ref(value)),
            None => None,
        };
        let kind_of = |value: &Value| match value {
            Value::Null => Kinds::NULL,
            Value::Bool(_) => Kinds::BOOLEAN,
            Value::String(_) => Kinds::STRING,
            Value::Number(_) => Kinds::NUMBER,
            Value::Array(_) => Kinds::ARRAY,
            Value::Object(_) => Kinds::OBJECT,
        };
        let named = |name: &Value| match name.as_str() {
            Some("integer") => Kinds::NUMBER,
            Some(name) => Kinds::named(name).unwrap_or(Kinds::ALL),
            None => Kinds::ALL,
        };
        let all = |kinds: &mut dyn Iterator<Item = Kinds>| kinds.fold(Kinds::NONE, Kinds::or);
        if let Some(names) = list("type") {
            return all(&mut names.iter().map(named));
        }
        if let Some(value) = schema.get("const") {
            return kind_of(value);
        }
        list("enum").map_or(Kinds::ALL, |values| all(&mut values.iter().map(kind_of)))
    }
}
