//! The messages: what a client may say (`client`), what the gateway may say (`server`), and the envelope of both.

mod client;
mod server;

pub use client::*;
pub use server::*;

use crate::RequestId;

/// A message with the `requestId` that ties a command and its one reply together.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope<M> {
    /// Chosen by the client; the reply echoes it. Messages that nobody asked for carry none.
    pub request_id: Option<RequestId>,
    /// The message.
    pub message: M,
}

impl<M> Envelope<M> {
    /// A message without a `requestId`.
    pub fn unasked(message: M) -> Self {
        Self { request_id: None, message }
    }
}
