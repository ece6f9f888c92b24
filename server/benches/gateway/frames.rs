//! The parts of RFC 6455 that a cheap benchmark client needs: encoding text frames and counting received ones.

/// Encodes a client's text frame, masked with zeros, which leaves the payload unchanged.
pub(crate) fn text(payload: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match payload.len() {
        short @ 0..=125 => frame.push(0x80 | short as u8),
        long => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&u16::try_from(long).unwrap().to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload.as_bytes());
    frame
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
                self.count += u64::from(self.header[0] & 0x0f == 1);
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
