//! Fingerprints of contracts, by which nodes notice that they serve different ones.

use sha2::{Digest as _, Sha256};

use super::Declaration;

/// The number of bytes of the digest that a fingerprint has. It tells versions of a file apart; it is no protection from
/// an attacker.
const BYTES: usize = 8;

/// Returns the name and the fingerprint of each contract, as `name:fingerprint`, in the order of the names. The schema
/// counts too; comments and the order of keys do not.
pub fn fingerprints(declarations: &[Declaration]) -> Vec<String> {
    let fingerprint = |Declaration { contract, .. }: &Declaration| {
        let digest = Sha256::digest(contract.to_json());
        let digits: String = digest.iter().take(BYTES).map(|byte| format!("{byte:02x}")).collect();
        format!("{}:{digits}", contract.name)
    };
    declarations.iter().map(fingerprint).collect()
}
