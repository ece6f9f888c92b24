//! Why a scenario did not pass.

use std::fmt::Display;

use crate::canonical::canonical;

/// Why a scenario did not pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// The client did something else than the scenario expects.
    #[error("{0}")]
    Red(String),
    /// The adapter has declared that its client has no such command.
    #[error("the client has no `{0}`")]
    Skipped(String),
}

/// The result of a step of a scenario.
pub(crate) type Step<T = ()> = Result<T, Failure>;

/// Returns the failure of a scenario with this sentence.
pub(crate) fn red(sentence: impl Display) -> Failure {
    Failure::Red(sentence.to_string())
}

/// Checks a condition, and explains what is wrong otherwise.
pub(crate) fn check(holds: bool, explain: impl FnOnce() -> String) -> Step {
    if holds { Ok(()) } else { Err(Failure::Red(explain())) }
}

/// Checks that a value is the expected one. `1` and `1.0` are the same number.
pub(crate) fn same(what: &str, is: &serde_json::Value, expected: &serde_json::Value) -> Step {
    check(is == expected || canonical(is) == canonical(expected), || format!("{what} is {is} instead of {expected}"))
}
