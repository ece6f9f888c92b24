//! The comparison of two schemas, keyword by keyword and field by field.

use std::{cmp::Ordering, collections::BTreeSet};

use serde_json::{Map, Value};

use super::{Difference, difference::Bound};

/// Keywords that describe a value without constraining it.
const ANNOTATIONS: [&str; 10] =
    ["$comment", "$defs", "$id", "$schema", "deprecated", "description", "readOnly", "title", "writeOnly", "$ref"];

/// Keywords that have a comparison of their own below.
const COMPARED: [&str; 7] = ["default", "enum", "examples", "items", "properties", "required", "type"];

/// Keywords that allow fewer values the larger they are, and those that allow fewer values the smaller they are.
const LOWER_BOUNDS: [&str; 5] = ["exclusiveMinimum", "minItems", "minLength", "minProperties", "minimum"];
const UPPER_BOUNDS: [&str; 5] = ["exclusiveMaximum", "maxItems", "maxLength", "maxProperties", "maximum"];

/// How deep schemas are followed. Messages nest less; a schema that refers to itself would never end.
const MAX_DEPTH: usize = 32;

/// The differences that were found between two documents.
pub(super) struct Differences<'a> {
    old_document: &'a Value,
    new_document: &'a Value,
    found: Vec<(String, Difference)>,
    depth: usize,
}

impl<'a> Differences<'a> {
    pub(super) fn new(old_document: &'a Value, new_document: &'a Value) -> Self {
        Self { old_document, new_document, found: Vec::new(), depth: 0 }
    }

    pub(super) fn add(&mut self, path: &str, difference: Difference) {
        self.found.push((path.to_owned(), difference));
    }

    /// Compares the schemas at one path, and those of its fields and list elements.
    pub(super) fn compare(&mut self, path: &str, old: &Value, new: &Value) {
        if self.depth == MAX_DEPTH {
            return;
        }
        self.depth += 1;
        let (old, new) = (resolve(self.old_document, old), resolve(self.new_document, new));
        self.compare_types(path, old, new);
        self.compare_bounds(path, old, new);
        self.compare_words(path, old, new);
        self.compare_constraints(path, old, new);
        self.compare_fields(path, old, new);
        self.compare_elements(path, old, new);
        self.depth -= 1;
    }

    fn compare_types(&mut self, path: &str, old: &Value, new: &Value) {
        let text = |schema: &Value, keyword: &str, absent: &str| {
            schema.get(keyword).map_or_else(|| absent.to_owned(), |value| value.to_string().replace('"', ""))
        };
        let types = [old, new].map(|schema| text(schema, "type", "any"));
        if let [old, new] = types
            && old != new
        {
            self.add(path, Difference::TypeChanged { old, new });
        }
        if old.get("default") != new.get("default") {
            let [old, new] = [old, new].map(|schema| text(schema, "default", "none"));
            self.add(path, Difference::DefaultChanged { old, new });
        }
    }

    fn compare_bounds(&mut self, path: &str, old: &Value, new: &Value) {
        for (keywords, is_upper) in [(LOWER_BOUNDS, false), (UPPER_BOUNDS, true)] {
            for keyword in keywords {
                let values = [old, new].map(|schema| schema.get(keyword));
                let narrowed = match values.map(|value| value.and_then(Value::as_f64)) {
                    [Some(old), Some(new)] => match (old.partial_cmp(&new), is_upper) {
                        (Some(Ordering::Greater), true) | (Some(Ordering::Less), false) => true,
                        (Some(Ordering::Less), true) | (Some(Ordering::Greater), false) => false,
                        _ => continue,
                    },
                    [None, Some(_)] => true,
                    [Some(_), None] => false,
                    [None, None] => continue,
                };
                let [old, new] = values.map(|value| value.map_or_else(|| "none".to_owned(), Value::to_string));
                let bound = Bound { keyword, old, new };
                self.add(
                    path,
                    if narrowed { Difference::BoundNarrowed(bound) } else { Difference::BoundWidened(bound) },
                );
            }
        }
    }

    /// Compares the words of enumerations: those of `enum`, and the `examples` of an open enumeration.
    fn compare_words(&mut self, path: &str, old: &Value, new: &Value) {
        for keyword in ["enum", "examples"] {
            let [old_words, new_words] = [old, new].map(|schema| words(schema, keyword));
            if keyword == "enum" && old_words.is_empty() != new_words.is_empty() {
                self.add(path, Difference::ConstraintChanged(keyword.to_owned()));
                continue;
            }
            let missing_in = |words: &[String], word: &&String| !words.contains(word);
            for word in old_words.iter().filter(|word| missing_in(&new_words, word)) {
                self.add(path, Difference::WordRemoved(word.clone()));
            }
            for word in new_words.iter().filter(|word| missing_in(&old_words, word)) {
                self.add(path, Difference::WordAdded(word.clone()));
            }
        }
    }

    fn compare_constraints(&mut self, path: &str, old: &Value, new: &Value) {
        let keywords: BTreeSet<_> = [old, new].into_iter().filter_map(Value::as_object).flat_map(Map::keys).collect();
        for keyword in keywords {
            let lists: [&[&str]; 4] = [&ANNOTATIONS, &COMPARED, &LOWER_BOUNDS, &UPPER_BOUNDS];
            let is_elsewhere = lists.iter().any(|list| list.contains(&keyword.as_str()));
            if !is_elsewhere && old.get(keyword) != new.get(keyword) {
                self.add(path, Difference::ConstraintChanged(keyword.clone()));
            }
        }
    }

    fn compare_fields(&mut self, path: &str, old: &Value, new: &Value) {
        let (old_fields, new_fields) = (fields(old), fields(new));
        for (name, old_field) in old_fields.into_iter().flatten() {
            let path = format!("{path}.{name}");
            let Some(new_field) = new_fields.and_then(|fields| fields.get(name)) else {
                self.add(&path, Difference::FieldRemoved);
                continue;
            };
            match (is_required(old, name), is_required(new, name)) {
                (false, true) => self.add(&path, Difference::BecameRequired),
                (true, false) => self.add(&path, Difference::BecameOptional),
                _ => {}
            }
            self.compare(&path, old_field, new_field);
        }
        for name in new_fields.into_iter().flat_map(Map::keys) {
            if old_fields.is_none_or(|fields| !fields.contains_key(name)) {
                self.add(&format!("{path}.{name}"), Difference::FieldAdded { required: is_required(new, name) });
            }
        }
    }

    fn compare_elements(&mut self, path: &str, old: &Value, new: &Value) {
        match (old.get("items"), new.get("items")) {
            (Some(old), Some(new)) => self.compare(&format!("{path}[]"), old, new),
            (None, None) => {}
            _ => self.add(path, Difference::ConstraintChanged("items".to_owned())),
        }
    }
}

impl IntoIterator for Differences<'_> {
    type Item = (String, Difference);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.found.into_iter()
    }
}

/// Follows a reference to a definition of the same document, such as `#/$defs/BlockUser`.
pub(super) fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let pointer = schema.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| document.pointer(pointer)).unwrap_or(schema)
}

fn fields(schema: &Value) -> Option<&Map<String, Value>> {
    schema.get("properties")?.as_object()
}

fn is_required(schema: &Value, name: &str) -> bool {
    let required = schema.get("required").and_then(Value::as_array);
    required.is_some_and(|required| required.iter().any(|word| word == name))
}

fn words(schema: &Value, keyword: &str) -> Vec<String> {
    let words = schema.get(keyword).and_then(Value::as_array).into_iter().flatten();
    words.map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned)).collect()
}
