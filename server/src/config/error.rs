//! The errors of a configuration. Each text is one line that says what to change. None contains a secret.

use super::Source;

/// The reason why a configuration is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// An unknown key, most likely misspelled.
    #[error("{source_name}: unknown key `{key}`; the nearest known one is `{nearest}`")]
    Unknown {
        /// The source of the value.
        source_name: Source,
        /// The key as written.
        key: String,
        /// The most similar known key.
        nearest: String,
    },
    /// An invalid value.
    #[error("{source_name}: `{key}` {problem}")]
    Value {
        /// The source of the value.
        source_name: Source,
        /// The key.
        key: String,
        /// The problem, as the end of a sentence that starts with the key.
        problem: String,
    },
    /// A file that cannot be read or parsed.
    #[error("{path}: {problem}")]
    File {
        /// The path of the file.
        path: String,
        /// The problem.
        problem: String,
    },
    /// Values that are inconsistent or not supported by this version.
    #[error("{0}")]
    Rule(String),
}
