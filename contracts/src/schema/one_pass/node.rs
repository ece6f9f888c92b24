//! A compiled schema.

use std::sync::Arc;

use super::{leaf::Leaf, number::NumberRules, object::ObjectRules};

/// The schema that accepts every value.
pub(super) const ANYTHING: usize = 0;

/// The kinds of values that a schema accepts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Kinds(pub(super) u8);

impl Kinds {
    pub(super) const NONE: Self = Self(0);
    pub(super) const NULL: Self = Self(1);
    pub(super) const BOOLEAN: Self = Self(2);
    pub(super) const STRING: Self = Self(4);
    pub(super) const INTEGER: Self = Self(8);
    pub(super) const FLOAT: Self = Self(16);
    pub(super) const NUMBER: Self = Self(8 + 16);
    pub(super) const ARRAY: Self = Self(32);
    pub(super) const OBJECT: Self = Self(64);
    pub(super) const ALL: Self = Self(127);

    /// Returns the kinds that a type of JSON Schema names.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "null" => Self::NULL,
            "boolean" => Self::BOOLEAN,
            "string" => Self::STRING,
            "integer" => Self::INTEGER,
            "number" => Self::NUMBER,
            "array" => Self::ARRAY,
            "object" => Self::OBJECT,
            _ => return None,
        })
    }

    /// Returns the kinds of the value that starts with a byte.
    pub(super) fn starting_with(byte: u8) -> Self {
        match byte {
            b'"' => Self::STRING,
            b'{' => Self::OBJECT,
            b'[' => Self::ARRAY,
            b'n' => Self::NULL,
            b't' | b'f' => Self::BOOLEAN,
            _ => Self::NUMBER,
        }
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Returns `None` unless these kinds include one of the others.
    pub(super) fn accept(self, other: Self) -> Option<()> {
        self.overlaps(other).then_some(())
    }
}

/// A schema. The keywords for one kind of values do not concern the others.
pub(super) struct Node {
    pub(super) kinds: Kinds,
    /// The only values, if the schema has `enum` or `const`.
    pub(super) values: Option<Values>,
    pub(super) text: TextRules,
    pub(super) number: NumberRules,
    pub(super) array: ArrayRules,
    pub(super) object: Option<Box<ObjectRules>>,
    /// Further schemas that apply to the same value.
    pub(super) also: Vec<Also>,
    /// Whether there is anything to check but the further schemas.
    pub(super) has_keywords: bool,
}

impl Node {
    /// Returns a schema that accepts every value.
    pub(super) fn anything() -> Self {
        Self {
            kinds: Kinds::ALL,
            values: None,
            text: TextRules::default(),
            number: NumberRules::default(),
            array: ArrayRules::default(),
            object: None,
            also: Vec::new(),
            has_keywords: true,
        }
    }
}

/// The values of `enum` or `const`. Schemas with other values than these are not compiled.
#[derive(Default)]
pub(super) struct Values {
    /// Sorted.
    pub(super) texts: Vec<String>,
    pub(super) integers: Vec<i64>,
    pub(super) words: Vec<Option<bool>>,
}

impl Values {
    pub(super) fn accept_text(&self, text: &str) -> Option<()> {
        self.texts.binary_search_by(|known| known.as_str().cmp(text)).ok().map(|_| ())
    }
}

/// The keywords for strings.
#[derive(Default)]
pub(super) struct TextRules {
    pub(super) min_length: Option<u64>,
    pub(super) max_length: Option<u64>,
    pub(super) leaves: Vec<Arc<Leaf>>,
}

impl TextRules {
    /// Returns `None` unless the string certainly follows the rules.
    #[inline]
    pub(super) fn accept(&self, text: &str) -> Option<()> {
        // A code point has one to four bytes, so most lengths need no count.
        let bytes = text.len() as u64;
        let is_long = self.min_length.is_none_or(|least| bytes / 4 >= least || code_points(text) >= least);
        let is_short = self.max_length.is_none_or(|most| bytes <= most || code_points(text) <= most);
        (is_long && is_short && self.leaves.iter().all(|leaf| leaf.accepts(text))).then_some(())
    }
}

fn code_points(text: &str) -> u64 {
    text.chars().count() as u64
}

/// The keywords for arrays.
#[derive(Default)]
pub(super) struct ArrayRules {
    pub(super) min_items: Option<u64>,
    pub(super) max_items: Option<u64>,
    pub(super) items: usize,
}

/// A schema, or a choice of schemas, that applies to the same value.
pub(super) enum Also {
    Schema(usize),
    /// A union of objects: the string in a required member decides which schema applies.
    Tagged {
        name: String,
        /// Sorted by tag.
        branches: Vec<(String, usize)>,
    },
    /// A union of kinds that do not overlap.
    OfKinds(Vec<(Kinds, usize)>),
}
