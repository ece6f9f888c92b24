//! Decodes the header of a client frame (RFC 6455, section 5.2) as its bytes arrive.

use super::decoder::protocol_error;
use crate::delivery::outbound::CloseReason;

/// The longest header: two bytes, eight bytes of length, four bytes of mask.
const MAX_HEADER_BYTES: usize = 14;

/// The type of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    pub(super) fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// A validated header: the frame is masked, no reserved bits are set, and a control frame is short and not fragmented.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) opcode: Opcode,
    /// Whether this is the last frame of its message (FIN).
    pub(super) last: bool,
    pub(super) length: usize,
    pub(super) mask: [u8; 4],
}

/// A header that may be incomplete.
#[derive(Debug, Default)]
pub(super) struct HeaderReader {
    bytes: [u8; MAX_HEADER_BYTES],
    filled: usize,
}

impl HeaderReader {
    /// Consumes bytes from the front of `input` until the header is complete.
    ///
    /// # Errors
    /// Returns the close reason of an invalid header. Its first two bytes are checked before more are read.
    pub(super) fn read(&mut self, input: &mut &[u8]) -> Result<Option<Header>, CloseReason> {
        if !self.fill(2, input) {
            return Ok(None);
        }
        let [first, second, ..] = self.bytes;
        let opcode = validate(first, second)?;
        let extended = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if !self.fill(2 + extended + 4, input) {
            return Ok(None);
        }
        let [_, _, l0, l1, l2, l3, l4, l5, l6, l7, ..] = self.bytes;
        let length = match extended {
            2 => u64::from(u16::from_be_bytes([l0, l1])),
            8 => u64::from_be_bytes([l0, l1, l2, l3, l4, l5, l6, l7]),
            _ => u64::from(second & 0x7f),
        };
        if length >> 63 == 1 {
            return Err(protocol_error("a length with the highest bit set"));
        }
        let mask = match (extended, self.bytes) {
            (0, [_, _, m0, m1, m2, m3, ..])
            | (2, [_, _, _, _, m0, m1, m2, m3, ..])
            | (_, [_, _, _, _, _, _, _, _, _, _, m0, m1, m2, m3]) => [m0, m1, m2, m3],
        };
        self.filled = 0;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        Ok(Some(Header { opcode, last: first & 0x80 != 0, length, mask }))
    }

    /// Consumes input until `wanted` bytes of the header are available.
    fn fill(&mut self, wanted: usize, input: &mut &[u8]) -> bool {
        while self.filled < wanted {
            let (Some((byte, rest)), Some(slot)) = (input.split_first(), self.bytes.get_mut(self.filled)) else {
                return false;
            };
            *slot = *byte;
            self.filled += 1;
            *input = rest;
        }
        true
    }
}

fn validate(first: u8, second: u8) -> Result<Opcode, CloseReason> {
    if first & 0x70 != 0 {
        return Err(protocol_error("a reserved bit is set"));
    }
    let opcode = match first & 0x0f {
        0 => Opcode::Continuation,
        1 => Opcode::Text,
        2 => Opcode::Binary,
        8 => Opcode::Close,
        9 => Opcode::Ping,
        10 => Opcode::Pong,
        _ => return Err(protocol_error("a reserved opcode")),
    };
    if second & 0x80 == 0 {
        return Err(protocol_error("a frame without a mask"));
    }
    if opcode.is_control() && first & 0x80 == 0 {
        return Err(protocol_error("a fragmented control frame"));
    }
    if opcode.is_control() && second & 0x7f > 125 {
        return Err(protocol_error("a control frame over 125 bytes"));
    }
    Ok(opcode)
}
