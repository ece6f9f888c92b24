//! The comparison of two schemas, from a type of the contract down.

use std::collections::{BTreeSet, VecDeque};

use gateway_contracts::{OrderedValue, Schema};
use serde_json::Value;

use super::Change;
use crate::lowering::{is_closed, pointer, tags};

/// Keywords whose effect is not analysed: each difference within them counts as breaking.
const OPAQUE: [&str; 13] = [
    "not",
    "if",
    "then",
    "else",
    "contains",
    "minContains",
    "maxContains",
    "propertyNames",
    "dependentSchemas",
    "dependentRequired",
    "unevaluatedItems",
    "unevaluatedProperties",
    "contentSchema",
];

/// Keywords that say nothing about valid values.
const ANNOTATIONS: [&str; 11] = [
    "title",
    "description",
    "default",
    "deprecated",
    "readOnly",
    "writeOnly",
    "examples",
    "$comment",
    "x-name",
    "x-closed",
    "$defs",
];

/// Which way data of a type goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Direction {
    /// Clients send it.
    pub(super) sent: bool,
    /// Clients receive it.
    pub(super) received: bool,
    /// Clients receive old data too, from the history.
    pub(super) replayed: bool,
}

impl Direction {
    pub(super) const SENT: Self = Self { sent: true, received: false, replayed: false };
    pub(super) const RECEIVED: Self = Self { sent: false, received: true, replayed: false };
    const ALL: Self = Self { sent: true, received: true, replayed: true };
}

/// A schema and its position.
#[derive(Clone)]
pub(super) struct Place<'a> {
    pub(super) pointer: String,
    pub(super) value: OrderedValue<'a>,
}

impl<'a> Place<'a> {
    /// Returns the schema below a path of keywords and names.
    pub(super) fn below(&self, path: &[&str]) -> Option<Self> {
        let mut value = self.value;
        for name in path {
            value = match name.parse::<usize>() {
                Ok(index) if value.value().is_array() => value.elements().nth(index)?,
                _ => value.member(name)?,
            };
        }
        Some(Self { pointer: pointer(&self.pointer, path), value })
    }

    pub(super) fn get(&self, keyword: &str) -> Option<&'a Value> {
        self.value.value().get(keyword)
    }

    pub(super) fn list(&self, keyword: &str) -> Vec<Self> {
        let count = self.value.member(keyword).map_or(0, |list| list.elements().count());
        (0..count).filter_map(|index| self.below(&[keyword, &index.to_string()])).collect()
    }
}

/// A schema without what only makes it nullable.
struct Shape<'a> {
    place: Place<'a>,
    is_nullable: bool,
    /// The branches of a union, without that for `null`.
    branches: Vec<Place<'a>>,
    /// The JSON types, without `null`.
    kinds: BTreeSet<&'a str>,
}

pub(super) struct Comparison<'a> {
    old: &'a Schema,
    new: &'a Schema,
    pub(super) direction: Direction,
    /// Whether the comparison is within an opaque keyword.
    is_opaque: bool,
    /// The pairs that are still to be compared. A queue, because a chain of types may be too long for the stack.
    pending: VecDeque<Pair<'a>>,
    /// The positions of pairs that were compared, and whether within an opaque keyword.
    seen: BTreeSet<(String, String, bool)>,
    found: Vec<Change>,
}

/// Two schemas that are to be compared.
struct Pair<'a> {
    old: Place<'a>,
    new: Place<'a>,
    is_opaque: bool,
}

impl<'a> Comparison<'a> {
    pub(super) fn new(old: &'a Schema, new: &'a Schema, direction: Direction) -> Self {
        Self {
            old,
            new,
            direction,
            is_opaque: false,
            pending: VecDeque::new(),
            seen: BTreeSet::new(),
            found: Vec::new(),
        }
    }

    pub(super) fn into_found(self) -> Vec<Change> {
        self.found
    }

    pub(super) fn add(&mut self, place: &str, text: impl Into<String>, is_breaking: bool) {
        let is_breaking = is_breaking || self.is_opaque;
        self.found.push(Change { place: place.to_owned(), used_by: None, text: text.into(), is_breaking });
    }

    /// Compares two types of the contracts.
    pub(super) fn types(&mut self, old: &str, new: &str) {
        let place = |schema: &'a Schema, name: &str| {
            schema.definition(name).map(|value| Place { pointer: pointer("/$defs", &[name]), value })
        };
        if let (Some(old), Some(new)) = (place(self.old, old), place(self.new, new)) {
            self.compare(old, new);
        }
        let direction = self.direction;
        while let Some(Pair { old, new, is_opaque }) = self.pending.pop_front() {
            self.is_opaque = is_opaque;
            self.direction = if is_opaque { Direction::ALL } else { direction };
            self.compare_pair(old, new);
        }
    }

    /// Compares two schemas after those that are being compared.
    pub(super) fn compare(&mut self, old: Place<'a>, new: Place<'a>) {
        self.pending.push_back(Pair { old, new, is_opaque: self.is_opaque });
    }

    fn compare_pair(&mut self, old: Place<'a>, new: Place<'a>) {
        self.compare_next_to_references(&old, &new);
        let (old, new) = (self.shape(old, self.old), self.shape(new, self.new));
        if !self.seen.insert((old.place.pointer.clone(), new.place.pointer.clone(), self.is_opaque)) {
            return;
        }
        let at = new.place.pointer.clone();
        if old.is_nullable != new.is_nullable {
            self.add(&at, if new.is_nullable { "it may be null" } else { "it may no longer be null" }, true);
        }
        if old.kinds != new.kinds {
            let text = |kinds: &BTreeSet<&str>| match kinds.iter().copied().collect::<Vec<_>>().join(" or ") {
                kinds if kinds.is_empty() => "any type".to_owned(),
                kinds => kinds,
            };
            let text = format!("the type went from {} to {}", text(&old.kinds), text(&new.kinds));
            return self.add(&at, text, true);
        }
        let (old_words, new_words) = (super::words::of(&old.place), super::words::of(&new.place));
        if old_words.is_some() || new_words.is_some() {
            self.compare_words(&at, old_words, new_words);
        } else if !old.branches.is_empty() || !new.branches.is_empty() {
            self.compare_branches(&at, &old, &new);
        }
        let (old, new) = (old.place, new.place);
        self.compare_constraints(&old, &new);
        self.compare_members(&old, &new);
        self.compare_elements(&old, &new);
        for keyword in OPAQUE {
            self.compare_opaque(keyword, &old, &new);
        }
    }

    /// Compares what stands next to references, which applies in addition to the types that they name.
    fn compare_next_to_references(&mut self, old: &Place<'a>, new: &Place<'a>) {
        let is_reference = |place: &Place<'_>| tags::referenced(place.value.value()).is_some();
        let adds = |place: &Place<'_>| {
            let mut keywords = place.value.members().map(|(keyword, _)| keyword);
            is_reference(place) && keywords.any(|keyword| keyword != "$ref" && !ANNOTATIONS.contains(&keyword))
        };
        match (is_reference(old), is_reference(new)) {
            (true, true) => {
                self.compare_constraints(old, new);
                self.compare_members(old, new);
                self.compare_elements(old, new);
            }
            _ if adds(old) || adds(new) => {
                self.add(&new.pointer, "a reference that adds to its type was added or removed", true);
            }
            _ => {}
        }
    }

    /// Follows references, and unwraps a union of one schema and `null`.
    fn shape(&self, place: Place<'a>, schema: &'a Schema) -> Shape<'a> {
        let mut place = place;
        let mut is_nullable = false;
        loop {
            if let Some(name) = tags::referenced(place.value.value())
                && let Some(value) = schema.definition(name)
            {
                place = Place { pointer: pointer("/$defs", &[name]), value };
                continue;
            }
            let keyword = ["oneOf", "anyOf", "allOf"].into_iter().find(|keyword| place.get(keyword).is_some());
            let Some(keyword) = keyword else { break };
            let branches = place.list(keyword);
            let count = branches.len();
            let mut others: Vec<_> = branches.into_iter().filter(|branch| !is_null(branch)).collect();
            is_nullable |= others.len() < count;
            match others.pop() {
                Some(only) if others.is_empty() && place.get("properties").is_none() => place = only,
                last => {
                    others.extend(last);
                    let kinds = kinds(&place);
                    return Shape { place, is_nullable, branches: others, kinds };
                }
            }
        }
        let mut kinds = kinds(&place);
        let lists_null = place.get("enum").and_then(Value::as_array).is_none_or(|words| words.contains(&Value::Null));
        is_nullable |= kinds.remove("null") && lists_null;
        Shape { place, is_nullable, branches: Vec::new(), kinds }
    }

    /// Compares the branches of unions: by their tags if they have them, otherwise in their order.
    fn compare_branches(&mut self, at: &str, old: &Shape<'a>, new: &Shape<'a>) {
        let tags = |shape: &Shape<'a>, schema: &Schema| {
            tags::of(&shape.branches.iter().map(|branch| branch.value).collect::<Vec<_>>(), schema)
        };
        let is_union = |shape: &Shape<'_>| shape.place.get("allOf").is_none();
        let is_closed = is_closed(old.place.value.value());
        let (old_tags, new_tags) = (tags(old, self.old), tags(new, self.new));
        let (Some((old_tag, old_words)), Some((new_tag, new_words))) = (old_tags, new_tags) else {
            if !is_union(old) || !is_union(new) {
                let text = "the schemas of `allOf` are not as many as before";
                if old.branches.len() != new.branches.len() {
                    self.add(at, text, true);
                }
            } else if old.branches.len() > new.branches.len() {
                self.add(at, "a branch was removed", self.direction.sent);
            } else if old.branches.len() < new.branches.len() {
                self.add(at, "a branch was added", self.direction.received && is_closed);
            }
            let pairs = old.branches.iter().zip(&new.branches);
            return pairs.for_each(|(old, new)| self.compare(old.clone(), new.clone()));
        };
        if old_tag != new_tag {
            let text = format!("the member that selects the branch went from `{old_tag}` to `{new_tag}`");
            return self.add(at, text, true);
        }
        for (word, old) in old_words.iter().zip(&old.branches) {
            match new_words.iter().zip(&new.branches).find(|(other, _)| *other == word) {
                Some((_, new)) => self.compare(old.clone(), new.clone()),
                None => self.add(at, format!("the branch `{word}` was removed"), self.direction.sent),
            }
        }
        for word in new_words.iter().filter(|word| !old_words.contains(word)) {
            self.add(at, format!("the branch `{word}` was added"), self.direction.received && is_closed);
        }
    }

    /// Compares what is not analysed: each difference is breaking.
    fn compare_opaque(&mut self, keyword: &str, old: &Place<'a>, new: &Place<'a>) {
        let (old, new) = match (old.below(&[keyword]), new.below(&[keyword])) {
            (None, None) => return,
            (Some(old), Some(new)) => (old, new),
            _ => return self.add(&new.pointer, format!("`{keyword}` was added or removed"), true),
        };
        if !old.value.value().is_object() || keyword.starts_with("dependent") {
            if old.value.value() != new.value.value() {
                self.add(&new.pointer, format!("`{keyword}` is different"), true);
            }
            return;
        }
        self.pending.push_back(Pair { old, new, is_opaque: true });
    }
}

fn is_null(branch: &Place<'_>) -> bool {
    branch.get("type").is_some_and(|name| name == "null") || branch.get("const").is_some_and(Value::is_null)
}

/// Returns the JSON types of a schema. It is empty for a union, and for a schema without a type.
fn kinds<'a>(place: &Place<'a>) -> BTreeSet<&'a str> {
    let of_value = |value: &Value| match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    match place.get("type") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        Some(name) => name.as_str().into_iter().collect(),
        None => match (place.get("const"), place.get("enum")) {
            (Some(value), _) => BTreeSet::from([of_value(value)]),
            (None, Some(Value::Array(values))) => values.iter().map(of_value).collect(),
            _ if super::words::of(place).is_some() => BTreeSet::from(["string"]),
            _ if place.get("properties").is_some() => BTreeSet::from(["object"]),
            _ if place.get("items").is_some() => BTreeSet::from(["array"]),
            // A union and an object differ.
            _ if place.get("oneOf").is_some() || place.get("anyOf").is_some() => BTreeSet::from(["a union"]),
            _ => BTreeSet::new(),
        },
    }
}
