//! Real servers for tests, each in a process of its own, on private ports and folders. They need no async runtime, so
//! that the server's unit tests and the stories can both use them, and they end with the test process that began them,
//! however it ends.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod authority;
mod fake_clock;
mod guarded;
mod port;
pub mod rabbitmq;
pub mod redis;

pub use authority::Authority;
pub use fake_clock::FakeClock;
pub use guarded::{Guarded, free_port};
pub use port::ReservedPort;

use std::time::Duration;

/// How long a server may take to do what must happen, before the test has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);
