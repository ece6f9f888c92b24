//! The meter: follows frame headers in the byte stream, and bounds what tungstenite does not: fragments, control
//! frames, and the time of one message.

use std::time::Duration;

use realtime_gateway_protocol::CloseCode;
use tokio::time::Instant;

use crate::outbound::CloseReason;

/// Fragments of one message.
const FRAGMENTS: u32 = 256;
/// Control frames that may come at once, and a second.
const CONTROL_BURST: f32 = 50.0;
const CONTROL_PER_SECOND: f32 = 10.0;

/// Where in the byte stream the next byte is.
#[derive(Debug, Default)]
pub(super) struct Meter {
    header: [u8; 14],
    header_len: u8,
    /// Bytes of the payload that are still to come.
    payload: u64,
    fragments: u32,
    /// Since when a message is incomplete.
    message: Option<Instant>,
    control_spent: f32,
    control_at: Option<Instant>,
    violation: Option<&'static str>,
}

impl Meter {
    /// Follows the next bytes.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while let Some((first, rest)) = bytes.split_first() {
            if self.payload > 0 {
                let taken = usize::try_from(self.payload).unwrap_or(usize::MAX).min(bytes.len());
                self.payload -= taken as u64;
                bytes = bytes.get(taken..).unwrap_or_default();
                self.settle();
                continue;
            }
            if let Some(slot) = self.header.get_mut(usize::from(self.header_len)) {
                *slot = *first;
            }
            self.header_len += 1;
            bytes = rest;
            if let Some(length) = self.payload_length() {
                self.begin(length);
            } else if self.message.is_none() {
                self.message = Some(Instant::now());
            }
        }
    }

    /// Why the connection is to be closed, if it is.
    pub(super) fn violation(&self) -> Option<CloseReason> {
        self.violation.map(|reason| CloseReason { code: CloseCode::MESSAGE_TOO_BIG, reason })
    }

    /// Since when a message is on its way.
    pub(super) fn message_since(&self) -> Option<Instant> {
        self.message
    }

    /// The length, once the header is whole.
    fn payload_length(&self) -> Option<u64> {
        let [_, second, a, b, rest @ ..] = &self.header;
        let mask = if second & 0x80 == 0 { 0 } else { 4 };
        let (length, size) = match second & 0x7f {
            126 => (u64::from(u16::from_be_bytes([*a, *b])), 4 + mask),
            127 => {
                let [c, d, e, f, g, h, ..] = rest;
                (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), 10 + mask)
            }
            short => (u64::from(short), 2 + mask),
        };
        (self.header_len >= 2 && self.header_len == size).then_some(length)
    }

    /// A frame's header is whole.
    fn begin(&mut self, length: u64) {
        let opcode = self.header.first().copied().unwrap_or_default() & 0x0f;
        self.payload = length;
        if opcode >= 8 {
            self.count_control();
        } else {
            self.fragments += 1;
            if self.fragments > FRAGMENTS {
                self.violation = Some("the message has more than 256 fragments");
            }
        }
        if self.message.is_none() {
            self.message = Some(Instant::now());
        }
        self.settle();
    }

    /// When a frame is whole, and with it perhaps a message.
    fn settle(&mut self) {
        if self.payload > 0 {
            return;
        }
        let first = self.header.first().copied().unwrap_or_default();
        let (is_final, is_control) = (first & 0x80 != 0, first & 0x0f >= 8);
        self.header_len = 0;
        if is_final && !is_control {
            self.fragments = 0;
        }
        if self.fragments == 0 {
            self.message = None;
        }
    }

    fn count_control(&mut self) {
        let now = Instant::now();
        let since = self.control_at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        self.control_spent = (self.control_spent - since.as_secs_f32() * CONTROL_PER_SECOND).max(0.0) + 1.0;
        self.control_at = Some(now);
        if self.control_spent > CONTROL_BURST {
            self.violation = Some("too many control frames");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(first: u8, payload: usize) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload {
            0..=125 => bytes.push(0x80 | payload as u8),
            _ => {
                bytes.push(0x80 | 126);
                bytes.extend_from_slice(&(payload as u16).to_be_bytes());
            }
        }
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend(std::iter::repeat_n(b'x', payload));
        bytes
    }

    #[test]
    fn messages_end_wherever_the_bytes_are_cut() {
        let stream = [frame(0x01, 3), frame(0x89, 0), frame(0x00, 300), frame(0x80, 0), frame(0x81, 5)].concat();
        for size in [1, 2, 3, 7, 1000] {
            let mut meter = Meter::default();
            for bytes in stream.chunks(size) {
                meter.feed(bytes);
            }
            assert_eq!(meter.message_since(), None, "{size}");
            assert_eq!((meter.fragments, meter.violation), (0, None));
        }
    }

    #[test]
    fn fragments_and_control_frames_are_bounded() {
        let mut meter = Meter::default();
        meter.feed(&frame(0x01, 1));
        meter.feed(&frame(0x00, 1).repeat(255));
        assert!(meter.violation().is_none() && meter.message_since().is_some());
        meter.feed(&frame(0x00, 1));
        assert!(meter.violation().is_some());
        let mut meter = Meter::default();
        meter.feed(&frame(0x89, 0).repeat(50));
        assert!(meter.violation().is_none());
        meter.feed(&frame(0x89, 0).repeat(2));
        assert!(meter.violation().is_some());
    }
}
