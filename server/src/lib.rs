//! The gateway as a library: one WebSocket per client in front, a log in the middle, backend services behind.
//!
//! The modules in reading order, which is a message's way: [`edge`] reads it, [`commands`] handles it, [`session`] says
//! who sent it, [`delivery`] sends it to subscribers, [`cluster`] keeps the nodes in agreement, and [`store`] and [`bus`]
//! hold and carry it. A module uses only those after it, which `cargo xtask test tidy` checks.

pub mod cli;
pub mod gateway;

pub mod edge;
pub mod http;

pub mod cluster;
pub mod commands;
pub mod session;

pub mod delivery;

pub mod node;

pub mod webhooks;

pub mod bus;
pub mod store;

pub mod auth;
pub mod backend;
pub mod command_error;
pub mod config;
mod confirmation;
pub mod crypto;
mod ids;
mod json_object;
pub mod metrics;
pub mod runtime;
pub mod telemetry;

pub use realtime_gateway_protocol::topic;

// What programs that embed the gateway name most.
pub use commands::service;
