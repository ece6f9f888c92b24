//! The keywords for objects, and the names of the members of one object.

use std::borrow::Cow;

/// The words of a set of properties.
const WORDS: usize = 4;
/// The maximum number of properties of a compiled schema.
pub(super) const MAX_PROPERTIES: usize = WORDS * 64;

/// A set of properties, by index.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct PropertySet([u64; WORDS]);

impl PropertySet {
    /// Adds a property. Returns `None` when it is in the set.
    #[inline]
    pub(super) fn insert(&mut self, index: usize) -> Option<()> {
        let word = self.0.get_mut(index / 64)?;
        let bit = 1 << (index % 64);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new.then_some(())
    }

    fn includes(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(own, other)| own & other == *other)
    }
}

/// A property that the schema names.
pub(super) struct Property {
    pub(super) name: String,
    pub(super) schema: usize,
}

/// The properties that a schema names, found by the length of the name first: few names have the same length.
#[derive(Default)]
pub(super) struct Properties {
    /// Sorted by the length of the name.
    list: Vec<Property>,
    /// For each length from zero, the number of properties whose names are at most as long.
    ends: Vec<usize>,
}

impl Properties {
    pub(super) fn new(mut list: Vec<Property>) -> Self {
        list.sort_by_key(|property| property.name.len());
        let longest = list.last().map_or(0, |property| property.name.len());
        let end = |length| list.partition_point(|property| property.name.len() <= length);
        let ends = (0..=longest).map(end).collect();
        Self { list, ends }
    }

    /// Returns the index and the schema of a property.
    #[inline]
    pub(super) fn find(&self, name: &str) -> Option<(usize, usize)> {
        let end = *self.ends.get(name.len())?;
        let start = name.len().checked_sub(1).and_then(|shorter| self.ends.get(shorter)).map_or(0, |start| *start);
        let found = self.list.get(start..end)?.iter().position(|property| property.name == name)?;
        self.list.get(start + found).map(|property| (start + found, property.schema))
    }
}

/// The keywords for objects.
pub(super) struct ObjectRules {
    pub(super) properties: Properties,
    pub(super) required: PropertySet,
    /// The schema of the other members. `None` refuses them.
    pub(super) others: Option<usize>,
    pub(super) min_members: Option<u64>,
    pub(super) max_members: Option<u64>,
}

/// The members of one object that have been read.
#[derive(Default)]
pub(super) struct Members<'t> {
    properties: PropertySet,
    others: Vec<Cow<'t, str>>,
    count: u64,
}

impl<'t> Members<'t> {
    /// Adds a property of the schema. Returns `None` when the object has it twice.
    #[inline]
    pub(super) fn property(&mut self, index: usize) -> Option<()> {
        self.count += 1;
        self.properties.insert(index)
    }

    /// Adds another member.
    pub(super) fn other(&mut self, name: Cow<'t, str>) {
        self.count += 1;
        self.others.push(name);
    }

    /// Returns `None` when two members have the same name, or the schema refuses the whole of the members.
    pub(super) fn finish(mut self, rules: Option<&ObjectRules>) -> Option<()> {
        if self.others.len() > 1 {
            self.others.sort_unstable();
            let is_unique = self.others.iter().zip(self.others.iter().skip(1)).all(|(one, next)| one != next);
            is_unique.then_some(())?;
        }
        let fits = rules.is_none_or(|rules| {
            self.properties.includes(&rules.required)
                && rules.min_members.is_none_or(|least| self.count >= least)
                && rules.max_members.is_none_or(|most| self.count <= most)
        });
        fits.then_some(())
    }
}
