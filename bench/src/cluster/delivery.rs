//! Marked messages: each content carries the time of its sending and a sequence number, and each delivery is kept, so
//! that lost, doubled and reordered messages are counted.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use tokio::{io::AsyncReadExt, net::TcpStream};

/// The length of a content, as in the other scenarios.
const CONTENT_LENGTH: usize = 128;
/// The beginning of a mark, which occurs nowhere else in the text of a message.
const BEGIN: &[u8] = b"~T";
/// The first byte of a close frame (RFC 6455, section 5.2), which is no part of a text.
const CLOSE: u8 = 0x88;
/// The length of a mark: its beginning, 16 digits for the time, 8 for the sequence number, and `~`.
const MARK_LENGTH: usize = 27;

/// Returns the content of a message.
pub(crate) fn content(sent: Duration, sequence: u32) -> String {
    let nanos = u64::try_from(sent.as_nanos()).unwrap();
    let mark = format!("~T{nanos:016x}{sequence:08x}~");
    format!("{mark:x<CONTENT_LENGTH$}")
}

/// One delivery. Times are since the start of the load.
pub(crate) struct Delivery {
    /// When it was sent, or should have been.
    pub(crate) sent: Duration,
    /// When it was received.
    pub(crate) received: Duration,
    sequence: u32,
}

/// A subscriber, and all its deliveries so far. There is one publisher for each subscriber.
pub(crate) struct Subscriber {
    stream: TcpStream,
    unread: Vec<u8>,
    /// The deliveries in their order.
    pub(crate) deliveries: Vec<Delivery>,
}

impl Subscriber {
    /// Takes over the connection of a subscribed client.
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, unread: Vec::new(), deliveries: Vec::new() }
    }

    /// Receives until there are `count` deliveries, or until the time is over.
    pub(crate) async fn receive(&mut self, count: usize, start: Instant, until: Duration) {
        let reading = async {
            while self.deliveries.len() < count {
                let read = self.stream.read_buf(&mut self.unread).await.unwrap();
                let is_closing = self.unread.first() == Some(&CLOSE);
                assert!(
                    read > 0 && !is_closing,
                    "the server closed a connection: {:?}",
                    String::from_utf8_lossy(&self.unread)
                );
                let taken = scan(&self.unread, start.elapsed(), &mut self.deliveries);
                self.unread.drain(..taken);
            }
        };
        // What is missing when the time is over is counted as lost.
        let _ = tokio::time::timeout_at((start + until).into(), reading).await;
    }
}

/// Finds the marks in the frames of a server, which are not masked, and returns the number of bytes before an incomplete
/// one. The frames themselves are not decoded, because a server may put several messages into one.
fn scan(bytes: &[u8], received: Duration, deliveries: &mut Vec<Delivery>) -> usize {
    let mut position = 0;
    while let Some(found) = bytes[position..].windows(BEGIN.len()).position(|window| window == BEGIN) {
        let start = position + found;
        let Some(mark) = bytes.get(start..start + MARK_LENGTH) else { return start };
        deliveries.extend(delivery(mark, received));
        position = start + BEGIN.len();
    }
    // The last byte may be the first of a mark.
    bytes.len().saturating_sub(1).max(position)
}

fn delivery(mark: &[u8], received: Duration) -> Option<Delivery> {
    let digits = std::str::from_utf8(mark).ok()?.strip_prefix("~T")?.strip_suffix('~')?;
    let (nanos, sequence) = digits.split_at_checked(16)?;
    let sent = Duration::from_nanos(u64::from_str_radix(nanos, 16).ok()?);
    Some(Delivery { sent, received, sequence: u32::from_str_radix(sequence, 16).ok()? })
}

/// What was wrong with the deliveries.
#[derive(Clone, Copy, Default)]
pub(crate) struct Faults {
    /// Messages that did not arrive.
    pub(crate) lost: u64,
    /// Deliveries of a message that had already arrived.
    pub(crate) doubled: u64,
    /// First deliveries of a message after a later message.
    pub(crate) reordered: u64,
}

impl Faults {
    /// Counts the faults of one subscriber, whose publisher has sent the sequence numbers from 1 to `sent`.
    pub(crate) fn of(deliveries: &[Delivery], sent: u32) -> Self {
        let (mut seen, mut last, mut faults) = (HashSet::new(), 0, Self::default());
        for delivery in deliveries {
            if !seen.insert(delivery.sequence) {
                faults.doubled += 1;
            } else if delivery.sequence < last {
                faults.reordered += 1;
            }
            last = last.max(delivery.sequence);
        }
        faults.lost = (1..=sent).filter(|sequence| !seen.contains(sequence)).count() as u64;
        faults
    }

    /// Returns the sum of two counts.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            lost: self.lost + other.lost,
            doubled: self.doubled + other.doubled,
            reordered: self.reordered + other.reordered,
        }
    }

    /// Returns how many there are.
    pub(crate) fn sum(self) -> u64 {
        self.lost + self.doubled + self.reordered
    }
}
