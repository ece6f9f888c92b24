//! What nodes send each other ([`Bus`]), and what a broker carries between the gateway and backend services
//! ([`broker::Broker`]). Each is a contract with a conformance suite (`bus/conformance.rs`). The bus between nodes is the
//! cluster channel of the store that they share, or embedded in the process; RabbitMQ is the broker. The decisions about
//! events of backend services stand above the broker, in `bus/backend_events/`.
//!
//! Messages between nodes may be lost, repeated or reordered: an append notice says that a topic has a new entry, a
//! broadcast is ephemeral, and a control message is in the node's mailbox in the store. Events of backend services are
//! never lost.

mod activity;
mod backend_broker;
mod backend_events;
mod backoff;
pub mod broker;
mod broker_status;
mod cluster;
#[cfg(any(test, feature = "testing"))]
pub mod conformance;
mod embedded;
mod ephemeral;
#[cfg(any(test, feature = "testing"))]
pub mod memory_broker;
mod node_bus;
pub mod open;
mod rabbitmq;

pub use activity::{Activity, ActivityKind};
pub use backend_broker::BackendBroker;
pub(crate) use backend_events::event_body;
pub(crate) use backoff::random as random_share;
pub use broker_status::{BrokerStatus, BrokerWarning};
pub use cluster::ClusterBus;
pub use embedded::EmbeddedBus;
pub use node_bus::{Bus, BusEvent, BusEvents, EphemeralBroadcast};
pub use rabbitmq::RabbitError;
pub use realtime_gateway_protocol::routing;

use bytes::Bytes;
use realtime_gateway_protocol::TraceContext;
use tokio::sync::{mpsc, oneshot};

/// An event that a backend service has published for clients.
#[derive(Debug)]
pub struct InboundEvent {
    /// The routing key, which says what the event is and for whom.
    pub key: String,
    /// The message's id, for a body without one.
    pub id: Option<String>,
    /// JSON.
    pub body: Bytes,
    /// The trace that it belongs to.
    pub trace: Option<TraceContext>,
    /// Where to send the verdict. Dropping it stands for [`Verdict::Retry`].
    pub verdict: oneshot::Sender<Verdict>,
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The store holds it, possibly from an earlier delivery.
    Stored,
    /// It can never be accepted, for this reason; it goes to the dead letters.
    Refused {
        /// A label of the metric `dead_lettered_total`.
        reason: &'static str,
        /// A sentence without content.
        detail: String,
    },
    /// The store cannot hold it at present: it is to be delivered again once the store is ready.
    Retry,
}

/// What backend services publish for clients. The next event of a topic comes when there is a verdict on the one before.
pub type InboundEvents = mpsc::Receiver<InboundEvent>;
