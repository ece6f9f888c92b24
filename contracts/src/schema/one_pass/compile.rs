//! Compiles definitions. `None` means that a keyword, or its value, is not one that this validator knows.

mod keywords;
mod unions;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use serde_json::{Map, Value};

use self::keywords::is_annotation;
use super::{OnePass, leaf::Leaf, node::Node};
use crate::schema::DEFINITIONS;

/// Compiles a definition and those that it refers to.
pub(super) fn compile(definitions: &Map<String, Value>, name: &str) -> Option<OnePass> {
    let mut compiler = Compiler::new(definitions);
    let root = compiler.reference(name)?;
    // One definition after the other, so that a long chain of references takes no stack.
    while let Some((index, definition)) = compiler.open.pop_front() {
        let node = compiler.node(definition)?;
        *compiler.nodes.get_mut(index)? = node;
    }
    Some(OnePass { nodes: compiler.nodes, root })
}

struct Compiler<'a> {
    definitions: &'a Map<String, Value>,
    nodes: Vec<Node>,
    /// The indexes of definitions.
    known: HashMap<&'a str, usize>,
    /// The definitions that are not compiled yet.
    open: VecDeque<(usize, &'a Value)>,
    /// Compiled patterns and formats, by keyword and value.
    leaves: HashMap<(&'static str, &'a str), Arc<Leaf>>,
}

impl<'a> Compiler<'a> {
    fn new(definitions: &'a Map<String, Value>) -> Self {
        // The first schema is `ANYTHING`.
        let nodes = vec![Node::anything()];
        Self { definitions, nodes, known: HashMap::new(), open: VecDeque::new(), leaves: HashMap::new() }
    }

    /// Returns the index of a definition.
    fn reference(&mut self, name: &str) -> Option<usize> {
        if let Some(index) = self.known.get(name) {
            return Some(*index);
        }
        let (name, definition) = self.definitions.get_key_value(name)?;
        let index = self.push(Node::anything());
        self.known.insert(name, index);
        self.open.push_back((index, definition));
        Some(index)
    }

    /// Returns the index of a schema. A schema that only refers to a definition is that definition.
    fn schema(&mut self, schema: &'a Value) -> Option<usize> {
        if let Value::Object(members) = schema
            && let Some(reference) = members.get("$ref")
            && members.keys().all(|keyword| keyword == "$ref" || is_annotation(keyword))
        {
            return self.reference(reference.as_str()?.strip_prefix(DEFINITIONS)?);
        }
        let node = self.node(schema)?;
        Some(self.push(node))
    }

    fn push(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn leaf(
        &mut self,
        keyword: &'static str,
        value: &'a str,
        compile: impl Fn(&str) -> Option<Leaf>,
    ) -> Option<Arc<Leaf>> {
        if let Some(leaf) = self.leaves.get(&(keyword, value)) {
            return Some(Arc::clone(leaf));
        }
        let leaf = Arc::new(compile(value)?);
        self.leaves.insert((keyword, value), Arc::clone(&leaf));
        Some(leaf)
    }
}
