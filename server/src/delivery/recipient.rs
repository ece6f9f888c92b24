//! The receiving side of a session: its user, its outbound queue, and whether its client supports protocol extensions.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use realtime_gateway_protocol::{Codec, Envelope, RequestId, ServerMessage, SessionId, UserId};

use super::{
    frame::Frame,
    outbound::{Outbound, Pushed},
};

/// The receiving side of one session.
#[derive(Debug)]
pub struct Recipient {
    /// The id of the session.
    pub session: SessionId,
    /// The user of the session.
    pub user: UserId,
    /// The queue of frames for the session.
    pub outbound: Arc<Outbound>,
    codec: Codec,
    /// Whether the client has used a protocol extension, or has a server-side subscription.
    supports_extensions: AtomicBool,
}

impl Recipient {
    /// Creates a recipient. Its client gets only core messages until
    /// [`enable_extensions`](Self::enable_extensions) is called.
    pub fn new(session: SessionId, user: UserId, outbound: Arc<Outbound>, codec: Codec) -> Self {
        Self { session, user, outbound, codec, supports_extensions: AtomicBool::new(false) }
    }

    /// Returns whether the client supports protocol extensions. It does once it has used one, or the server has subscribed it.
    pub fn supports_extensions(&self) -> bool {
        self.supports_extensions.load(Ordering::Relaxed)
    }

    /// Records that the client supports protocol extensions.
    pub fn enable_extensions(&self) {
        self.supports_extensions.store(true, Ordering::Relaxed);
    }

    /// Sends the reply to a command.
    pub fn reply(&self, request_id: Option<RequestId>, message: impl Into<ServerMessage>) {
        self.outbound.push_paced(&[Frame::encode(self.codec, &Envelope { request_id, message: message.into() })]);
    }

    /// Pushes a message that is a protocol extension. It is dropped if the client does not support extensions.
    pub fn push_extension(&self, message: impl Into<ServerMessage>) -> Pushed {
        if self.supports_extensions() {
            self.outbound.push(Frame::encode_push(message.into()))
        } else {
            Pushed::Dropped
        }
    }
}
