//! The reading half of a connection: from the socket to messages and events.

use std::{
    cell::RefCell,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::{Connection, Event, close::End, decoder::Received};

/// The opcode of a pong.
const PONG: u8 = 10;
/// Bytes of pongs that may be queued. Beyond it, pings of a client that does not read get no answer (RFC 6455, section
/// 5.5.3, allows this).
const MAX_PONG_BYTES: usize = 1024;

thread_local! {
    /// The read buffer that all connections of a thread share, so that an idle connection holds none.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; 16 * 1024].into());
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Connection<S> {
    /// Reads until a message arrives or the connection ends.
    pub(super) fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        loop {
            let received =
                if self.unread.is_empty() { ready!(self.poll_socket(context)) } else { self.decode_unread() };
            return Poll::Ready(match received {
                Ok(None | Some(Received::Pong)) => continue,
                Ok(Some(Received::Ping(payload))) => {
                    self.queue_pong(&payload);
                    match self.poll_write(context) {
                        Poll::Ready(end) => Event::End(end),
                        Poll::Pending => continue,
                    }
                }
                Ok(Some(Received::Text(text))) => Event::Text(text),
                Ok(Some(Received::Binary(bytes))) => Event::Binary(bytes),
                Ok(Some(Received::Close(close))) => Event::End(End::Peer(close)),
                Err(end) => Event::End(end),
            });
        }
    }

    fn queue_pong(&self, payload: &[u8]) {
        let writer = &mut self.socket.lock().writer;
        if writer.control_bytes() < MAX_PONG_BYTES {
            writer.queue_control(PONG, payload);
        }
    }

    /// Decodes bytes that were received earlier.
    fn decode_unread(&mut self) -> Result<Option<Received>, End> {
        let mut input = self.unread.as_ref();
        let received = self.decoder.read(&mut input, Instant::now());
        let taken = self.unread.len() - input.len();
        self.unread.advance(taken);
        if self.unread.is_empty() {
            self.unread = Bytes::new();
        }
        received.map_err(End::ProtocolError)
    }

    /// Reads from the socket once. Bytes after the first message are kept in `unread`.
    fn poll_socket(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Received>, End>> {
        BUFFER.with_borrow_mut(|buffer| {
            let mut read = ReadBuf::new(buffer);
            if ready!(self.socket.poll_read(context, &mut read)).is_err() || read.filled().is_empty() {
                return Poll::Ready(Err(End::Lost));
            }
            let mut input = read.filled();
            let now = Instant::now();
            self.bytes_received += input.len() as u64;
            self.heartbeat.record_read(now);
            let received = self.decoder.read(&mut input, now);
            if !input.is_empty() {
                self.unread = Bytes::copy_from_slice(input);
            }
            if let Ok(None) = received {
                self.report_inbound(0);
            }
            Poll::Ready(received.map_err(End::ProtocolError))
        })
    }
}
