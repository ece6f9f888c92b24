//! The error of a contract: where it is, and how to fix it.

use std::{fmt, path::PathBuf};

/// The first problem of a contract. The text is one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractError {
    /// The contract file or its schema.
    pub file: PathBuf,
    /// The line, counted from 1. `None` when the file could not be read.
    pub line: Option<usize>,
    /// The key of the contract, such as `topics.order.event`, or the JSON pointer into the schema.
    pub key: Option<String>,
    /// The problem, as the end of a sentence that starts with the key, or as a sentence if there is no key.
    pub problem: String,
}

impl std::error::Error for ContractError {}

impl fmt::Display for ContractError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        match &self.key {
            Some(key) => write!(f, ": `{key}` {}", self.problem),
            None => write!(f, ": {}", self.problem),
        }
    }
}
