//! The words of enumerations and constants.

use serde_json::Value;

use super::schemas::{Comparison, Place};
use crate::lowering::{is_closed, is_word};

/// The values that a schema lists.
pub(super) struct Words {
    values: Vec<Value>,
    /// Whether readers know that no others come.
    is_closed: bool,
}

/// Returns the words of an `enum`, a `const`, or a `oneOf` of constants, without `null`.
pub(super) fn of(place: &Place<'_>) -> Option<Words> {
    if let Some(value) = place.get("const") {
        return Some(Words { values: vec![value.clone()], is_closed: true });
    }
    let is_closed = is_closed(place.value.value());
    if let Some(Value::Array(values)) = place.get("enum") {
        let values = values.iter().filter(|value| !value.is_null()).cloned().collect();
        return Some(Words { values, is_closed });
    }
    let branches = place.list("oneOf");
    let branches: Vec<_> =
        branches.iter().filter(|branch| branch.get("type").is_none_or(|name| name != "null")).collect();
    let is_list = !branches.is_empty() && branches.iter().all(|branch| is_word(branch.value.value()));
    let values = branches.iter().filter_map(|branch| branch.get("const").cloned());
    is_list.then(|| Words { values: values.collect(), is_closed })
}

impl Comparison<'_> {
    /// Compares the values that schemas list. `None` lists none, so that all are valid.
    pub(super) fn compare_words(&mut self, at: &str, old: Option<Words>, new: Option<Words>) {
        let (old, new) = match (old, new) {
            (None, None) => return,
            (None, Some(_)) => return self.add(at, "only listed words are valid", self.direction.sent),
            (Some(old), None) => {
                let is_breaking = self.direction.received && old.is_closed;
                return self.add(at, "words that are not listed are valid", is_breaking);
            }
            (Some(old), Some(new)) => (old, new),
        };
        for word in old.values.iter().filter(|word| !new.values.contains(word)) {
            self.add(at, format!("the word {word} was removed"), self.direction.sent);
        }
        for word in new.values.iter().filter(|word| !old.values.contains(word)) {
            self.add(at, format!("the word {word} was added"), self.direction.received && old.is_closed);
        }
    }
}
