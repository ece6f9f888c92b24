//! The interface between the edge and the session layer for one connection. The WebSocket conformance test implements
//! it with an echo instead.

use std::{
    future::{Future, ready},
    time::Duration,
};

use realtime_gateway_protocol::CloseCode;
use tokio::time::Instant;

/// How a connection ended.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionSummary {
    /// The close code that was sent or received; 1006 when there was no close frame.
    pub code: CloseCode,
    /// The time from the start to the end of the connection.
    pub duration: Duration,
    /// Bytes read from the socket.
    pub bytes_received: u64,
    /// Bytes written to the socket.
    pub bytes_sent: u64,
}

/// Whether a client is authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication {
    /// The client is not authenticated.
    Anonymous,
    /// The client is authenticated, or its token has expired and it may send a new one.
    Authenticated,
}

/// The handler of one connection's messages. It writes replies to the outbound queue that it was created with.
pub trait ConnectionHandler: Send + 'static {
    /// Whether binary messages are accepted. Otherwise they close the connection with 1003.
    const BINARY: bool = false;

    /// Called once when the connection is open, before the first message is read.
    fn begin(&mut self) -> impl Future<Output = ()> + Send;

    /// Handles a text message of the client. The next message is read after this has returned.
    fn receive(&mut self, text: &str) -> impl Future<Output = ()> + Send;

    /// Handles a binary message of the client. Called only if [`BINARY`](Self::BINARY) is true.
    fn receive_binary(&mut self, _: &[u8]) -> impl Future<Output = ()> + Send {
        ready(())
    }

    /// Returns whether the client is authenticated. Until then only short messages are accepted.
    fn authentication(&self) -> Authentication {
        Authentication::Authenticated
    }

    /// Returns when `on_deadline` has to be called.
    fn deadline(&self) -> Option<Instant>;

    /// Called when the deadline has passed.
    fn on_deadline(&mut self) -> impl Future<Output = ()> + Send;

    /// Called once when the connection has ended.
    fn end(self, summary: ConnectionSummary) -> impl Future<Output = ()> + Send;
}
