//! The parts of RFC 6455 that a load generator needs: text frames and pongs of a client, and the frames of a server.

/// The opcode of a text frame (section 5.2).
pub(crate) const TEXT: u8 = 1;
/// The opcode of a close frame.
pub(crate) const CLOSE: u8 = 8;
/// The opcode of a ping.
pub(crate) const PING: u8 = 9;
/// The opcode of a pong.
pub(crate) const PONG: u8 = 10;

/// The key with which clients mask here. It is not zero, so that servers do the work that they do for real clients.
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Returns a client's text frame.
pub(crate) fn text(payload: &str) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + 14);
    append_masked(&mut frame, TEXT, payload.as_bytes());
    frame
}

/// Appends a client's frame.
pub(crate) fn append_masked(to: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    append_header(to, opcode, 0x80, payload.len());
    to.extend_from_slice(&KEY);
    let start = to.len();
    to.extend_from_slice(payload);
    unmask(&mut to[start..], KEY);
}

/// Appends a server's frame.
pub(crate) fn append_plain(to: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    append_header(to, opcode, 0, payload.len());
    to.extend_from_slice(payload);
}

fn append_header(to: &mut Vec<u8>, opcode: u8, mask_bit: u8, length: usize) {
    to.push(0x80 | opcode);
    match length {
        0..=125 => to.push(mask_bit | length as u8),
        126..=0xffff => {
            to.push(mask_bit | 126);
            to.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            to.push(mask_bit | 127);
            to.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

/// Applies a mask, or removes it.
pub(crate) fn unmask(payload: &mut [u8], key: [u8; 4]) {
    for (byte, key) in payload.iter_mut().zip(key.into_iter().cycle()) {
        *byte ^= key;
    }
}

/// A frame at the beginning of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// What kind of frame it is.
    pub(crate) opcode: u8,
    /// The key, if the payload is masked.
    pub(crate) key: Option<[u8; 4]>,
    /// Where the payload begins.
    pub(crate) start: usize,
    /// Where the frame ends.
    pub(crate) end: usize,
}

impl Frame {
    /// Reads the header of the first frame. Returns `None` if the bytes do not contain the whole frame.
    pub(crate) fn first(bytes: &[u8]) -> Option<Self> {
        let [first, second] = *bytes.first_chunk()?;
        let (after_length, length) = match second & 0x7f {
            126 => (4, usize::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?))),
            127 => (10, usize::try_from(u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?)).ok()?),
            short => (2, usize::from(short)),
        };
        let is_masked = second & 0x80 != 0;
        let key = if is_masked { Some(*bytes.get(after_length..)?.first_chunk()?) } else { None };
        let start = after_length + if is_masked { 4 } else { 0 };
        let end = start.checked_add(length)?;
        (bytes.len() >= end).then_some(Self { opcode: first & 0x0f, key, start, end })
    }
}

/// Counts the text frames in a server's byte stream.
#[derive(Default)]
pub(crate) struct Counter {
    header: Vec<u8>,
    skip: usize,
    /// The number of text frames whose header has been read.
    pub(crate) count: u64,
}

impl Counter {
    /// Processes the next bytes of the stream.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let taken = self.skip.min(bytes.len());
                self.skip -= taken;
                bytes = &bytes[taken..];
                continue;
            }
            self.header.push(bytes[0]);
            bytes = &bytes[1..];
            if let Some(length) = payload_length(&self.header) {
                self.count += u64::from(self.header[0] & 0x0f == TEXT);
                self.skip = length;
                self.header.clear();
            }
        }
    }
}

fn payload_length(header: &[u8]) -> Option<usize> {
    match (header.get(1)?, header.len()) {
        (126, 4) => Some(usize::from(u16::from_be_bytes([header[2], header[3]]))),
        (127, 10) => usize::try_from(u64::from_be_bytes(header[2..10].try_into().ok()?)).ok(),
        (126 | 127, _) => None,
        (short, _) => Some(usize::from(*short)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_frames_of_all_lengths_only_when_they_are_complete() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let payload: Vec<u8> = (0..length).map(|n: usize| n as u8).collect();
            let (mut masked, mut plain) = (Vec::new(), Vec::new());
            append_masked(&mut masked, TEXT, &payload);
            append_plain(&mut plain, PING, &payload);
            for (bytes, opcode) in [(&mut masked, TEXT), (&mut plain, PING)] {
                for end in [0, 1, 2, 5, bytes.len() - 1].into_iter().filter(|end| *end < bytes.len()) {
                    assert_eq!(Frame::first(&bytes[..end]), None, "{end} bytes of {}", bytes.len());
                }
                bytes.extend_from_slice(b"next");
                let frame = Frame::first(bytes).expect("a whole frame");
                assert_eq!((frame.opcode, frame.end), (opcode, bytes.len() - 4));
                let payload_of_frame = &mut bytes[frame.start..frame.end];
                if let Some(key) = frame.key {
                    unmask(payload_of_frame, key);
                }
                assert_eq!(payload_of_frame, payload, "{length} bytes");
            }
        }
    }

    #[test]
    fn refuses_length_that_no_memory_has() {
        let mut bytes = vec![0x81, 127];
        bytes.extend_from_slice(&u64::MAX.to_be_bytes());
        assert_eq!(Frame::first(&bytes), None);
    }

    #[test]
    fn counts_text_frames_regardless_of_how_the_stream_is_split() {
        let mut stream = Vec::new();
        append_plain(&mut stream, TEXT, b"one");
        append_plain(&mut stream, PING, b"");
        append_plain(&mut stream, TEXT, &[b'x'; 300]);
        for size in [1, 2, 7, stream.len()] {
            let mut counter = Counter::default();
            stream.chunks(size).for_each(|chunk| counter.feed(chunk));
            assert_eq!(counter.count, 2, "in pieces of {size}");
        }
    }
}
