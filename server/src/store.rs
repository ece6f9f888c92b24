//! What must outlive a process, and what all nodes must agree on: the contract, and the stores that keep it.

mod contract;

pub use content_digest::ContentDigest;
pub use contract::*;
pub use space::{SpaceLimits, SpaceStatus};

pub mod alone;
mod block_row;
pub mod clock;
#[cfg(test)]
pub(crate) mod conformance;
mod content_digest;
pub mod copy;
mod damage;
pub mod embedded_blocks;
pub mod embedded_sessions;
#[cfg(test)]
pub(crate) mod failing;
pub mod memory;
#[cfg(test)]
mod model;
pub mod open;
mod outbox_bound;
mod page;
pub mod redb;
pub mod redis;
mod session_events;
pub mod shards;
mod space;
mod wait;
