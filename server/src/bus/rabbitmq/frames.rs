//! Screens the frames that a broker sends before lapin reads them. lapin ends a connection over a short string that is
//! not UTF-8, and with it everything in flight; see docs/decisions/unreadable-amqp-strings.md.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use super::properties::{Broken, Fields, Original, Unreadable};

/// Type, channel and size of a frame.
const HEADER: usize = 7;
/// The end of a frame.
const END: usize = 1;
/// The largest method or content header that is looked at. Brokers agree on 128 KiB.
const LARGEST: usize = 16 << 20;

const METHOD: u8 = 1;
const CONTENT_HEADER: u8 = 2;

/// What was unreadable, by channel and delivery tag, until the consumer asks for it.
#[derive(Debug, Clone, Default)]
pub(super) struct Findings(Arc<Mutex<HashMap<(u16, u64), Unreadable>>>);

impl Findings {
    /// What was unreadable of a delivery; given once.
    pub(super) fn take(&self, channel: u16, tag: u64) -> Option<Unreadable> {
        self.0.lock().remove(&(channel, tag))
    }

    /// A channel was opened or closed: its delivery tags mean nothing any more.
    fn forget(&self, channel: u16) {
        self.0.lock().retain(|(of, _), _| *of != channel);
    }
}

/// A delivery whose content header comes next on its channel.
struct Delivery {
    tag: u64,
    originals: Vec<Original>,
}

/// Follows the frames of one connection.
pub(super) struct Screening {
    /// A method or content header that has not come in whole.
    held: Vec<u8>,
    /// How many bytes of a frame pass without a look.
    passing: usize,
    /// What comes is not made of frames: a broker that speaks another version says so.
    raw: bool,
    deliveries: HashMap<u16, Delivery>,
    findings: Findings,
}

impl Screening {
    pub(super) fn new(findings: Findings) -> Self {
        Self { held: Vec::new(), passing: 0, raw: false, deliveries: HashMap::new(), findings }
    }

    /// Takes what was read, and appends to `out` what lapin may read by now.
    pub(super) fn push(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            if self.raw {
                out.extend_from_slice(bytes);
                return;
            }
            if self.passing > 0 {
                bytes = move_bytes(bytes, self.passing, out, &mut self.passing);
                continue;
            }
            let mut missing = HEADER.saturating_sub(self.held.len());
            if missing == 0 {
                missing = self.frame_length().saturating_sub(self.held.len());
            }
            bytes = move_bytes(bytes, missing, &mut self.held, &mut missing);
            if missing == 0 {
                self.advance(out);
            }
        }
    }

    /// How long the frame is whose header is here.
    fn frame_length(&self) -> usize {
        let size =
            self.held.get(3..HEADER).and_then(|size| size.first_chunk()).map_or(0, |size| u32::from_be_bytes(*size));
        usize::try_from(size).unwrap_or(usize::MAX).saturating_add(HEADER + END)
    }

    /// Decides on a frame whose header is here, or that is here in whole.
    fn advance(&mut self, out: &mut Vec<u8>) {
        let length = self.frame_length();
        let kind = self.held.first().copied().unwrap_or_default();
        let is_screened = matches!(kind, METHOD | CONTENT_HEADER) && length <= LARGEST;
        if self.held.len() < length && is_screened {
            return;
        }
        if is_screened {
            self.screen(kind);
        } else {
            // `AMQP` is how an answer begins that has no frames.
            self.raw = kind == b'A';
            self.passing = length.saturating_sub(self.held.len());
        }
        out.append(&mut self.held);
    }

    /// Replaces what lapin would refuse in the frame that is held.
    fn screen(&mut self, kind: u8) {
        let channel = self.held.get(1..3).and_then(|id| id.first_chunk()).map_or(0, |id| u16::from_be_bytes(*id));
        let end = self.held.len().saturating_sub(END);
        let Some(payload) = self.held.get_mut(HEADER..end) else { return };
        if kind == METHOD {
            // What cannot be read of a method is lapin's to refuse: a broker writes them, no publisher.
            let _ = method(payload, channel, &mut self.deliveries, &self.findings);
        } else {
            let delivery = self.deliveries.remove(&channel);
            let (found, replacement) = content_header(payload);
            if let Some(replacement) = replacement {
                self.held = replacement_frame(channel, &replacement);
            }
            let Some(Delivery { tag, mut originals }) = delivery else { return };
            originals.extend(found.originals);
            if !originals.is_empty() || found.broken.is_some() {
                self.findings.0.lock().insert((channel, tag), Unreadable { originals, ..found });
            }
        }
    }
}

/// Moves as many bytes as are wanted and there; gives the rest and counts down what is missing.
fn move_bytes<'a>(from: &'a [u8], wanted: usize, to: &mut Vec<u8>, missing: &mut usize) -> &'a [u8] {
    let (moved, rest) = from.split_at(wanted.min(from.len()));
    to.extend_from_slice(moved);
    *missing = wanted - moved.len();
    rest
}

fn method(
    payload: &mut [u8],
    channel: u16,
    deliveries: &mut HashMap<u16, Delivery>,
    findings: &Findings,
) -> Result<(), Broken> {
    let mut fields = Fields::new(payload);
    let (class, method) = (u16::from_be_bytes(fields.array()?), u16::from_be_bytes(fields.array()?));
    match (class, method) {
        // channel.open-ok and channel.close-ok
        (20, 11 | 41) => {
            deliveries.remove(&channel);
            findings.forget(channel);
        }
        // connection.close and channel.close, whose text may quote a name
        (10, 50) | (20, 40) => {
            fields.array::<2>()?;
            fields.short("reply text")?;
        }
        // connection.blocked
        (10, 60) => fields.short("reason")?,
        // basic.return
        (60, 50) => {
            deliveries.remove(&channel);
            fields.array::<2>()?;
            fields.short("reply text")?;
            fields.short("exchange")?;
            fields.short("routing_key")?;
        }
        // basic.deliver
        (60, 60) => {
            fields.short("consumer tag")?;
            let tag = u64::from_be_bytes(fields.array()?);
            fields.array::<1>()?;
            fields.short("exchange")?;
            fields.short("routing_key")?;
            findings.take(channel, tag);
            deliveries.insert(channel, Delivery { tag, originals: fields.originals });
        }
        _ => {}
    }
    Ok(())
}

/// What is unreadable in a content header, and what to put in its place when none of its properties can be read.
fn content_header(payload: &mut [u8]) -> (Unreadable, Option<Vec<u8>>) {
    // Class, weight and the size of the body come before the properties.
    const FIXED: usize = 12;
    let Some((fixed, properties)) = payload.split_at_mut_checked(FIXED) else {
        return (Unreadable { originals: Vec::new(), broken: None }, None);
    };
    let untouched = properties.to_vec();
    let mut fields = Fields::new(properties);
    match fields.properties() {
        Ok(()) => (Unreadable { originals: fields.originals, broken: None }, None),
        Err(broken) => {
            let originals = vec![Original { field: "properties", bytes: untouched }];
            let replacement = [&*fixed, &[0, 0]].concat();
            (Unreadable { originals, broken: Some(broken) }, Some(replacement))
        }
    }
}

fn replacement_frame(channel: u16, payload: &[u8]) -> Vec<u8> {
    /// Ends each frame (AMQP 0-9-1, section 4.2.3).
    const FRAME_END: u8 = 0xce;
    let size = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let mut frame = vec![CONTENT_HEADER];
    frame.extend_from_slice(&channel.to_be_bytes());
    frame.extend_from_slice(&size.to_be_bytes());
    frame.extend_from_slice(payload);
    frame.push(FRAME_END);
    frame
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
        let size = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&[kind][..], &channel.to_be_bytes(), &size, payload, &[0xce]].concat()
    }

    fn deliver(channel: u16, tag: u64, key: &[u8]) -> Vec<u8> {
        let key_length = [u8::try_from(key.len()).unwrap()];
        let payload = [b"\0\x3c\0\x3c\x01c".as_slice(), &tag.to_be_bytes(), b"\0\x01e", &key_length, key].concat();
        frame(METHOD, channel, &payload)
    }

    fn header(channel: u16, properties: &[u8]) -> Vec<u8> {
        frame(CONTENT_HEADER, channel, &[b"\0\x3c\0\0\0\0\0\0\0\0\0\x02".as_slice(), properties].concat())
    }

    /// Pushes bytes in pieces, and gives what came out and what was found.
    fn screened(bytes: &[u8], piece: usize) -> (Vec<u8>, Findings) {
        let findings = Findings::default();
        let (mut screening, mut out) = (Screening::new(findings.clone()), Vec::new());
        bytes.chunks(piece).for_each(|piece| screening.push(piece, &mut out));
        (out, findings)
    }

    #[test]
    fn reports_what_it_replaced_by_channel_and_delivery_tag() {
        let good = [deliver(1, 1, b"notification.a"), header(1, b"\0\0"), frame(3, 1, b"{}")].concat();
        let bad_key = [deliver(2, 1, b"gr\xf6\xdfe"), header(2, b"\0\0"), frame(3, 2, b"{}")].concat();
        let bad_id = [deliver(1, 2, b"k"), header(1, b"\0\x80\x01\xff"), frame(3, 1, b"\xff\xff")].concat();
        let stream = [good.clone(), bad_key, bad_id].concat();
        for piece in [1, 7, 8, 64, stream.len()] {
            let (out, findings) = screened(&stream, piece);
            assert_eq!(out.len(), stream.len());
            assert!(out.starts_with(&good), "what is right is left alone");
            assert!(out.windows(5).any(|text| text == b"gr??e"));
            assert!(out.ends_with(&frame(3, 1, b"\xff\xff")), "a body may hold any bytes");
            assert_eq!(findings.take(2, 1).unwrap().detail(), "routing_key: it is not UTF-8");
            assert_eq!(findings.take(1, 2).unwrap().originals[0].bytes, b"\xff");
            assert!(findings.take(1, 1).is_none() && findings.take(1, 2).is_none());
        }
    }

    #[test]
    fn removes_properties_that_cannot_be_read() {
        let stream = [deliver(1, 5, b"k"), header(1, b"\x80\0\xffabc"), frame(3, 1, b"{}")].concat();
        let (out, findings) = screened(&stream, 3);
        assert_eq!(out, [deliver(1, 5, b"k"), header(1, b"\0\0"), frame(3, 1, b"{}")].concat());
        let found = findings.take(1, 5).unwrap();
        assert_eq!((found.broken, &*found.originals[0].bytes), (Some(Broken::Malformed), b"\x80\0\xffabc".as_slice()));
    }

    #[test]
    fn forgets_deliveries_of_a_channel_that_closes() {
        let bad = [deliver(1, 1, b"\xff"), header(1, b"\0\0"), frame(3, 1, b"{}")].concat();
        let (_, findings) = screened(&[bad.clone(), frame(METHOD, 1, b"\0\x14\0\x29")].concat(), 9);
        assert!(findings.0.lock().is_empty());
        let (_, findings) = screened(&[bad, frame(METHOD, 1, b"\0\x14\0\x0b\0\0\0\0")].concat(), 9);
        assert!(findings.0.lock().is_empty());
    }

    #[test]
    fn passes_a_protocol_header_and_texts_of_a_close() {
        let (out, _) = screened(b"AMQP\0\0\x09\x01", 3);
        assert_eq!(out, b"AMQP\0\0\x09\x01");
        let (out, _) = screened(&frame(METHOD, 0, b"\0\x0a\0\x32\x01\x40\x02\xc3\xa9\0\0\0\0"), 4);
        assert_eq!(out, frame(METHOD, 0, b"\0\x0a\0\x32\x01\x40\x02\xc3\xa9\0\0\0\0"));
        let (out, _) = screened(&frame(METHOD, 0, b"\0\x0a\0\x32\x01\x40\x02a\xc3\0\0\0\0"), 4);
        assert_eq!(out, frame(METHOD, 0, b"\0\x0a\0\x32\x01\x40\x02a?\0\0\0\0"), "a text that was cut in a character");
    }

    proptest! {
        #[test]
        fn lapin_reads_whatever_passes(properties in prop::collection::vec(any::<u8>(), 0..80), flags: u16, piece in 1_usize..40) {
            let stream = [deliver(1, 1, b"k"), header(1, &[&flags.to_be_bytes()[..], &properties].concat())].concat();
            let (out, _) = screened(&stream, piece);
            let payload = out.get(deliver(1, 1, b"k").len() + HEADER + 12..out.len() - 1).unwrap();
            let read = lapin::protocol::basic::parse_properties(payload);
            prop_assert!(read.is_ok_and(|(rest, _)| rest.is_empty()));
        }
    }
}
