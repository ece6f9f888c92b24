//! The load generator: one thread that opens all connections of a load, publishes, and accounts for every delivery.
//!
//! It knows nothing of a server but its [`Dialect`], and does as little as possible for each delivery, because it shares
//! the machine with the server: it looks for a mark in the text of a frame, and decodes no message.

mod accounts;
mod clients;
mod connection;
mod dialect;
mod layout;
mod mark;
mod pace;
mod publishing;
mod receipts;
mod report;
mod run;
mod transport;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rustls::ClientConfig;

pub(crate) use self::{
    dialect::Dialect, layout::Layout, pace::Pace, receipts::Faults, report::Report, run::run, transport::trusting,
};

/// A load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// The connections and topics.
    pub(crate) layout: Layout,
    /// How messages are published.
    pub(crate) pace: Pace,
    /// The time before the measurement, in which caches and queues fill. Without messages: the time until the memory is
    /// read.
    pub(crate) warm_up: Duration,
    /// The time of the measurement.
    pub(crate) measured: Duration,
}

/// The server of a load, as clients see it.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What it speaks.
    pub(crate) dialect: Dialect,
    /// How to verify its certificate, if it has one.
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

/// The use of resources by the process of a server.
pub(crate) trait Usage {
    /// Returns the CPU time so far.
    fn cpu(&self) -> Duration;
    /// Returns the resident memory in bytes.
    fn resident(&self) -> u64;
}
