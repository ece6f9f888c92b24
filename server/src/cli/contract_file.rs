//! Reads the contract files of a command line.

use std::path::Path;

use anyhow::anyhow;
use gateway_contracts::Contract;

use super::printable;

/// Reads a contract file and its schema.
///
/// # Errors
/// When the contract cannot be read. A problem of the file as a whole says what kind of file is needed.
pub(super) fn read_contract(path: &Path) -> anyhow::Result<Contract> {
    Contract::read(path).map_err(|error| {
        let is_of_whole_file = error.key.is_none();
        let fix = if is_of_whole_file { "; give a contract file, such as services/orders.service.toml" } else { "" };
        anyhow!("{}{fix}", printable(&error.to_string()))
    })
}
