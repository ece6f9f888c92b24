//! Codecs: how messages are written on a connection. Client and gateway agree on one by the WebSocket subprotocol (RFC 6455,
//! section 1.9); a client that offers none gets JSON.
//!
//! JSON is the only codec today. A binary one is a new variant here: the compiler then names the places that have to write
//! and read it, and the hub makes one frame for each codec that the subscribers of a topic use.

use crate::{
    ClientMessage, Envelope, Refusal, SUBPROTOCOL, ServerMessage, decode_client, encode_server,
    stored::{Composed, Delivery, StoredEntry, StoredError},
};

/// A form of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Codec {
    /// `gateway.v1.json`: each message is a JSON object in a text frame.
    #[default]
    Json,
}

/// An encoded message, by the kind of WebSocket frame that carries it (RFC 6455, section 5.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// A text frame.
    Text(String),
}

impl Codec {
    /// Every codec, the preferred one first.
    pub const ALL: [Self; 1] = [Self::Json];

    /// Returns the name of the subprotocol.
    pub fn subprotocol(self) -> &'static str {
        match self {
            Self::Json => SUBPROTOCOL,
        }
    }

    /// Returns the preferred codec whose subprotocol a client offers; `None` when it offers none that is known.
    pub fn negotiate(is_offered: impl Fn(&str) -> bool) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| is_offered(codec.subprotocol()))
    }

    /// Decodes a command.
    ///
    /// # Errors
    /// As [`decode_client`].
    pub fn decode_client(self, text: &str) -> Result<Envelope<ClientMessage>, Refusal> {
        match self {
            Self::Json => decode_client(text),
        }
    }

    /// Encodes a message for a client.
    pub fn encode_server(self, message: &Envelope<ServerMessage>) -> Payload {
        match self {
            Self::Json => Payload::Text(encode_server(message)),
        }
    }

    /// Composes the message of a stored entry.
    ///
    /// # Errors
    /// As [`StoredEntry::compose`].
    pub fn compose(self, entry: &StoredEntry<'_>, delivery: Delivery) -> Result<Composed, StoredError> {
        match self {
            Self::Json => entry.compose(delivery),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chooses_a_known_subprotocol_among_those_offered() {
        let negotiate = |offered: &[&str]| Codec::negotiate(|name| offered.contains(&name));
        assert_eq!(negotiate(&["chat", "gateway.v1.json"]), Some(Codec::Json));
        assert_eq!(negotiate(&["gateway.v9.binary"]), None);
        assert_eq!(negotiate(&[]), None);
    }
}
