//! Accepts valid data in one pass over its text, without a tree of values.
//!
//! Most data is valid, and building a tree costs more than checking it. This validator says yes or nothing: what it does
//! not accept, and types with a keyword that it does not know, are decided by the validators of `validator.rs`, which
//! also find the first problem. It accepts only what they accept too.

mod compile;
mod leaf;
mod node;
mod number;
mod object;
mod reader;
mod walk;

use serde_json::{Map, Value};

use self::{node::Node, walk::Walk};
use crate::MAX_DEPTH;

/// A type whose keywords are all known.
pub(super) struct OnePass {
    /// The schemas that the type consists of, which refer to each other by index.
    nodes: Vec<Node>,
    /// The schema of the type.
    root: usize,
}

impl OnePass {
    /// Compiles a definition. Returns `None` when it uses a keyword that this validator does not know. Formats of
    /// integers are marked with a keyword of their own (`validator.rs`).
    pub(super) fn compile(definitions: &Map<String, Value>, name: &str) -> Option<Self> {
        compile::compile(definitions, name)
    }

    /// Returns whether the text is valid data. `false` means that the answer is unknown.
    pub(super) fn accepts(&self, text: &str) -> bool {
        Walk::new(&self.nodes, text).document(self.root, MAX_DEPTH).is_some()
    }
}

#[cfg(test)]
mod tests;
