//! Frames of RFC 6455 as bytes, so that a scenario decides what is in one segment, and where a connection is cut.

use std::io::Cursor;

use tokio_tungstenite::tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Control, Data, OpCode},
};

use crate::failure::{Step, red};

/// The key with which the proxy masks frames that it changes. It changes no byte.
const NO_MASK: [u8; 4] = [0; 4];

/// A frame, and its bytes as they came.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) opcode: OpCode,
    pub(crate) is_final: bool,
    pub(crate) is_compressed: bool,
    pub(crate) is_masked: bool,
    pub(crate) payload: Vec<u8>,
    pub(crate) bytes: Vec<u8>,
}

impl Frame {
    /// Takes the first frame off the front of a buffer, once it has arrived as a whole.
    pub(crate) fn take(buffer: &mut Vec<u8>) -> Step<Option<Self>> {
        let mut cursor = Cursor::new(&**buffer);
        let parsed = FrameHeader::parse(&mut cursor).map_err(|error| red(format!("an invalid frame: {error}")))?;
        let Some((header, length)) = parsed else { return Ok(None) };
        let start = usize::try_from(cursor.position()).unwrap_or(usize::MAX);
        let end = usize::try_from(length).ok().and_then(|length| start.checked_add(length));
        let Some(end) = end.filter(|end| *end <= buffer.len()) else { return Ok(None) };
        let bytes: Vec<u8> = buffer.drain(..end).collect();
        let mut payload = bytes.get(start..).unwrap_or_default().to_vec();
        if let Some(mask) = header.mask {
            payload.iter_mut().zip(mask.into_iter().cycle()).for_each(|(byte, key)| *byte ^= key);
        }
        let is_compressed = header.rsv1 || header.rsv2 || header.rsv3;
        let (opcode, is_final, is_masked) = (header.opcode, header.is_final, header.mask.is_some());
        Ok(Some(Self { opcode, is_final, is_compressed, is_masked, payload, bytes }))
    }

    /// Returns the text of a frame that is a whole text message.
    pub(crate) fn text(&self) -> Option<&str> {
        let is_text = self.opcode == OpCode::Data(Data::Text) && self.is_final;
        is_text.then(|| std::str::from_utf8(&self.payload).ok()).flatten()
    }

    /// Returns the code of a close frame; 1005 if it has none.
    pub(crate) fn close_code(&self) -> Option<u16> {
        let code = self.payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
        (self.opcode == OpCode::Control(Control::Close)).then_some(code)
    }
}

/// Returns a text frame of the gateway.
pub(crate) fn text(text: &str) -> Vec<u8> {
    encoded(OpCode::Data(Data::Text), true, text.as_bytes(), None)
}

/// Returns a text frame of a client.
pub(crate) fn masked_text(text: &str) -> Vec<u8> {
    encoded(OpCode::Data(Data::Text), true, text.as_bytes(), Some(NO_MASK))
}

/// Returns a text message of the gateway in two frames.
pub(crate) fn fragments(text: &str) -> Vec<u8> {
    // Not at a boundary of characters: only the message as a whole is UTF-8.
    let (first, rest) = text.as_bytes().split_at(text.len() / 2);
    let mut bytes = encoded(OpCode::Data(Data::Text), false, first, None);
    bytes.extend(encoded(OpCode::Data(Data::Continue), true, rest, None));
    bytes
}

/// Returns a close frame of the gateway; without a code if that is 1005.
pub(crate) fn close(code: u16) -> Vec<u8> {
    let code = code.to_be_bytes();
    let payload: &[u8] = if code == 1005_u16.to_be_bytes() { &[] } else { &code };
    encoded(OpCode::Control(Control::Close), true, payload, None)
}

/// Returns a ping of the gateway.
pub(crate) fn ping(payload: &str) -> Vec<u8> {
    encoded(OpCode::Control(Control::Ping), true, payload.as_bytes(), None)
}

fn encoded(opcode: OpCode, is_final: bool, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let header = FrameHeader { is_final, rsv1: false, rsv2: false, rsv3: false, opcode, mask };
    let mut bytes = Vec::new();
    // Writing to memory cannot fail.
    let _ = header.format(u64::try_from(payload.len()).unwrap_or(u64::MAX), &mut bytes);
    bytes.extend_from_slice(payload);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let mut buffer = text("hello");
        buffer.extend(masked_text("x".repeat(70_000).as_str()));
        buffer.extend(close(4409));
        let whole = buffer.clone();
        let mut frames = Vec::new();
        while let Some(frame) = Frame::take(&mut buffer).unwrap() {
            frames.push(frame);
        }
        assert_eq!(frames[0].text(), Some("hello"));
        assert_eq!(frames[1].payload.len(), 70_000);
        assert!(frames[1].is_masked && !frames[0].is_masked);
        assert_eq!(frames[2].close_code(), Some(4409));
        assert_eq!(frames.iter().flat_map(|frame| frame.bytes.clone()).collect::<Vec<_>>(), whole);
    }

    #[test]
    fn waits_for_the_rest_of_a_frame() {
        let whole = text("hello");
        let mut part = whole[..4].to_vec();
        assert!(Frame::take(&mut part).unwrap().is_none());
        part.extend(&whole[4..]);
        assert_eq!(Frame::take(&mut part).unwrap().unwrap().text(), Some("hello"));
    }
}
