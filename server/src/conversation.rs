//! What a connection talks to: the session layer's side of one connection, or an echo in the conformance test.

use std::{
    future::{Future, ready},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use realtime_gateway_protocol::CloseCode;
use tokio::time::Instant;

use crate::{
    auth::{AuthError, Identity},
    config::Config,
    drain::Tasks,
    metrics::Metrics,
    node::Node,
    outbound::Outbound,
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

    /// Tells whose token it is. The address is that of the client, for the log.
    fn verify(&self, token: &str, address: IpAddr) -> impl Future<Output = Result<Identity, AuthError>> + Send;

    /// Whether this is an API key, so that the limits of one address do not apply to the request that carries it.
    fn knows_api_key(&self, _: &str) -> bool {
        false
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

    async fn verify(&self, token: &str, address: IpAddr) -> Result<Identity, AuthError> {
        let verified = self.auth.verify(token).await;
        let mut user = None;
        let verified = verified.and_then(|identity| {
            user = Some(identity.user.clone());
            self.check_block(&identity).map(|()| identity)
        });
        if let Err(error) = &verified {
            self.metrics.auth_failure(error);
            if let Some(event) = error.security_event(Some(address), user.as_ref()) {
                self.metrics.security_event(event);
            }
        }
        verified
    }

    fn knows_api_key(&self, key: &str) -> bool {
        self.api_keys.check(key).is_some()
    }

    fn converse(self: &Arc<Self>, outbound: Arc<Outbound>, opening: Opening) -> Router {
        Router::new(Arc::clone(self), outbound, opening)
    }
}
