//! How a connection ends (RFC 6455, section 7): the close frame is written, the peer's is awaited, and neither takes for ever.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Poll, ready},
    time::Duration,
};

use realtime_gateway_protocol::CloseCode;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, timeout},
};

use super::{
    Connection,
    decoder::{Received, broken, not_utf8},
};
use crate::outbound::{CloseReason, Waiting};

/// The opcode of a close frame.
const CLOSE: u8 = 8;
/// Stands for a close frame without a code (section 7.4.1); never sent.
const NO_CODE: CloseCode = CloseCode(1005);
/// Within which what waits and the close frame must be written.
const WRITTEN_WITHIN: Duration = Duration::from_secs(5);
/// How long either takes at most while the node is short of memory.
const WRITTEN_SOON: Duration = Duration::from_secs(1);
/// Within which the peer answers our close frame.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);
/// For how long a peer that broke the protocol is read, so that a reset does not overtake our close frame.
const DRAINED_WITHIN: Duration = Duration::from_millis(500);

/// Why a connection ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The client closed.
    Peer(PeerClose),
    /// The session or this node closes.
    Ours(CloseReason),
    /// The client broke the protocol: what it sends cannot be read any more.
    Broken(CloseReason),
    /// The socket is gone.
    Lost,
}

/// How a socket ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    /// What had to be written is with the client's machine, or the socket is gone.
    Orderly,
    /// The client does not read: the close frame, and perhaps more, could not be written.
    Unwritten,
}

/// What a close frame of the client said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PeerClose {
    code: Option<CloseCode>,
}

impl End {
    /// The code that the end is told by.
    pub(super) fn code(&self) -> CloseCode {
        match self {
            Self::Peer(close) => close.code.unwrap_or(NO_CODE),
            Self::Ours(reason) | Self::Broken(reason) => reason.code,
            Self::Lost => CloseCode::ABNORMAL,
        }
    }
}

/// Reads the payload of a close frame.
///
/// # Errors
/// A code that may not be sent (section 7.4.2), half a code, or a reason that is not UTF-8.
pub(super) fn peer_close(payload: &[u8]) -> Result<PeerClose, CloseReason> {
    let (code, reason) = match payload {
        [] => return Ok(PeerClose { code: None }),
        [_] => return Err(broken("a close frame with half a code")),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(broken("a close code that may not be sent"));
    }
    std::str::from_utf8(reason).map_err(|_| not_utf8())?;
    Ok(PeerClose { code: Some(CloseCode(code)) })
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Ends the connection in an orderly way, in bounded time.
    pub(super) async fn close(&mut self, end: End) -> Closed {
        if end == End::Lost {
            self.outbound.end();
            return Closed::Orderly;
        }
        self.take_the_rest(&end).await;
        self.outbound.end();
        let is_short = self.outbound.footprint().is_memory_short();
        let within = if is_short { WRITTEN_SOON } else { WRITTEN_WITHIN };
        if !matches!(timeout(within, self.write_close(&end)).await, Ok(Ok(()))) {
            return Closed::Unwritten;
        }
        match end {
            End::Ours(_) => {
                // The client closes its side once it has read our close frame; whatever it says before that is late.
                let within = if is_short { WRITTEN_SOON } else { ANSWERED_WITHIN };
                let _ = timeout(within, self.read_until_close()).await;
                let _ = timeout(DRAINED_WITHIN, self.socket.shutdown()).await;
            }
            End::Peer(_) | End::Broken(_) => {
                let _ = timeout(DRAINED_WITHIN, async {
                    self.socket.shutdown().await?;
                    self.read_until_end().await
                })
                .await;
            }
            End::Lost => {}
        }
        Closed::Orderly
    }

    /// Takes the last frames out of the queue. A client that reads too slowly gets none of them.
    async fn take_the_rest(&mut self, end: &End) {
        poll_fn(|context| {
            while self.outbound.poll_take(context, &mut self.writer.batch) == Poll::Ready(Waiting::Frames) {}
            Poll::Ready(())
        })
        .await;
        if end.code() == CloseCode::SLOW_CONSUMER {
            let dropped = self.writer.drop_unbegun();
            self.outbound.written(dropped);
        }
    }

    async fn write_close(&mut self, end: &End) -> io::Result<()> {
        self.write_all().await?;
        let (code, reason) = match end {
            End::Peer(close) => (close.code, ""),
            End::Ours(reason) | End::Broken(reason) => (Some(reason.code), reason.reason),
            End::Lost => return Ok(()),
        };
        let mut payload = Vec::with_capacity(2 + reason.len());
        if let Some(code) = code {
            payload.extend(code.0.to_be_bytes());
            payload.extend(reason.bytes().take(123));
        }
        self.writer.control(CLOSE, &payload);
        self.write_all().await
    }

    async fn write_all(&mut self) -> io::Result<()> {
        poll_fn(|context| {
            while !self.writer.is_idle() {
                ready!(self.writer.poll_write(context, &mut self.socket, &self.metrics))?;
            }
            Pin::new(&mut self.socket).poll_flush(context)
        })
        .await
    }

    /// Reads and forgets until the client's close frame.
    async fn read_until_close(&mut self) -> io::Result<()> {
        let unread = std::mem::take(&mut self.unread);
        if self.finds_close(&unread) {
            return Ok(());
        }
        let mut buffer = [0; 1024];
        loop {
            let read = self.socket.read(&mut buffer).await?;
            if read == 0 || self.finds_close(buffer.get(..read).unwrap_or_default()) {
                return Ok(());
            }
        }
    }

    fn finds_close(&mut self, mut input: &[u8]) -> bool {
        let now = Instant::now();
        loop {
            match self.decoder.read(&mut input, now) {
                Ok(None) => return false,
                Ok(Some(Received::Close(_))) | Err(_) => return true,
                Ok(Some(_)) => {}
            }
        }
    }

    async fn read_until_end(&mut self) -> io::Result<()> {
        let mut buffer = [0; 1024];
        while self.socket.read(&mut buffer).await? > 0 {}
        Ok(())
    }
}
