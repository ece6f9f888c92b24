//! The harness of the stories: a gateway in a process of its own, raw sockets that read like the protocol, tokens.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod api;
mod backend;
mod line;
mod process;
mod proxy;
mod socket;
mod token;

pub use api::{Api, http_client};
pub use backend::{Backend, Event, Events};
pub use line::{Line, Weather};
pub use process::{Gateway, Settings, gateway_program};
pub use proxy::Proxy;
pub use socket::{Socket, end_of};
pub use token::{SECRET, Token};

use std::{future::Future, time::Duration};

/// How long anything that must happen may take, before the test has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for something that must happen.
///
/// # Panics
/// When it does not happen in time.
pub async fn must<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not happen within {PATIENCE:?}"),
    }
}

/// Asks again and again until something holds that no event tells of, such as a counter on another node.
///
/// # Panics
/// When it does not come to hold in time.
pub async fn eventually<F: Future<Output = bool>>(what: &str, holds: impl FnMut() -> F) {
    within(PATIENCE, what, holds).await;
}

/// The same for what takes longer by its nature, such as the end of a lease.
///
/// # Panics
/// When it does not come to hold in time.
pub async fn within<F: Future<Output = bool>>(time: Duration, what: &str, mut holds: impl FnMut() -> F) {
    let waited = tokio::time::timeout(time, async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what} did not come to hold within {time:?}");
}
