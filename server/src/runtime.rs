//! The runtime environment: tasks and their supervision, clocks, the memory budget, file descriptors, and rate limits.

pub(crate) mod backoff;
pub mod clock;
pub mod descriptors;
pub mod limits;
pub mod memory;

pub use gateway_runtime::{supervision, tasks};
