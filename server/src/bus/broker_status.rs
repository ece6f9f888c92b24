//! The state of the broker of backend services, for `/health` and `/metrics`.

use std::{sync::Arc, time::Duration};

use realtime_gateway_protocol::Timestamp;

/// The state of the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerStatus {
    /// The broker is connected.
    Connected,
    /// The broker accepts no publications at present (an alarm), for this reason; the outbox waits.
    Blocked {
        /// The broker's text.
        reason: Arc<str>,
        /// Since when.
        since: Timestamp,
    },
    /// The broker is disconnected; the outbox waits, and no inbound events arrive.
    Reconnecting {
        /// Since when.
        since: Timestamp,
        /// How long until the next attempt, when none is under way.
        next_try: Option<Duration>,
        /// The last error, without secrets.
        last_error: Arc<str>,
    },
}

/// Something about the broker that an operator should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerWarning {
    /// A sentence, without secrets.
    pub text: String,
    /// Whether events do not get where they should, so that the node is degraded.
    pub degrades: bool,
}
