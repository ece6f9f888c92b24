//! The messages: those of clients (`client`), those of the gateway (`server`), and the envelope of both.

mod client;
mod server;

pub use client::*;
pub use server::*;

use crate::RequestId;

/// A message with the `requestId` that correlates a command with its reply.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope<M> {
    /// The id of the command, chosen by the client and repeated in the reply. Pushes have none.
    pub request_id: Option<RequestId>,
    /// The message.
    pub message: M,
}

impl<M> Envelope<M> {
    /// Creates a message without a `requestId`.
    pub fn without_request_id(message: M) -> Self {
        Self { request_id: None, message }
    }
}
