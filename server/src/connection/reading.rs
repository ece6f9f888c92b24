//! The reading half of a connection: from the socket to what the client said.

use std::{
    cell::RefCell,
    pin::Pin,
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
/// Pongs for a client that pings and does not read are let go beyond so many bytes (RFC 6455, section 5.5.3).
const PONGS: usize = 1024;

thread_local! {
    /// What all connections of a thread read into, one after the other, so that none has to keep a buffer.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; 16 * 1024].into());
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Reads until the client has said something.
    pub(super) fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        loop {
            let received =
                if self.unread.is_empty() { ready!(self.poll_socket(context)) } else { self.decode_unread() };
            return Poll::Ready(match received {
                Ok(None | Some(Received::Pong)) => continue,
                Ok(Some(Received::Ping(payload))) => {
                    if self.writer.control_bytes() < PONGS {
                        self.writer.control(PONG, &payload);
                    }
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

    /// Goes on in what was read before.
    fn decode_unread(&mut self) -> Result<Option<Received>, End> {
        let mut input = self.unread.as_ref();
        let received = self.decoder.read(&mut input, Instant::now());
        let taken = self.unread.len() - input.len();
        self.unread.advance(taken);
        if self.unread.is_empty() {
            self.unread = Bytes::new();
        }
        received.map_err(End::Broken)
    }

    /// Reads once from the socket. What is behind the first message is kept.
    fn poll_socket(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Received>, End>> {
        BUFFER.with_borrow_mut(|buffer| {
            let mut read = ReadBuf::new(buffer);
            if ready!(Pin::new(&mut self.socket).poll_read(context, &mut read)).is_err() || read.filled().is_empty() {
                return Poll::Ready(Err(End::Lost));
            }
            let mut input = read.filled();
            let now = Instant::now();
            self.bytes_received += input.len() as u64;
            self.pace.heard(now);
            let received = self.decoder.read(&mut input, now);
            if !input.is_empty() {
                self.unread = Bytes::copy_from_slice(input);
            }
            if let Ok(None) = received {
                self.report_inbound(0);
            }
            Poll::Ready(received.map_err(End::Broken))
        })
    }
}
