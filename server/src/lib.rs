//! The gateway as a library: one WebSocket per client in front, a log in the middle, backend services behind.

pub mod auth;
pub mod command_error;
pub mod config;
pub mod drain;
pub mod frame;
pub mod outbound;
pub mod store;
pub mod topic;
