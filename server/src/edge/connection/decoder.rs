//! Decodes WebSocket frames (RFC 6455, section 5) from a stream of bytes, within the limits of one connection.

use std::time::Duration;

use realtime_gateway_protocol::CloseCode;
use tokio::time::Instant;

use super::{
    close::{PeerClose, parse_close},
    header::{Header, HeaderReader, Opcode},
    meter::ControlMeter,
};
use crate::delivery::outbound::CloseReason;

/// The time limit for receiving a message, from its first frame to its last.
pub(super) const MESSAGE_TIMEOUT: Duration = Duration::from_secs(10);
/// The most fragments of a message. A larger byte limit allows more, so that no fragment needs to exceed 256 bytes.
const MAX_FRAGMENTS: usize = 256;

/// A message or control frame that was decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// A text message.
    Text(String),
    /// A binary message, where they are accepted.
    Binary(Vec<u8>),
    /// A ping, to be answered with a pong that has the same payload.
    Ping(Vec<u8>),
    /// The answer to a ping, or an unsolicited pong (section 5.5.3).
    Pong,
    /// The client closes, or answers our close frame.
    Close(PeerClose),
}

/// Whether binary messages are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BinaryMessages {
    /// A binary message closes the connection with 1003.
    Rejected,
    /// Binary messages are delivered like text messages.
    Accepted,
}

/// The state between two reads: a partial header, frame or message.
#[derive(Debug)]
pub(super) struct Decoder {
    binary: BinaryMessages,
    limit: usize,
    header: HeaderReader,
    frame: Option<Frame>,
    message: Option<Message>,
    control: Vec<u8>,
    meter: ControlMeter,
}

/// A frame whose payload is being received.
#[derive(Debug)]
struct Frame {
    header: Header,
    read: usize,
}

/// A message that is being received.
#[derive(Debug)]
struct Message {
    payload: Vec<u8>,
    opcode: Opcode,
    /// The length of the prefix that is known to be valid UTF-8.
    checked: usize,
    fragments: usize,
    started_at: Instant,
}

impl Decoder {
    /// Creates a decoder for messages of at most `limit` bytes.
    pub(super) fn new(limit: usize, binary: BinaryMessages, now: Instant) -> Self {
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

    /// Sets the size limit, which applies from the next message on.
    pub(super) fn set_limit(&mut self, limit: usize) {
        if self.message.is_none() {
            self.limit = limit;
        }
    }

    /// Returns the memory that an incomplete message occupies, in bytes.
    pub(super) fn held_bytes(&self) -> usize {
        self.message.as_ref().map_or(0, |message| message.payload.capacity())
    }

    /// Returns the time by which the current message must be complete.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.message.as_ref().map(|message| message.started_at + MESSAGE_TIMEOUT)
    }

    /// Extends the deadline of the current message by the time for which the connection did not read.
    pub(super) fn extend_deadline(&mut self, pause: Duration) {
        if let Some(message) = &mut self.message {
            message.started_at += pause;
        }
    }

    /// Consumes bytes from the front of `input` until a message or control frame is complete or `input` is empty.
    ///
    /// # Errors
    /// Returns the close reason when the client violates the protocol. Nothing can be decoded after that.
    pub(super) fn read(&mut self, input: &mut &[u8], now: Instant) -> Result<Option<Received>, CloseReason> {
        loop {
            let Some(frame) = &mut self.frame else {
                let Some(header) = self.header.read(input)? else { return Ok(None) };
                self.validate(&header, now)?;
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
                // This part completes the payload, so the exact size is known and no spare capacity is kept.
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

    /// Validates a frame by its header, before memory is allocated for its payload.
    fn validate(&mut self, header: &Header, now: Instant) -> Result<(), CloseReason> {
        if header.opcode.is_control() {
            return if self.meter.take(now) {
                Ok(())
            } else {
                Err(CloseReason { code: CloseCode::RATE_LIMITED, reason: "too many control frames" })
            };
        }
        match (header.opcode, &mut self.message) {
            (Opcode::Continuation, None) => return Err(protocol_error("a continuation of nothing")),
            (Opcode::Continuation, Some(message)) => message.fragments += 1,
            (_, Some(_)) => return Err(protocol_error("a new message inside a fragmented one")),
            (Opcode::Binary, None) if self.binary == BinaryMessages::Rejected => {
                return Err(CloseReason { code: CloseCode::UNSUPPORTED_DATA, reason: "messages are JSON text" });
            }
            (opcode, None) => {
                self.message = Some(Message { payload: Vec::new(), opcode, checked: 0, fragments: 1, started_at: now });
            }
        }
        let Some(message) = &self.message else { return Ok(()) };
        // Cannot underflow: earlier frames passed this check, and the limit does not change within a message.
        if header.length > self.limit - message.payload.len() {
            return Err(CloseReason { code: CloseCode::MESSAGE_TOO_BIG, reason: "the message is over the limit" });
        }
        if message.fragments > MAX_FRAGMENTS.max(self.limit / MAX_FRAGMENTS) {
            return Err(CloseReason { code: CloseCode::MESSAGE_TOO_BIG, reason: "the message has too many fragments" });
        }
        Ok(())
    }

    /// Fails as soon as the text cannot become valid UTF-8, instead of at the end of the message.
    fn check_text(&mut self) -> Result<(), CloseReason> {
        let Some(message) = self.message.as_mut().filter(|message| message.opcode == Opcode::Text) else {
            return Ok(());
        };
        let unchecked = message.payload.get(message.checked..).unwrap_or_default();
        match std::str::from_utf8(unchecked) {
            Ok(_) => message.checked = message.payload.len(),
            Err(error) if error.error_len().is_some() => return Err(invalid_utf8()),
            // The last character may be incomplete: the next part decides.
            Err(error) => message.checked += error.valid_up_to(),
        }
        Ok(())
    }

    fn complete_message(&mut self) -> Result<Option<Received>, CloseReason> {
        let Some(message) = self.message.take() else { return Ok(None) };
        if message.opcode == Opcode::Binary {
            return Ok(Some(Received::Binary(message.payload)));
        }
        String::from_utf8(message.payload).map(|text| Some(Received::Text(text))).map_err(|_| invalid_utf8())
    }

    fn complete_control(&mut self, opcode: Opcode) -> Result<Received, CloseReason> {
        let payload = std::mem::take(&mut self.control);
        match opcode {
            Opcode::Ping => Ok(Received::Ping(payload)),
            Opcode::Close => parse_close(&payload).map(Received::Close),
            _ => Ok(Received::Pong),
        }
    }
}

/// Unmasks a part of a payload that starts at `offset` (section 5.3), eight bytes at a time.
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

pub(super) fn protocol_error(reason: &'static str) -> CloseReason {
    CloseReason { code: CloseCode::PROTOCOL_ERROR, reason }
}

pub(super) fn invalid_utf8() -> CloseReason {
    CloseReason { code: CloseCode::INVALID_PAYLOAD, reason: "the text is not UTF-8" }
}

#[cfg(test)]
mod tests;
