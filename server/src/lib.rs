//! The gateway as a library: one WebSocket per client in front, a log in the middle, backend services behind.

pub mod accept;
pub mod auth;
pub mod bus;
pub mod cli;
pub mod command_error;
pub mod config;
pub mod connection;
pub mod conversation;
pub mod descriptors;
pub mod drain;
pub mod frame;
pub mod gateway;
pub mod http;
pub mod hub;
pub mod limits;
pub mod metrics;
pub mod node;
pub mod outbound;
pub mod router;
pub mod service;
pub mod services;
pub mod session;
pub mod store;
pub mod telemetry;
pub mod topic;
pub mod upgrade;
