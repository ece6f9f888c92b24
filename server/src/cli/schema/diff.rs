//! `gateway schema diff`: compares two versions of a contract, for CI.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use gateway_codegen::compare;
use gateway_contracts::Contract;

use crate::cli;

/// The exit code for contracts that cannot be compared. 1 is for breaking changes.
const BAD_INPUT: u8 = 2;

/// Compares two contract files of a service, and reports the changes that break clients.
///
/// Exits with 1 if a client that was written for the old contract may fail with the new one, with 0 if none can, and
/// with 2 if a contract cannot be read. Each schema is read from the path in its contract.
#[derive(Debug, Args)]
pub(super) struct Diff {
    /// The contract file that clients were written for.
    old: PathBuf,
    /// The contract file that replaces it.
    new: PathBuf,
}

impl Diff {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let contracts = Contract::read(&self.old).and_then(|old| Ok((old, Contract::read(&self.new)?)));
        let (old, new) = match contracts {
            Ok(contracts) => contracts,
            Err(error) => {
                cli::warn(&cli::printable(&error.to_string()));
                return Ok(ExitCode::from(BAD_INPUT));
            }
        };
        let mut changes = compare(&old, &new);
        changes.sort_by_key(|change| !change.is_breaking);
        let lines = changes.iter().map(|change| cli::printable(&change.to_string()) + "\n");
        let text: String = if changes.is_empty() { "no changes\n".into() } else { lines.collect() };
        let printed = cli::print(&text)?;
        Ok(if changes.iter().any(|change| change.is_breaking) { ExitCode::FAILURE } else { printed })
    }
}
