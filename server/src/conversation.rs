//! What a connection talks to: the session layer's side of one connection, or an echo in the conformance test.

use std::{future::Future, time::Duration};

use realtime_gateway_protocol::CloseCode;
use tokio::time::Instant;

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
    /// The connection is open: nothing was said yet.
    fn begin(&mut self) -> impl Future<Output = ()> + Send;

    /// The client said something. The next message is read when this is done.
    fn receive(&mut self, text: &str) -> impl Future<Output = ()> + Send;

    /// When `on_deadline` wants to be called.
    fn deadline(&self) -> Option<Instant>;

    /// The deadline has passed.
    fn on_deadline(&mut self) -> impl Future<Output = ()> + Send;

    /// The connection is gone.
    fn end(self, ending: Ending) -> impl Future<Output = ()> + Send;
}
