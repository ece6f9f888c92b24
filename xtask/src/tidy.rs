//! The rules of style that no compiler knows: sizes, names, rooms, exceptions with reasons, links that lead somewhere.

mod code;
mod exceptions;
mod files;
mod links;
mod manifests;
mod protocol_page;
mod rooms;
mod tree;

use std::io::{self, Write as _};

use anyhow::bail;

use crate::project::Project;
use tree::Tree;

/// Every rule; each looks at the whole tree and tells what breaks it.
const RULES: [fn(&Tree) -> Vec<Finding>; 9] = [
    files::length,
    files::opening,
    files::names,
    rooms::dependencies,
    rooms::pure,
    exceptions::reasons,
    links::lead_somewhere,
    manifests::share_the_lints,
    protocol_page::explains_every_code,
];

/// A place that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    /// Counted from 1; 0 means the file as a whole.
    line: usize,
    what: String,
}

impl Finding {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into() }
    }
}

/// Checks every rule and shows each place that breaks one.
///
/// # Errors
/// If a rule is broken, or the tree cannot be read.
pub(crate) fn check(project: &Project) -> anyhow::Result<()> {
    let tree = Tree::read(project.root())?;
    let findings: Vec<_> = RULES.iter().flat_map(|rule| rule(&tree)).collect();
    let mut out = io::stdout();
    for Finding { path, line, what } in &findings {
        writeln!(out, "{path}:{line}: {what}")?;
    }
    if !findings.is_empty() {
        bail!("{} places break a rule of style", findings.len());
    }
    writeln!(out, "{} files keep {} rules", tree.files().len(), RULES.len())?;
    Ok(())
}
