//! Writes frames to a socket: many in one write, control frames between them, and what a socket does not take at once later.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::AsyncWrite;

use crate::{frame::Frame, metrics::Metrics};

/// Frames that leave in one write at most.
const SLICES: usize = 64;
/// Room for so many frames is kept between bursts.
const KEPT: usize = 16;

/// What waits for the socket.
#[derive(Debug, Default)]
pub(super) struct Writer {
    /// Messages, moved out of the outbound queue.
    pub(super) batch: VecDeque<Frame>,
    /// How much of the first of them is written.
    begun: usize,
    /// Whole control frames, which leave before the next message.
    control: Vec<u8>,
}

/// What one write has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    /// Bytes of messages and control frames.
    pub(super) bytes: usize,
    /// Bytes of messages: what the outbound queue is told.
    pub(super) queued: usize,
}

impl Writer {
    /// Whether nothing waits.
    pub(super) fn is_idle(&self) -> bool {
        self.batch.is_empty() && self.control.is_empty()
    }

    /// Bytes of control frames that wait.
    pub(super) fn control_bytes(&self) -> usize {
        self.control.len()
    }

    /// Whether a control frame waits.
    pub(super) fn has_control(&self) -> bool {
        !self.control.is_empty()
    }

    /// Queues a control frame (RFC 6455, section 5.5). `payload` has at most 125 bytes.
    pub(super) fn control(&mut self, opcode: u8, payload: &[u8]) {
        debug_assert!(payload.len() <= 125, "a control frame is short");
        self.control.reserve_exact(2 + payload.len());
        self.control.extend([0x80 | opcode, payload.len() as u8]);
        self.control.extend_from_slice(payload);
    }

    /// Drops all messages but one that is partly written, and returns how many bytes these were.
    pub(super) fn drop_unbegun(&mut self) -> usize {
        let kept = usize::from(self.begun > 0);
        let dropped = self.batch.iter().skip(kept).map(Frame::len).sum();
        self.batch.truncate(kept);
        dropped
    }

    /// Writes once, as much as fits into one write.
    pub(super) fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        context: &mut Context<'_>,
        socket: &mut S,
        metrics: &Metrics,
    ) -> Poll<io::Result<Written>> {
        let mut socket = Pin::new(socket);
        let first = self.batch.front().map(|frame| frame.bytes().get(self.begun..).unwrap_or_default());
        let bytes = match first {
            None => ready!(socket.as_mut().poll_write(context, &self.control))?,
            Some(first) if self.batch.len() == 1 && self.control.is_empty() => {
                ready!(socket.as_mut().poll_write(context, first))?
            }
            Some(first) => {
                let control = self.control.as_slice();
                // A control frame may not stand inside of another frame.
                let head = if self.begun > 0 { [first, control] } else { [control, first] };
                let rest = self.batch.iter().skip(1).map(Frame::bytes);
                let mut slices = [IoSlice::new(&[]); SLICES];
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

    /// Removes what is written, and counts it.
    fn advance(&mut self, bytes: usize, metrics: &Metrics) -> Written {
        metrics.bytes_sent_total.inc_by(bytes as u64);
        metrics.socket_writes_total.inc();
        let mut left = bytes;
        if self.begun == 0 {
            let control = left.min(self.control.len());
            self.control.drain(..control);
            left -= control;
        }
        let mut queued = 0;
        if let Some(frame) = self.batch.front().filter(|_| left > 0) {
            metrics.delivery_latency_seconds.observe(frame.accepted().elapsed().as_secs_f64());
        }
        let mut whole = 0;
        for frame in &self.batch {
            let step = left.min(frame.len() - self.begun);
            self.begun += step;
            queued += step;
            left -= step;
            if self.begun < frame.len() {
                break;
            }
            self.begun = 0;
            whole += 1;
            // Behind a frame that was begun before, control frames come first.
            let control = left.min(self.control.len());
            self.control.drain(..control);
            left -= control;
        }
        metrics.written(self.batch.iter().take(whole));
        self.batch.drain(..whole);
        if self.batch.is_empty() && self.batch.capacity() > KEPT {
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
