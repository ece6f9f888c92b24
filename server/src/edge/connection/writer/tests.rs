//! Tests the writer with a socket that accepts a varying number of bytes.

use std::task::Waker;

use proptest::{collection::vec, prelude::*};

use super::*;

/// A socket that accepts `accepts[n]` bytes with its nth write.
struct PartialSocket {
    accepts: Vec<usize>,
    received: Vec<u8>,
    writes: usize,
}

impl AsyncWrite for PartialSocket {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let accepts = self.accepts[self.writes % self.accepts.len()].min(bytes.len());
        self.writes += 1;
        self.received.extend_from_slice(&bytes[..accepts]);
        Poll::Ready(Ok(accepts))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        self.poll_write(context, &bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Returns the first byte of each frame in a stream of frames of less than 126 bytes.
fn firsts(mut stream: &[u8]) -> Vec<u8> {
    let mut firsts = Vec::new();
    while let [first, length, rest @ ..] = stream {
        firsts.push(*first);
        stream = &rest[usize::from(*length)..];
    }
    assert!(stream.is_empty());
    firsts
}

proptest! {
    #[test]
    fn frames_stay_intact_and_in_order_and_all_bytes_are_counted(
        accepts in vec(1..200_usize, 1..20),
        steps in vec(0..3_u8, 0..120),
    ) {
        let metrics = Metrics::new().unwrap();
        let mut context = Context::from_waker(Waker::noop());
        let mut socket = PartialSocket { accepts, received: Vec::new(), writes: 0 };
        let mut writer = Writer::default();
        let (mut texts, mut pings, mut queued, mut bytes) = (0, 0, 0, 0);
        for step in steps.into_iter().chain(std::iter::repeat_n(2, 50_000)) {
            match step {
                0 => {
                    writer.batch.push_back(Frame::text("other", &format!("{texts}{}", "x".repeat(texts % 90))));
                    texts += 1;
                }
                1 => {
                    writer.queue_control(9, b"ping");
                    pings += 1;
                }
                _ if writer.is_idle() => {}
                _ => {
                    let Poll::Ready(Ok(written)) = writer.poll_write(&mut context, &mut socket, &metrics) else {
                        panic!("the socket is always ready")
                    };
                    queued += written.queued;
                    bytes += written.bytes;
                }
            }
        }
        prop_assert!(writer.is_idle());
        let firsts = firsts(&socket.received);
        prop_assert_eq!(firsts.iter().filter(|first| **first == 0x81).count(), texts);
        prop_assert_eq!(firsts.iter().filter(|first| **first == 0x89).count(), pings);
        prop_assert_eq!(bytes, socket.received.len());
        prop_assert_eq!(queued, bytes - pings * 6);
    }
}

#[test]
fn slow_consumer_receives_only_the_rest_of_a_started_frame() {
    let metrics = Metrics::new().unwrap();
    let mut context = Context::from_waker(Waker::noop());
    let mut socket = PartialSocket { accepts: vec![3, 100], received: Vec::new(), writes: 0 };
    let mut writer = Writer::default();
    writer.batch.extend([Frame::text("other", "begun"), Frame::text("other", "not begun")]);
    assert!(writer.poll_write(&mut context, &mut socket, &metrics).is_ready());
    writer.drop_unstarted();
    writer.queue_control(8, &[3, 232]);
    assert!(writer.poll_write(&mut context, &mut socket, &metrics).is_ready());
    assert!(writer.is_idle());
    assert_eq!(socket.received, b"\x81\x05begun\x88\x02\x03\xe8");
}
