//! A frame: a server message that is encoded once. Its bytes are written to the socket of every recipient.

use std::{fmt, sync::Arc, time::Instant};

use realtime_gateway_protocol::{Audience, Codec, Envelope, Payload, ServerMessage};

/// One WebSocket frame (RFC 6455, section 5.2; unmasked, as servers send it). Clones share the bytes.
#[derive(Clone)]
pub struct Frame(Arc<Encoded>);

struct Encoded {
    accepted: Instant,
    kind: u8,
    is_extension: bool,
    header: u8,
    bytes: Box<[u8]>,
}

impl Frame {
    /// Encodes a message that is not a reply to a command.
    pub fn encode_push(message: ServerMessage) -> Self {
        // Frames that several recipients share have the default codec, which is the only one today.
        Self::encode(Codec::default(), &Envelope::without_request_id(message))
    }

    /// Encodes a message.
    pub fn encode(codec: Codec, envelope: &Envelope<ServerMessage>) -> Self {
        let Payload::Text(text) = codec.encode_server(envelope);
        Self::text(envelope.message.type_name(), &text)
    }

    /// Creates a text frame with an encoded payload.
    pub fn text(type_name: &str, payload: &str) -> Self {
        Self::whole(0x81, type_name, payload.as_bytes())
    }

    /// Creates a binary frame. The protocol does not use it; the echo of the conformance test does.
    pub fn binary(payload: &[u8]) -> Self {
        Self::whole(0x82, "other", payload)
    }

    fn whole(first: u8, type_name: &str, payload: &[u8]) -> Self {
        let length = payload.len();
        let header: usize = match length {
            0..=125 => 2,
            126..=0xffff => 4,
            _ => 10,
        };
        // Exactly as long as the frame, because a boxed slice would be copied otherwise.
        let mut bytes = Vec::with_capacity(header + length);
        bytes.push(first);
        match header {
            2 => bytes.push(length as u8),
            4 => {
                bytes.push(126);
                bytes.extend_from_slice(&(length as u16).to_be_bytes());
            }
            _ => {
                bytes.push(127);
                bytes.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        let kind = ServerMessage::TYPES.iter().position(|known| *known == type_name);
        let audience = kind.and_then(|kind| ServerMessage::AUDIENCES.get(kind)).copied();
        let is_extension = audience == Some(Audience::ClientsWithExtensions);
        let kind = kind.unwrap_or(usize::from(u8::MAX)) as u8;
        bytes.extend_from_slice(payload);
        let (accepted, header) = (Instant::now(), header as u8);
        Self(Arc::new(Encoded { accepted, kind, is_extension, header, bytes: bytes.into() }))
    }

    /// Returns the header and the payload, as written to the socket.
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// Returns the JSON text.
    pub fn payload(&self) -> &str {
        let payload = self.0.bytes.get(usize::from(self.0.header)..).unwrap_or_default();
        std::str::from_utf8(payload).unwrap_or_default()
    }

    /// Returns the number of bytes that the frame takes in a queue.
    pub fn len(&self) -> usize {
        self.0.bytes.len()
    }

    /// Returns false, because a frame always has a header.
    pub fn is_empty(&self) -> bool {
        self.0.bytes.is_empty()
    }

    /// Returns the `type` of the message.
    pub fn type_name(&self) -> &'static str {
        ServerMessage::TYPES.get(self.kind()).copied().unwrap_or("other")
    }

    /// Returns the index of the message's `type` in [`ServerMessage::TYPES`].
    pub fn kind(&self) -> usize {
        usize::from(self.0.kind)
    }

    /// Returns whether the message is a protocol extension, which clients of the core protocol do not understand.
    pub fn is_extension(&self) -> bool {
        self.0.is_extension
    }

    /// Returns when the message was encoded. Delivery latency is measured from this time.
    pub fn accepted(&self) -> Instant {
        self.0.accepted
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({}, {} bytes)", self.type_name(), self.len())
    }
}
