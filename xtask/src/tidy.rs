//! Style rules that the compiler does not check: file sizes, names, layers, restricted dependencies, lint exceptions
//! and links.

mod boundaries;
mod code;
mod code_map;
pub(crate) mod core_digest;
mod exceptions;
mod files;
mod layers;
mod links;
mod manifests;
mod protocol_page;
mod security_page;
mod tree;
mod words;

use std::io::{self, Write as _};

use anyhow::bail;

use crate::project::Project;
use tree::Tree;

/// All rules; each checks the whole tree and returns its findings.
const RULES: [fn(&Tree) -> Vec<Finding>; 15] = [
    files::length,
    files::opening,
    files::names,
    layers::go_down,
    boundaries::dependencies,
    boundaries::pure,
    code_map::names_existing_paths,
    code_map::names_every_folder,
    core_digest::is_fresh,
    exceptions::reasons,
    links::have_targets,
    manifests::inherit_lints,
    protocol_page::explains_every_code,
    security_page::names_known_keys,
    words::are_standard,
];

/// A violation of a rule.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    /// The line, counted from 1; 0 means the whole file.
    line: usize,
    what: String,
}

impl Finding {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into() }
    }
}

/// Checks every rule and prints each violation.
///
/// # Errors
/// If a rule is violated, or the tree cannot be read.
pub(crate) fn check(project: &Project) -> anyhow::Result<()> {
    let tree = Tree::read(project.root())?;
    let findings: Vec<_> = RULES.iter().flat_map(|rule| rule(&tree)).collect();
    let mut out = io::stdout();
    for Finding { path, line, what } in &findings {
        writeln!(out, "{path}:{line}: {what}")?;
    }
    if !findings.is_empty() {
        bail!("{} violations of style rules", findings.len());
    }
    writeln!(out, "{} files comply with {} rules", tree.files().len(), RULES.len())?;
    Ok(())
}
