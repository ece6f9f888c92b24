//! `gateway schema diff`: compares two versions of a contract, for CI.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use gateway_codegen::compare;

use crate::cli::{contract_file::read_contract, print, printable, warn};

/// The exit code for contracts that cannot be compared. 1 is for breaking changes.
const BAD_INPUT: u8 = 2;

/// Compares two contract files of a service, and reports the changes that break clients.
#[derive(Debug, Args)]
pub(super) struct Diff {
    /// The contract file that clients were written for.
    old: PathBuf,
    /// The contract file that replaces it.
    new: PathBuf,
}

impl Diff {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let contracts = read_contract(&self.old).and_then(|old| Ok((old, read_contract(&self.new)?)));
        let (old, new) = match contracts {
            Ok(contracts) => contracts,
            Err(error) => {
                warn(&error.to_string());
                return Ok(ExitCode::from(BAD_INPUT));
            }
        };
        let mut changes = compare(&old, &new);
        changes.sort_by_key(|change| !change.is_breaking);
        let lines = changes.iter().map(|change| printable(&change.to_string()) + "\n");
        let text: String = if changes.is_empty() { "no changes\n".into() } else { lines.collect() };
        let printed = print(&text)?;
        Ok(if changes.iter().any(|change| change.is_breaking) { ExitCode::FAILURE } else { printed })
    }
}
