//! The socket of a connection with the frames that it has not accepted yet. The task of the connection shares it with the
//! loops that write at the end of their turns.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use parking_lot::{Mutex, MutexGuard};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::writer::Writer;
use crate::{
    delivery::outbound::{Outbound, QueueWriter},
    metrics::Metrics,
};

/// The socket of a connection. Its lock is taken before that of the outbound queue.
pub(super) struct SharedSocket<S> {
    state: Mutex<SocketState<S>>,
    metrics: Arc<Metrics>,
}

/// The socket and what is known about it.
pub(super) struct SocketState<S> {
    /// `None` after the connection has ended.
    socket: Option<S>,
    /// Frames that were taken from the outbound queue, and control frames.
    pub(super) writer: Writer,
    /// Whether the socket has flushed everything it accepted. TLS buffers data.
    is_flushed: bool,
    /// Whether the socket did not accept everything with the last write.
    is_blocked: bool,
    /// Whether the socket has failed.
    is_lost: bool,
    /// Whether data was written since the last call of [`SocketState::take_progress`].
    has_progressed: bool,
    bytes_sent: u64,
}

impl<S> SharedSocket<S> {
    /// Locks the socket for one step.
    pub(super) fn lock(&self) -> MutexGuard<'_, SocketState<S>> {
        self.state.lock()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> SharedSocket<S> {
    pub(super) fn new(socket: S, metrics: Arc<Metrics>) -> Self {
        let state = SocketState {
            socket: Some(socket),
            writer: Writer::default(),
            is_flushed: true,
            is_blocked: false,
            is_lost: false,
            has_progressed: false,
            bytes_sent: 0,
        };
        Self { state: Mutex::new(state), metrics }
    }

    /// Takes the socket of a connection that has ended.
    pub(super) fn take(&self) -> Option<S> {
        self.lock().socket.take()
    }

    /// Reads bytes that arrive. No bytes mean the end of the stream.
    pub(super) fn poll_read(&self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.lock().socket {
            Some(socket) => Pin::new(socket).poll_read(context, buffer),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// Reads bytes that arrive, and returns their number; 0 at the end of the stream.
    pub(super) async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(buffer);
        poll_fn(|context| self.poll_read(context, &mut buffer)).await?;
        Ok(buffer.filled().len())
    }

    /// Writes the frames that were taken, and flushes the socket.
    pub(super) fn poll_write(&self, context: &mut Context<'_>, outbound: &Outbound) -> Poll<io::Result<()>> {
        self.lock().poll_write(context, outbound, &self.metrics)
    }

    /// Ends the stream to the client.
    pub(super) async fn shutdown(&self) -> io::Result<()> {
        poll_fn(|context| match &mut self.lock().socket {
            Some(socket) => Pin::new(socket).poll_shutdown(context),
            None => Poll::Ready(Ok(())),
        })
        .await
    }
}

impl<S: AsyncWrite + Unpin> SocketState<S> {
    /// Writes the frames that were taken, and flushes the socket.
    ///
    /// # Errors
    /// If the socket has failed, also in an earlier call.
    pub(super) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        outbound: &Outbound,
        metrics: &Metrics,
    ) -> Poll<io::Result<()>> {
        let written = self.poll_write_all(context, outbound, metrics);
        self.is_blocked |= written.is_pending();
        self.is_lost |= matches!(written, Poll::Ready(Err(_)));
        written
    }

    fn poll_write_all(
        &mut self,
        context: &mut Context<'_>,
        outbound: &Outbound,
        metrics: &Metrics,
    ) -> Poll<io::Result<()>> {
        let Some(socket) = self.socket.as_mut().filter(|_| !self.is_lost) else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        while !self.writer.is_idle() {
            let Poll::Ready(written) = self.writer.poll_write(context, socket, metrics) else {
                outbound.footprint().blocked();
                return Poll::Pending;
            };
            let written = written?;
            outbound.footprint().progressed();
            outbound.written(written.queued);
            self.bytes_sent += written.bytes as u64;
            self.has_progressed = true;
            self.is_flushed = false;
        }
        if !self.is_flushed {
            ready!(Pin::new(socket).poll_flush(context))?;
            self.is_flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Returns whether the socket has accepted everything after a write that it had not, since the last call.
    pub(super) fn take_unblocked(&mut self) -> bool {
        std::mem::take(&mut self.is_blocked)
    }

    /// Returns whether the socket has accepted data since the last call.
    pub(super) fn take_progress(&mut self) -> bool {
        std::mem::take(&mut self.has_progressed)
    }

    /// Returns the number of bytes that the socket has accepted.
    pub(super) fn bytes_sent(&self) -> u64 {
        self.bytes_sent
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> QueueWriter for SharedSocket<S> {
    fn write_queued(&self, outbound: &Outbound) {
        let mut state = self.lock();
        if !outbound.take_queued(&mut state.writer.batch) || state.writer.is_idle() {
            return;
        }
        // This task does not wait for the socket. The task of the connection does, and finds a failure too.
        let mut context = Context::from_waker(Waker::noop());
        if !matches!(state.poll_write(&mut context, outbound, &self.metrics), Poll::Ready(Ok(()))) {
            outbound.leave_to_connection();
        }
    }
}
