//! Delivery: from an entry of the log to the outbound queue of every subscriber, in log order and exactly once.

pub(crate) mod activity_feed;
pub(crate) mod delivered;
pub mod entry;
pub mod frame;
pub mod hub;
pub(crate) mod log;
pub mod outbound;
pub mod presence;
pub mod recipient;
pub(crate) mod reports;
pub mod tail;
pub(crate) mod tailed_bus;
pub mod turn;
