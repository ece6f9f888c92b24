//! Reads what a client sends: WebSocket frames (RFC 6455, section 5) out of a stream of bytes, within the limits of one connection.

use std::time::Duration;

use realtime_gateway_protocol::CloseCode;
use tokio::time::Instant;

use super::{
    close::{PeerClose, peer_close},
    header::{Header, HeaderReader, Opcode},
    meter::ControlMeter,
};
use crate::outbound::CloseReason;

/// Within which a message must be complete once it has begun.
pub(super) const MESSAGE_WITHIN: Duration = Duration::from_secs(10);
/// Fragments that a message may have. A larger limit of bytes allows more, so that none has to be over 256 bytes.
const FRAGMENTS: usize = 256;

/// What came out of the stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// A message.
    Text(String),
    /// A binary message, where those are taken.
    Binary(Vec<u8>),
    /// To be answered with a pong of the same payload.
    Ping(Vec<u8>),
    /// The answer to a ping, or unasked (section 5.5.3).
    Pong,
    /// The client closes, or answers our close.
    Close(PeerClose),
}

/// Whether binary messages are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binary {
    /// They close the connection with 1003.
    Refused,
    /// They are messages like any other.
    Taken,
}

/// The state between two reads: a part of a header, of a frame, of a message.
#[derive(Debug)]
pub(super) struct Decoder {
    binary: Binary,
    limit: usize,
    header: HeaderReader,
    frame: Option<Frame>,
    message: Option<Message>,
    control: Vec<u8>,
    meter: ControlMeter,
}

/// A frame whose payload is being read.
#[derive(Debug)]
struct Frame {
    header: Header,
    read: usize,
}

/// A message that is being read.
#[derive(Debug)]
struct Message {
    payload: Vec<u8>,
    opcode: Opcode,
    /// How much of a text is known to be UTF-8.
    checked: usize,
    fragments: usize,
    began: Instant,
}

impl Decoder {
    /// Takes messages of at most `limit` bytes.
    pub(super) fn new(limit: usize, binary: Binary, now: Instant) -> Self {
        Self {
            binary,
            limit,
            header: HeaderReader::default(),
            frame: None,
            message: None,
            control: Vec::new(),
            meter: ControlMeter::new(now),
        }
    }

    /// From the next message on, takes at most `limit` bytes.
    pub(super) fn set_limit(&mut self, limit: usize) {
        if self.message.is_none() {
            self.limit = limit;
        }
    }

    /// The memory that a message which is not complete takes, in bytes.
    pub(super) fn held_bytes(&self) -> usize {
        self.message.as_ref().map_or(0, |message| message.payload.capacity())
    }

    /// By when the message that has begun must be complete.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.message.as_ref().map(|message| message.began + MESSAGE_WITHIN)
    }

    /// The connection did not read for so long; a message that has begun gets that time back.
    pub(super) fn paused(&mut self, pause: Duration) {
        if let Some(message) = &mut self.message {
            message.began += pause;
        }
    }

    /// Takes bytes from the front of `input` until something came out or none are left.
    ///
    /// # Errors
    /// How to close the connection when the client breaks the protocol. Nothing can be read after that.
    pub(super) fn read(&mut self, input: &mut &[u8], now: Instant) -> Result<Option<Received>, CloseReason> {
        loop {
            let Some(frame) = &mut self.frame else {
                let Some(header) = self.header.read(input)? else { return Ok(None) };
                self.begin(&header, now)?;
                self.frame = Some(Frame { header, read: 0 });
                continue;
            };
            let wanted = frame.header.length - frame.read;
            let (part, rest) = input.split_at(wanted.min(input.len()));
            *input = rest;
            let payload = match &mut self.message {
                Some(message) if !frame.header.opcode.is_control() => &mut message.payload,
                _ => &mut self.control,
            };
            if part.len() == wanted {
                // The last part is known to be: nothing more than it takes is kept.
                payload.reserve_exact(part.len());
            }
            let start = payload.len();
            payload.extend_from_slice(part);
            unmask(payload.get_mut(start..).unwrap_or_default(), frame.header.mask, frame.read);
            frame.read += part.len();
            if part.len() < wanted {
                self.check_text()?;
                return Ok(None);
            }
            let Header { opcode, last, .. } = frame.header;
            self.frame = None;
            if opcode.is_control() {
                return self.complete_control(opcode).map(Some);
            }
            if last {
                return self.complete_message();
            }
            self.check_text()?;
        }
    }

    /// Judges a frame by its header.
    fn begin(&mut self, header: &Header, now: Instant) -> Result<(), CloseReason> {
        if header.opcode.is_control() {
            return if self.meter.take(now) {
                Ok(())
            } else {
                Err(CloseReason { code: CloseCode::RATE_LIMITED, reason: "too many control frames" })
            };
        }
        match (header.opcode, &mut self.message) {
            (Opcode::Continuation, None) => return Err(broken("a continuation of nothing")),
            (Opcode::Continuation, Some(message)) => message.fragments += 1,
            (_, Some(_)) => return Err(broken("a new message inside of a fragmented one")),
            (Opcode::Binary, None) if self.binary == Binary::Refused => {
                return Err(CloseReason { code: CloseCode::UNSUPPORTED_DATA, reason: "messages are JSON text" });
            }
            (opcode, None) => {
                self.message = Some(Message { payload: Vec::new(), opcode, checked: 0, fragments: 1, began: now });
            }
        }
        let Some(message) = &self.message else { return Ok(()) };
        if header.length > self.limit - message.payload.len() {
            return Err(CloseReason { code: CloseCode::MESSAGE_TOO_BIG, reason: "the message is over the limit" });
        }
        if message.fragments > FRAGMENTS.max(self.limit / FRAGMENTS) {
            return Err(CloseReason { code: CloseCode::MESSAGE_TOO_BIG, reason: "the message has too many fragments" });
        }
        Ok(())
    }

    /// Fails as soon as a text cannot become UTF-8 any more, rather than at its end.
    fn check_text(&mut self) -> Result<(), CloseReason> {
        let Some(message) = self.message.as_mut().filter(|message| message.opcode == Opcode::Text) else {
            return Ok(());
        };
        let unchecked = message.payload.get(message.checked..).unwrap_or_default();
        match std::str::from_utf8(unchecked) {
            Ok(_) => message.checked = message.payload.len(),
            Err(error) if error.error_len().is_some() => return Err(not_utf8()),
            Err(error) => message.checked += error.valid_up_to(),
        }
        Ok(())
    }

    fn complete_message(&mut self) -> Result<Option<Received>, CloseReason> {
        let Some(message) = self.message.take() else { return Ok(None) };
        if message.opcode == Opcode::Binary {
            return Ok(Some(Received::Binary(message.payload)));
        }
        String::from_utf8(message.payload).map(|text| Some(Received::Text(text))).map_err(|_| not_utf8())
    }

    fn complete_control(&mut self, opcode: Opcode) -> Result<Received, CloseReason> {
        let payload = std::mem::take(&mut self.control);
        match opcode {
            Opcode::Ping => Ok(Received::Ping(payload)),
            Opcode::Close => peer_close(&payload).map(Received::Close),
            _ => Ok(Received::Pong),
        }
    }
}

/// Removes the mask from a part of a payload that begins at `offset` (section 5.3).
fn unmask(part: &mut [u8], mask: [u8; 4], offset: usize) {
    let mut mask = mask;
    mask.rotate_left(offset % 4);
    let word = u64::from_ne_bytes([mask[0], mask[1], mask[2], mask[3], mask[0], mask[1], mask[2], mask[3]]);
    let (words, rest) = part.as_chunks_mut::<8>();
    for bytes in words {
        *bytes = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

pub(super) fn broken(reason: &'static str) -> CloseReason {
    CloseReason { code: CloseCode::PROTOCOL_ERROR, reason }
}

pub(super) fn not_utf8() -> CloseReason {
    CloseReason { code: CloseCode::INVALID_PAYLOAD, reason: "the text is not UTF-8" }
}

#[cfg(test)]
mod tests;
