//! The comparison of two contracts.

use gateway_contracts::Contract;

/// A difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Whether it breaks clients.
    pub is_breaking: bool,
}

/// Compares two contracts.
pub fn compare(_old: &Contract, _new: &Contract) -> Vec<Change> {
    Vec::new()
}
