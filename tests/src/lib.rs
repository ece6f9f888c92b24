//! The harness of the stories: a gateway in a process of its own, raw sockets that read like the protocol, tokens.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod api;
mod backend;
mod process;
mod proxy;
mod socket;
mod token;

pub use api::Api;
pub use backend::{Backend, Event, Events};
pub use process::{Gateway, Settings};
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
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    must(what, async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}
