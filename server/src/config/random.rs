//! Random values: the secret of `--dev`, the suffix of a node id, API keys.

use super::ConfigError;
use crate::crypto;

/// Returns `BYTES` random bytes as hexadecimal text.
pub(crate) fn hexadecimal<const BYTES: usize>() -> Result<String, ConfigError> {
    let mut bytes = [0; BYTES];
    crypto::random(&mut bytes).map_err(|_| ConfigError::Rule("the operating system gives no random bytes".into()))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Returns the host name, reduced to the characters that a node id may contain.
pub(super) fn host_name() -> String {
    #[cfg(unix)]
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    #[cfg(not(unix))]
    let name = String::new();
    let name: String = name.chars().filter(|c| super::check::in_node_id(*c)).take(48).collect();
    if name.is_empty() { "gateway".into() } else { name }
}
