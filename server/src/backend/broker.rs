//! Requests to a backend over a broker (`backend.url = "amqp"`): what this layer expects of one.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use realtime_gateway_protocol::TraceContext;

use super::BackendFailure;

/// A broker that carries requests to backends and their replies.
#[async_trait]
pub trait RequestBroker: Send + Sync + 'static {
    /// Sends a request and waits for its reply, for at most the time limit.
    ///
    /// # Errors
    /// [`BackendFailure::NotDone`] when no backend can have received the request: the broker is away, or no queue takes it.
    /// [`BackendFailure::Unknown`] without a reply in time.
    async fn request(&self, request: BrokerRequest) -> Result<Bytes, BackendFailure>;
}

/// A request over a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerRequest {
    /// The routing key, such as `call.orders.cancel`.
    pub key: String,
    /// The body, a JSON object.
    pub body: String,
    /// The trace that it belongs to.
    pub trace: Option<TraceContext>,
    /// How long to wait for the reply. The broker drops a request that no backend has taken by then.
    pub time_limit: Duration,
}
