//! Waits for confirmations of the store, but not longer than a client waits for a reply.

use std::{future::Future, time::Duration};

use crate::{command_error::CommandError, store::StoreError};

/// How long a confirmation may take before the client gets `unavailable`.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(2);

/// Waits for an answer of the store.
///
/// # Errors
/// `unavailable` when the store fails or does not answer within two seconds.
pub(crate) async fn in_time<T>(answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, CommandError> {
    match tokio::time::timeout(CONFIRMED_WITHIN, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(CommandError::unavailable()),
    }
}
