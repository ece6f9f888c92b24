//! Reads data and checks it against compiled schemas on the way.

use std::borrow::Cow;

use super::{
    node::{ANYTHING, Also, Kinds, Node},
    number::Number,
    object::{Members, ObjectRules},
    reader::Reader,
};

/// How often a text may be read in addition to the first time, for schemas that apply to the same value.
///
/// Recursive schemas could read the text again on each level. The other validators remember their results.
const REREADINGS: usize = 4;

/// The walk through a text. Its methods return `None` when the data is not valid, or may not be valid.
pub(super) struct Walk<'a, 't> {
    nodes: &'a [Node],
    reader: Reader<'t>,
    /// How many bytes may be read again.
    budget: usize,
}

impl<'a, 't> Walk<'a, 't> {
    pub(super) fn new(nodes: &'a [Node], text: &'t str) -> Self {
        let reader = Reader::new(text);
        Self { nodes, reader, budget: reader.length().saturating_mul(REREADINGS) }
    }

    /// Checks the whole text. `depth` is the number of levels of objects and arrays that it may have.
    pub(super) fn document(mut self, root: usize, depth: usize) -> Option<()> {
        self.reader.space();
        self.value(root, depth)?;
        self.reader.space();
        self.reader.peek().is_none().then_some(())
    }

    /// Reads a value, which starts at the position of the reader.
    fn value(&mut self, schema: usize, depth: usize) -> Option<()> {
        let nodes = self.nodes;
        let node = nodes.get(schema)?;
        let start = self.reader;
        if node.has_keywords {
            self.own(node, depth)?;
        }
        for (index, also) in node.also.iter().enumerate() {
            if node.has_keywords || index > 0 {
                self.read_again(start)?;
            }
            self.also(also, depth)?;
        }
        Some(())
    }

    /// Returns to a position.
    fn read_again(&mut self, start: Reader<'t>) -> Option<()> {
        self.budget = self.budget.checked_sub(self.reader.position() - start.position())?;
        self.reader = start;
        Some(())
    }

    /// Reads a value and checks it against the keywords of the schema itself.
    fn own(&mut self, node: &'a Node, depth: usize) -> Option<()> {
        match self.reader.peek()? {
            b'"' => self.string(node),
            b'{' => self.object(node, depth.checked_sub(1)?),
            b'[' => self.array(node, depth.checked_sub(1)?),
            b't' => self.constant(node, "true", Some(true)),
            b'f' => self.constant(node, "false", Some(false)),
            b'n' => self.constant(node, "null", None),
            _ => self.number(node),
        }
    }

    fn string(&mut self, node: &Node) -> Option<()> {
        node.kinds.accept(Kinds::STRING)?;
        let text = self.reader.string()?;
        if let Some(values) = &node.values {
            values.accept_text(&text)?;
        }
        node.text.accept(&text)
    }

    /// Reads `true`, `false` or `null`.
    fn constant(&mut self, node: &Node, word: &str, value: Option<bool>) -> Option<()> {
        node.kinds.accept(if value.is_some() { Kinds::BOOLEAN } else { Kinds::NULL })?;
        self.reader.word(word)?;
        node.values.as_ref().is_none_or(|values| values.words.contains(&value)).then_some(())
    }

    fn number(&mut self, node: &Node) -> Option<()> {
        let number = self.reader.number()?;
        let (kind, is_value) = match number {
            Number::Integer(integer) => {
                (Kinds::INTEGER, node.values.as_ref().is_none_or(|values| values.integers.contains(&integer)))
            }
            // 1.0 is an integer too; only the other validators know.
            Number::Float(_) | Number::Large => (Kinds::FLOAT, node.values.is_none()),
        };
        node.kinds.accept(kind)?;
        is_value.then_some(())?;
        node.number.accept(number)
    }

    fn array(&mut self, node: &Node, depth: usize) -> Option<()> {
        node.kinds.accept(Kinds::ARRAY)?;
        // The values of an enumeration that is compiled are no arrays and no objects.
        node.values.is_none().then_some(())?;
        self.reader.expect(b'[')?;
        self.reader.space();
        let mut count = 0;
        if !self.reader.take(b']') {
            loop {
                count += 1;
                self.value(node.array.items, depth)?;
                self.reader.space();
                match self.reader.next()? {
                    b',' => self.reader.space(),
                    b']' => break,
                    _ => return None,
                }
            }
        }
        let fits = node.array.min_items.is_none_or(|least| count >= least)
            && node.array.max_items.is_none_or(|most| count <= most);
        fits.then_some(())
    }

    fn object(&mut self, node: &'a Node, depth: usize) -> Option<()> {
        node.kinds.accept(Kinds::OBJECT)?;
        node.values.is_none().then_some(())?;
        let rules = node.object.as_deref();
        self.reader.expect(b'{')?;
        self.reader.space();
        let mut members = Members::default();
        if !self.reader.take(b'}') {
            loop {
                let schema = self.name(rules, &mut members)?;
                self.value(schema, depth)?;
                self.reader.space();
                match self.reader.next()? {
                    b',' => self.reader.space(),
                    b'}' => break,
                    _ => return None,
                }
            }
        }
        members.finish(rules)
    }

    /// Reads the name of a member up to its value, and returns the schema of the value.
    fn name(&mut self, rules: Option<&ObjectRules>, members: &mut Members<'t>) -> Option<usize> {
        let name = self.reader.string()?;
        self.reader.space();
        self.reader.expect(b':')?;
        self.reader.space();
        let Some(rules) = rules else {
            members.other(name);
            return Some(ANYTHING);
        };
        match rules.properties.find(&name) {
            Some((index, schema)) => {
                members.property(index)?;
                Some(schema)
            }
            None => {
                members.other(name);
                rules.others
            }
        }
    }

    fn also(&mut self, also: &Also, depth: usize) -> Option<()> {
        let schema = match also {
            Also::Schema(schema) => *schema,
            Also::OfKinds(branches) => {
                let kinds = Kinds::starting_with(self.reader.peek()?);
                branches.iter().find(|(accepted, _)| accepted.overlaps(kinds))?.1
            }
            Also::Tagged { name, branches } => {
                let start = self.reader;
                let tag = self.tag(name, depth.checked_sub(1)?)?;
                self.read_again(start)?;
                let found = branches.binary_search_by(|(known, _)| known.as_str().cmp(&tag)).ok()?;
                branches.get(found)?.1
            }
        };
        self.value(schema, depth)
    }

    /// Reads an object up to a member whose value is a string, and returns the string.
    fn tag(&mut self, name: &str, depth: usize) -> Option<Cow<'t, str>> {
        self.reader.expect(b'{')?;
        loop {
            self.reader.space();
            let is_tag = self.reader.string()? == name;
            self.reader.space();
            self.reader.expect(b':')?;
            self.reader.space();
            if is_tag {
                return self.reader.string();
            }
            self.value(ANYTHING, depth)?;
            self.reader.space();
            self.reader.expect(b',')?;
        }
    }
}
