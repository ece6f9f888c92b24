//! Secrets of Standard Webhooks, which sign requests to backends: `whsec_` and base64.

use base64::{Engine, engine::general_purpose::STANDARD};

/// The allowed sizes of a secret in bytes, as Standard Webhooks defines them.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// The prefix of a secret.
pub(super) const PREFIX: &str = "whsec_";

/// Checks a secret. The error is the end of a sentence and does not contain the secret.
pub(super) fn check(text: &str) -> Result<(), String> {
    let is_secret = |text: &str| STANDARD.decode(text).is_ok_and(|bytes| BYTES.contains(&bytes.len()));
    match text.strip_prefix(PREFIX).filter(|text| is_secret(text)) {
        Some(_) => Ok(()),
        None => {
            Err(format!("is not `{PREFIX}` and the base64 of 24 to 64 bytes (echo {PREFIX}$(openssl rand -base64 32))"))
        }
    }
}
