//! The wire: what tungstenite takes for a socket. It reads from the real one; what it writes (pongs, answers to a
//! close) is put down for our own writer, which sends it between two frames.

use std::{
    io::{self, Read, Write},
    pin::Pin,
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::meter::Meter;
use crate::outbound::CloseReason;

/// A WebSocket ping without a payload (RFC 6455, section 5.5.2).
const PING: [u8; 2] = [0x89, 0];

/// What tungstenite reads from and writes to.
pub(super) struct Wire<S> {
    io: S,
    early: Vec<u8>,
    waker: Waker,
    control: Vec<u8>,
    heard: bool,
    bytes_read: u64,
    pub(super) meter: Meter,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// A wire over a socket; `early` was read from it already.
    pub(super) fn new(io: S, early: Vec<u8>) -> Self {
        let (waker, meter) = (Waker::noop().clone(), Meter::default());
        Self { io, early, waker, control: Vec::new(), heard: false, bytes_read: 0, meter }
    }

    /// Who is woken when a read finds nothing.
    pub(super) fn watch(&mut self, context: &Context<'_>) {
        self.waker.clone_from(context.waker());
    }

    /// Whether anything came since this was last asked.
    pub(super) fn take_heard(&mut self) -> bool {
        std::mem::take(&mut self.heard)
    }

    /// Bytes that came in all.
    pub(super) fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// The socket.
    pub(super) fn io(&mut self) -> &mut S {
        &mut self.io
    }

    /// Control frames that wait to be written.
    pub(super) fn take_control(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.control)
    }

    /// Whether control frames wait to be written.
    pub(super) fn has_control(&self) -> bool {
        !self.control.is_empty()
    }

    /// Sends a ping with the next write.
    pub(super) fn ping(&mut self) {
        self.control.extend_from_slice(&PING);
    }

    /// Sends a close frame with the next write (RFC 6455, section 5.5.1).
    pub(super) fn say_close(&mut self, reason: &CloseReason) {
        // A control frame's payload has at most 125 bytes, two of which are the code. Reasons are ASCII.
        let text = reason.reason.as_bytes();
        let text = text.get(..text.len().min(123)).unwrap_or_default();
        self.control.clear();
        self.control.extend_from_slice(&[0x88, 2 + text.len() as u8]);
        self.control.extend_from_slice(&reason.code.0.to_be_bytes());
        self.control.extend_from_slice(text);
    }
}

impl<S: AsyncRead + Unpin> Read for Wire<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = if self.early.is_empty() {
            let mut buffer = ReadBuf::new(buffer);
            let mut context = Context::from_waker(&self.waker);
            match Pin::new(&mut self.io).poll_read(&mut context, &mut buffer) {
                Poll::Pending => return Err(io::ErrorKind::WouldBlock.into()),
                Poll::Ready(result) => result?,
            }
            buffer.filled().len()
        } else {
            let count = self.early.len().min(buffer.len());
            for (to, from) in buffer.iter_mut().zip(self.early.drain(..count)) {
                *to = from;
            }
            count
        };
        self.heard |= read > 0;
        self.bytes_read += read as u64;
        self.meter.feed(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

impl<S> Write for Wire<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The meter bounds how many pings are answered, and so what waits here.
        self.control.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
