//! What a connection talks to: the session layer's side of one connection, or an echo in the conformance test.

use std::{
    future::{Future, ready},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use http::StatusCode;
use realtime_gateway_protocol::CloseCode;
use tokio::time::Instant;

use crate::{
    auth::{AuthError, Identity},
    config::Config,
    drain::Tasks,
    memory::MemoryBudget,
    metrics::Metrics,
    node::Node,
    outbound::Outbound,
    probe::{Probe, Probed},
    router::{Opening, Router},
};

/// How a connection ended.
#[derive(Debug, Clone, Copy)]
pub struct Ending {
    /// The code that was sent or received; 1006 when there was no close frame.
    pub code: CloseCode,
    /// How long it lasted.
    pub duration: Duration,
    /// Bytes read from the socket.
    pub bytes_received: u64,
    /// Bytes written to the socket.
    pub bytes_sent: u64,
}

/// Whether a client is authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is not authenticated.
    Anonymous,
    /// It is, or its token has expired and it may send a fresh one.
    Known,
}

/// One client's side of the talk. Replies go to the outbound queue that it was made with.
pub trait Conversation: Send + 'static {
    /// Whether binary messages are taken, or refused with 1003.
    const BINARY: bool = false;

    /// The connection is open: nothing was said yet.
    fn begin(&mut self) -> impl Future<Output = ()> + Send;

    /// The client said something. The next message is read when this is done.
    fn receive(&mut self, text: &str) -> impl Future<Output = ()> + Send;

    /// The client sent a binary message, where those are taken.
    fn receive_binary(&mut self, _: &[u8]) -> impl Future<Output = ()> + Send {
        ready(())
    }

    /// Whether it is known who the client is: until then its messages must be short.
    fn standing(&self) -> Standing {
        Standing::Known
    }

    /// When `on_deadline` wants to be called.
    fn deadline(&self) -> Option<Instant>;

    /// The deadline has passed.
    fn on_deadline(&mut self) -> impl Future<Output = ()> + Send;

    /// The connection is gone.
    fn end(self, ending: Ending) -> impl Future<Output = ()> + Send;
}

/// Where connections arrive: it knows the configuration, tells identities, and makes the conversations.
pub trait Reception: Send + Sync + 'static {
    /// What it makes.
    type Conversation: Conversation;

    /// The configuration as it is now.
    fn config(&self) -> Arc<Config>;

    /// What runs.
    fn tasks(&self) -> &Tasks;

    /// What is counted.
    fn metrics(&self) -> &Arc<Metrics>;

    /// What clients may make the node hold.
    fn memory(&self) -> &Arc<MemoryBudget>;

    /// Answers a health probe, without waiting for anything. What has no condition to tell of is well.
    fn probed(&self, _: Probe) -> Probed {
        Probed { status: StatusCode::OK, word: "ok" }
    }

    /// Tells whose token it is that came from this address.
    fn verify(&self, token: &str, from: IpAddr) -> impl Future<Output = Result<Identity, AuthError>> + Send;

    /// The name of an API key, if it is one: the limits of one address do not apply to the request that carries it.
    fn api_key(&self, _: &str) -> Option<String> {
        None
    }

    /// Begins the talk with a client that has just connected; `outbound` is where it is told things.
    fn converse(self: &Arc<Self>, outbound: Arc<Outbound>, opening: Opening) -> Self::Conversation;
}

impl Reception for Node {
    type Conversation = Router;

    fn config(&self) -> Arc<Config> {
        Node::config(self)
    }

    fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    fn memory(&self) -> &Arc<MemoryBudget> {
        &self.memory
    }

    fn probed(&self, probe: Probe) -> Probed {
        Node::probed(self, probe)
    }

    async fn verify(&self, token: &str, from: IpAddr) -> Result<Identity, AuthError> {
        self.verify_token(token, from).await
    }

    fn api_key(&self, key: &str) -> Option<String> {
        self.api_keys.check(key).map(|(name, _)| name)
    }

    fn converse(self: &Arc<Self>, outbound: Arc<Outbound>, opening: Opening) -> Router {
        Router::new(Arc::clone(self), outbound, opening)
    }
}
