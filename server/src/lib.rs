//! The gateway as a library: one WebSocket per client in front, a log in the middle, backend services behind.

pub mod auth;
pub mod command_error;
pub mod config;
pub mod descriptors;
pub mod drain;
pub mod frame;
pub mod gateway;
pub mod outbound;
pub mod store;
pub mod telemetry;
pub mod topic;
