//! Writes frames to a socket: many per write, with control frames between messages. Keeps what the socket does not
//! accept immediately.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::AsyncWrite;

use crate::{delivery::frame::Frame, metrics::Metrics};

/// The most frames in one vectored write.
const MAX_SLICES: usize = 64;
/// The capacity of the batch, in frames, that is kept between bursts.
const RETAINED_CAPACITY: usize = 16;

/// Data that waits for the socket.
#[derive(Debug, Default)]
pub(super) struct Writer {
    /// Messages, taken from the outbound queue.
    pub(super) batch: VecDeque<Frame>,
    /// How many bytes of the first message have been written.
    written_of_first: usize,
    /// Complete control frames, which are written before the next message.
    control: Vec<u8>,
}

/// The result of one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    /// Bytes of messages and control frames.
    pub(super) bytes: usize,
    /// Bytes of messages only, as reported to the outbound queue.
    pub(super) queued: usize,
}

impl Writer {
    /// Returns whether there is nothing to write.
    pub(super) fn is_idle(&self) -> bool {
        self.batch.is_empty() && self.control.is_empty()
    }

    /// Returns the number of queued bytes of control frames.
    pub(super) fn control_bytes(&self) -> usize {
        self.control.len()
    }

    /// Returns whether a control frame is queued.
    pub(super) fn has_control(&self) -> bool {
        !self.control.is_empty()
    }

    /// Queues a control frame (RFC 6455, section 5.5). `payload` must have at most 125 bytes.
    pub(super) fn queue_control(&mut self, opcode: u8, payload: &[u8]) {
        debug_assert!(payload.len() <= 125, "a control frame is short");
        self.control.reserve_exact(2 + payload.len());
        self.control.extend([0x80 | opcode, payload.len() as u8]);
        self.control.extend_from_slice(payload);
    }

    /// Drops all messages except one that is partly written. Returns the number of bytes dropped.
    pub(super) fn drop_unstarted(&mut self) -> usize {
        let kept = usize::from(self.written_of_first > 0);
        let dropped = self.batch.iter().skip(kept).map(Frame::len).sum();
        self.batch.truncate(kept);
        dropped
    }

    /// Performs one write with as many frames as fit.
    pub(super) fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        context: &mut Context<'_>,
        socket: &mut S,
        metrics: &Metrics,
    ) -> Poll<io::Result<Written>> {
        let mut socket = Pin::new(socket);
        let first = self.batch.front().map(|frame| frame.bytes().get(self.written_of_first..).unwrap_or_default());
        let bytes = match first {
            None => ready!(socket.as_mut().poll_write(context, &self.control))?,
            Some(first) if self.batch.len() == 1 && self.control.is_empty() => {
                ready!(socket.as_mut().poll_write(context, first))?
            }
            Some(first) => {
                let control = self.control.as_slice();
                // A control frame must not be inserted into another frame (section 5.4), so a partly written one comes
                // first.
                let head = if self.written_of_first > 0 { [first, control] } else { [control, first] };
                let rest = self.batch.iter().skip(1).map(Frame::bytes);
                let mut slices = [IoSlice::new(&[]); MAX_SLICES];
                let mut filled = 0;
                for (slice, bytes) in slices.iter_mut().zip(head.into_iter().chain(rest)) {
                    *slice = IoSlice::new(bytes);
                    filled += 1;
                }
                ready!(socket.as_mut().poll_write_vectored(context, slices.get(..filled).unwrap_or_default()))?
            }
        };
        if bytes == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        Poll::Ready(Ok(self.advance(bytes, metrics)))
    }

    /// Removes the written bytes and counts them.
    fn advance(&mut self, bytes: usize, metrics: &Metrics) -> Written {
        metrics.bytes_sent_total.inc_by(bytes as u64);
        metrics.socket_writes_total.inc();
        let mut left = bytes;
        if self.written_of_first == 0 {
            let control = left.min(self.control.len());
            self.control.drain(..control);
            left -= control;
        }
        let mut queued = 0;
        if let Some(frame) = self.batch.front().filter(|_| left > 0) {
            metrics.delivery_latency_seconds.observe(frame.accepted().elapsed().as_secs_f64());
        }
        let mut complete = 0;
        for frame in &self.batch {
            let step = left.min(frame.len() - self.written_of_first);
            self.written_of_first += step;
            queued += step;
            left -= step;
            if self.written_of_first < frame.len() {
                break;
            }
            self.written_of_first = 0;
            complete += 1;
            // `poll_write` put the control frames after a partly written message, so they are removed after it.
            let control = left.min(self.control.len());
            self.control.drain(..control);
            left -= control;
        }
        metrics.written(self.batch.iter().take(complete).map(Frame::kind));
        self.batch.drain(..complete);
        if self.batch.is_empty() && self.batch.capacity() > RETAINED_CAPACITY {
            self.batch = VecDeque::new();
        }
        if self.control.is_empty() {
            self.control = Vec::new();
        }
        Written { bytes, queued }
    }
}

#[cfg(test)]
mod tests;
