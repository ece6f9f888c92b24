//! The writer: frames that wait leave in one write, whole and in order, with control frames between them.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use realtime_gateway_protocol::CloseCode;
use tokio::io::{AsyncRead, AsyncWrite};

use super::wire::Wire;
use crate::{frame::Frame, metrics::Metrics, outbound::Outbound};

/// How many frames one system call takes at most.
const SLICES: usize = 64;
/// A batch that grew beyond this is given back to the allocator when it is written.
const KEPT_FRAMES: usize = 64;

/// What is being written to one socket.
#[derive(Default)]
pub(super) struct Writer {
    batch: VecDeque<Frame>,
    /// Bytes of the first frame that are written.
    begun: usize,
    control: Vec<u8>,
    control_begun: usize,
    bytes_written: u64,
    heard_code: Option<CloseCode>,
}

impl Writer {
    /// Where the next frames are put.
    pub(super) fn batch(&mut self) -> &mut VecDeque<Frame> {
        &mut self.batch
    }

    /// Whether nothing is being written.
    pub(super) fn is_idle(&self) -> bool {
        self.batch.is_empty() && self.control.is_empty()
    }

    /// Bytes that were written in all.
    pub(super) fn bytes_written(&self) -> u64 {
        self.bytes_written
    }

    /// Notes the code of the client's close frame.
    pub(super) fn last_words(&mut self, code: CloseCode) {
        self.heard_code = Some(code);
    }

    /// The code of the client's close frame, when there was one.
    pub(super) fn heard_code(&self) -> Option<CloseCode> {
        self.heard_code
    }

    /// Lets go of frames that are not begun: what comes next is the close frame.
    pub(super) fn forget(&mut self) {
        self.batch.truncate(usize::from(self.begun > 0));
    }

    /// Writes everything that is here.
    pub(super) fn poll_flush<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        context: &mut Context<'_>,
        wire: &mut Wire<S>,
        outbound: &Outbound,
        metrics: &Metrics,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.control.is_empty() && wire.has_control() && self.begun == 0 {
                self.control = wire.take_control();
                self.control_begun = 0;
            }
            if self.is_idle() {
                return Poll::Ready(Ok(()));
            }
            let mut slices = [IoSlice::new(&[]); SLICES];
            let filled = self.gather(&mut slices);
            let written = {
                let slices = slices.get(..filled).unwrap_or_default();
                ready!(Pin::new(wire.io()).poll_write_vectored(context, slices))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.bytes_written += written as u64;
            metrics.bytes_sent_total.inc_by(written as u64);
            self.advance(written, outbound, metrics);
        }
    }

    /// Control frames first, unless a frame is half written: then its rest.
    fn gather<'a>(&'a self, slices: &mut [IoSlice<'a>; SLICES]) -> usize {
        let control = self.control.get(self.control_begun..).filter(|rest| !rest.is_empty());
        let first = self.batch.front().and_then(|frame| frame.bytes().get(self.begun..));
        let rest = self.batch.iter().skip(1).map(Frame::bytes);
        let mut filled = 0;
        for (slice, bytes) in slices.iter_mut().zip(control.into_iter().chain(first).chain(rest)) {
            *slice = IoSlice::new(bytes);
            filled += 1;
        }
        filled
    }

    fn advance(&mut self, mut written: usize, outbound: &Outbound, metrics: &Metrics) {
        let control = (self.control.len() - self.control_begun).min(written);
        self.control_begun += control;
        written -= control;
        if self.control_begun == self.control.len() {
            (self.control, self.control_begun) = (Vec::new(), 0);
        }
        if written == 0 {
            return;
        }
        outbound.written(written);
        if let Some(frame) = self.batch.front() {
            metrics.delivery_latency_seconds.observe(frame.accepted().elapsed().as_secs_f64());
        }
        written += self.begun;
        let mut whole = 0;
        for frame in &self.batch {
            if written < frame.len() {
                break;
            }
            written -= frame.len();
            whole += 1;
        }
        metrics.written(self.batch.iter().take(whole));
        self.batch.drain(..whole);
        self.begun = written;
        if self.batch.is_empty() && self.batch.capacity() > KEPT_FRAMES {
            self.batch = VecDeque::new();
        }
    }
}
