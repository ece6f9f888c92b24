//! Puts the parts together and runs them.

use crate::{config::Loaded, telemetry::Telemetry};

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Placeholder of this branch: the parts are put together on main.
    #[error("the parts of the gateway are not put together on this branch")]
    NotHere,
}

/// Runs the gateway until it is told to stop.
///
/// # Errors
/// [`StartError`] says what kept it from starting.
#[expect(clippy::unused_async, reason = "the placeholder of this branch")]
pub async fn run(_: Loaded, _: Telemetry) -> Result<(), StartError> {
    Err(StartError::NotHere)
}
