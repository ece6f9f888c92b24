//! Tests the decoder with generated messages, with arbitrary bytes, and with input split at arbitrary positions.

use proptest::{collection::vec, prelude::*};

use super::*;

/// A frame as a client encodes it.
#[derive(Debug, Clone)]
struct ClientFrame {
    first: u8,
    mask: [u8; 4],
    payload: Vec<u8>,
}

impl ClientFrame {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.first];
        match self.payload.len() {
            short @ 0..=125 => bytes.push(0x80 | short as u8),
            middle @ 126..=0xffff => {
                bytes.push(0x80 | 126);
                bytes.extend((middle as u16).to_be_bytes());
            }
            long => {
                bytes.push(0x80 | 127);
                bytes.extend((long as u64).to_be_bytes());
            }
        }
        bytes.extend(self.mask);
        bytes.extend(self.payload.iter().zip(self.mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }
}

/// Decodes these pieces of a stream. Returns everything up to the first error, and the error.
fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limit: usize) -> (Vec<Received>, Option<CloseReason>) {
    let now = Instant::now();
    let mut decoder = Decoder::new(limit, BinaryMessages::Accepted, now);
    let mut all = Vec::new();
    for mut piece in pieces {
        loop {
            match decoder.read(&mut piece, now) {
                Ok(Some(received)) => all.push(received),
                Ok(None) => break,
                Err(reason) => return (all, Some(reason)),
            }
        }
        assert!(piece.is_empty(), "the decoder left input although it returned nothing");
    }
    (all, None)
}

/// Generates the frames of a fragmented text with pings in between, and the expected output.
fn message() -> impl Strategy<Value = (Vec<ClientFrame>, Vec<Received>)> {
    let text = proptest::string::string_regex("[a-zé€😀]{0,200}").unwrap();
    (text, vec(0..=1000_usize, 0..4), any::<[u8; 4]>(), vec(any::<u8>(), 0..=125)).prop_map(
        |(text, mut cuts, mask, ping)| {
            cuts.iter_mut().for_each(|cut| *cut = (*cut).min(text.len()));
            cuts.sort_unstable();
            let starts: Vec<_> = std::iter::once(0).chain(cuts.iter().copied()).collect();
            let ends: Vec<_> = cuts.iter().copied().chain([text.len()]).collect();
            let (mut sent, mut received) = (Vec::new(), Vec::new());
            for (index, (start, end)) in starts.iter().zip(&ends).enumerate() {
                let last = if index + 1 == starts.len() { 0x80 } else { 0 };
                let opcode = if index == 0 { 1 } else { 0 };
                sent.push(ClientFrame { first: last | opcode, mask, payload: text.as_bytes()[*start..*end].to_vec() });
                if last == 0 {
                    sent.push(ClientFrame { first: 0x89, mask, payload: ping.clone() });
                    received.push(Received::Ping(ping.clone()));
                }
            }
            received.push(Received::Text(text));
            (sent, received)
        },
    )
}

proptest! {
    #[test]
    fn decodes_messages_regardless_of_how_the_stream_is_split(
        messages in vec(message(), 0..6),
        sizes in vec(1..400_usize, 1..20),
    ) {
        let stream: Vec<u8> = messages.iter().flat_map(|(sent, _)| sent).flat_map(ClientFrame::bytes).collect();
        let mut rest = stream.as_slice();
        let mut pieces = Vec::new();
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at((*size).min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        let expected: Vec<Received> = messages.into_iter().flat_map(|(_, received)| received).collect();
        prop_assert_eq!(decode(pieces, 64 * 1024), (expected, None));
    }

    #[test]
    fn arbitrary_bytes_do_not_panic_and_decode_the_same_in_pieces(
        bytes in vec(any::<u8>(), 0..600),
        size in 1..9_usize,
    ) {
        let (whole, ended) = decode([bytes.as_slice()], 256);
        let (pieces, ended_in_pieces) = decode(bytes.chunks(size), 256);
        prop_assert_eq!(whole, pieces);
        prop_assert_eq!(ended, ended_in_pieces);
    }
}

#[test]
fn rejects_an_excessive_length_before_allocating() {
    let now = Instant::now();
    let mut decoder = Decoder::new(1000, BinaryMessages::Rejected, now);
    let mut header = [0x81, 0xff, 0, 0, 0, 0, 0x7f, 0, 0, 0, 1, 2, 3, 4].as_slice();
    let reason = decoder.read(&mut header, now).unwrap_err();
    assert_eq!(reason.code, CloseCode::MESSAGE_TOO_BIG);
}

#[test]
fn idle_decoder_holds_no_memory() {
    let now = Instant::now();
    let mut decoder = Decoder::new(64 * 1024, BinaryMessages::Rejected, now);
    let sent = ClientFrame { first: 0x81, mask: [1, 2, 3, 4], payload: vec![b'x'; 60_000] }.bytes();
    for mut piece in sent.chunks(1000) {
        decoder.read(&mut piece, now).unwrap();
    }
    assert!(decoder.message.is_none() && decoder.control.capacity() == 0);
    assert_eq!(decoder.deadline(), None);
}

#[tokio::test(start_paused = true)]
async fn message_deadline_excludes_pauses() {
    let now = Instant::now();
    let mut decoder = Decoder::new(1000, BinaryMessages::Rejected, now);
    let mut part = [0x81, 0x85, 0, 0, 0, 0, b'h'].as_slice();
    assert_eq!(decoder.read(&mut part, now), Ok(None));
    assert_eq!(decoder.deadline(), Some(now + MESSAGE_TIMEOUT));
    decoder.extend_deadline(Duration::from_secs(7));
    assert_eq!(decoder.deadline(), Some(now + MESSAGE_TIMEOUT + Duration::from_secs(7)));
}
