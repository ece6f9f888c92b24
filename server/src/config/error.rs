//! Why a configuration is refused. Each text is one line that says what to change, and none repeats a secret.

use super::Source;

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A key that nobody knows, most likely misspelt.
    #[error("{source_name}: unknown key `{key}`; the nearest known one is `{nearest}`")]
    Unknown {
        /// Where it stands.
        source_name: Source,
        /// As it is written.
        key: String,
        /// The known key that is most like it.
        nearest: String,
    },
    /// A value that does not fit its key.
    #[error("{source_name}: `{key}` {problem}")]
    Value {
        /// Where it stands.
        source_name: Source,
        /// The key.
        key: String,
        /// What is wrong, as the end of a sentence that begins with the key.
        problem: String,
    },
    /// A file that cannot be read or understood.
    #[error("{path}: {problem}")]
    File {
        /// Which.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// Values that do not fit together, or this version.
    #[error("{0}")]
    Rule(String),
}
