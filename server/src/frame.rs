//! A frame: a server message, encoded once, as the bytes that go to every recipient's socket.

use std::{fmt, sync::Arc, time::Instant};

use realtime_gateway_protocol::{Audience, Envelope, ServerMessage, encode_server};

/// The bytes of one WebSocket text frame (RFC 6455, section 5.2; unmasked, as a server sends it), shared by all who get it.
#[derive(Clone)]
pub struct Frame(Arc<Encoded>);

struct Encoded {
    accepted: Instant,
    kind: u8,
    addition: bool,
    header: u8,
    bytes: Box<[u8]>,
}

impl Frame {
    /// Encodes a message that nobody asked for.
    pub fn push(message: ServerMessage) -> Self {
        Self::encode(&Envelope::unasked(message))
    }

    /// Encodes a message.
    pub fn encode(envelope: &Envelope<ServerMessage>) -> Self {
        Self::text(envelope.message.type_name(), &encode_server(envelope))
    }

    /// Makes a text frame of a payload that is encoded already.
    pub fn text(type_name: &str, payload: &str) -> Self {
        Self::whole(0x81, type_name, payload.as_bytes())
    }

    /// Makes a binary frame, which the protocol has no use for but an echo has.
    pub fn binary(payload: &[u8]) -> Self {
        Self::whole(0x82, "other", payload)
    }

    fn whole(first: u8, type_name: &str, payload: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(payload.len() + 10);
        bytes.push(first);
        match payload.len() {
            short @ 0..=125 => bytes.push(short as u8),
            middle @ 126..=0xffff => {
                bytes.push(126);
                bytes.extend_from_slice(&(middle as u16).to_be_bytes());
            }
            long => {
                bytes.push(127);
                bytes.extend_from_slice(&(long as u64).to_be_bytes());
            }
        }
        let header = bytes.len() as u8;
        let kind = ServerMessage::TYPES.iter().position(|known| *known == type_name);
        let audience = kind.and_then(|kind| ServerMessage::AUDIENCES.get(kind)).copied();
        let addition = audience == Some(Audience::ClientsWithAdditions);
        let kind = kind.unwrap_or(usize::from(u8::MAX)) as u8;
        bytes.extend_from_slice(payload);
        Self(Arc::new(Encoded { accepted: Instant::now(), kind, addition, header, bytes: bytes.into() }))
    }

    /// Header and payload: what is written to the socket.
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// The JSON text.
    pub fn payload(&self) -> &str {
        let payload = self.0.bytes.get(usize::from(self.0.header)..).unwrap_or_default();
        std::str::from_utf8(payload).unwrap_or_default()
    }

    /// How many bytes it takes in a queue.
    pub fn len(&self) -> usize {
        self.0.bytes.len()
    }

    /// Never: a frame has a header.
    pub fn is_empty(&self) -> bool {
        self.0.bytes.is_empty()
    }

    /// The message's `type`.
    pub fn type_name(&self) -> &'static str {
        ServerMessage::TYPES.get(self.kind()).copied().unwrap_or("other")
    }

    /// The place of its `type` in [`ServerMessage::TYPES`].
    pub fn kind(&self) -> usize {
        usize::from(self.0.kind)
    }

    /// Whether it is a push that only clients know who use more than the core messages.
    pub fn is_addition(&self) -> bool {
        self.0.addition
    }

    /// When the message was encoded, from which delivery latency counts.
    pub fn accepted(&self) -> Instant {
        self.0.accepted
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({}, {} bytes)", self.type_name(), self.len())
    }
}
