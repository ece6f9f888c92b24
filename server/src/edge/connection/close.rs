//! Closes a connection (RFC 6455, section 7): writes the close frame and awaits the peer's, each within a time limit.

use std::{future::poll_fn, io, time::Duration};

use realtime_gateway_protocol::CloseCode;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, timeout},
};

use super::{
    Connection,
    decoder::{Received, invalid_utf8, protocol_error},
};
use crate::delivery::outbound::CloseReason;

/// The opcode of a close frame.
const CLOSE: u8 = 8;
/// Represents a close frame without a code (section 7.4.1). Never sent.
const NO_CODE: CloseCode = CloseCode(1005);
/// The time limit for writing the queued frames and the close frame.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// The time limit for either phase while the node is short of memory.
const SHORT_MEMORY_TIMEOUT: Duration = Duration::from_secs(1);
/// The time limit for the peer's answer to our close frame.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the socket is read after a protocol error, so that a reset does not overtake our close frame.
const LINGER_TIMEOUT: Duration = Duration::from_millis(500);

/// The reason why a connection ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The client closed the connection.
    Peer(PeerClose),
    /// The session or this node closes the connection.
    Local(CloseReason),
    /// The client violated the protocol, so its input can no longer be decoded.
    ProtocolError(CloseReason),
    /// The socket was closed without a close frame, or failed.
    Lost,
}

/// How the socket was left after the close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    /// Everything was written, or the socket is gone.
    Orderly,
    /// The client does not read: the close frame, and possibly more data, could not be written.
    Unwritten,
}

/// The content of the client's close frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PeerClose {
    code: Option<CloseCode>,
}

impl End {
    /// Returns the close code that is reported for this end.
    pub(super) fn code(&self) -> CloseCode {
        match self {
            Self::Peer(close) => close.code.unwrap_or(NO_CODE),
            Self::Local(reason) | Self::ProtocolError(reason) => reason.code,
            Self::Lost => CloseCode::ABNORMAL,
        }
    }
}

/// Parses the payload of a close frame.
///
/// # Errors
/// A code that must not be sent (section 7.4.2), a truncated code, or a reason that is not UTF-8.
pub(super) fn parse_close(payload: &[u8]) -> Result<PeerClose, CloseReason> {
    let (code, reason) = match payload {
        [] => return Ok(PeerClose { code: None }),
        [_] => return Err(protocol_error("a close frame with a truncated code")),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(protocol_error("a close code that must not be sent"));
    }
    std::str::from_utf8(reason).map_err(|_| invalid_utf8())?;
    Ok(PeerClose { code: Some(CloseCode(code)) })
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Connection<S> {
    /// Closes the connection in bounded time.
    pub(super) async fn close(&mut self, end: End) -> Closed {
        if end == End::Lost {
            self.end_queue();
            return Closed::Orderly;
        }
        self.take_remaining_frames(&end);
        self.end_queue();
        let is_short = self.outbound.footprint().is_memory_short();
        let within = if is_short { SHORT_MEMORY_TIMEOUT } else { WRITE_TIMEOUT };
        if !matches!(timeout(within, self.write_close(&end)).await, Ok(Ok(()))) {
            return Closed::Unwritten;
        }
        match end {
            End::Local(_) => {
                // The client closes its side after it has read our close frame. Messages received before that are
                // discarded.
                let within = if is_short { SHORT_MEMORY_TIMEOUT } else { ANSWER_TIMEOUT };
                let _ = timeout(within, self.read_until_close()).await;
                let _ = timeout(LINGER_TIMEOUT, self.socket.shutdown()).await;
            }
            End::Peer(_) | End::ProtocolError(_) => {
                let _ = timeout(LINGER_TIMEOUT, async {
                    self.socket.shutdown().await?;
                    self.read_until_end().await
                })
                .await;
            }
            End::Lost => {}
        }
        Closed::Orderly
    }

    /// Moves the last frames from the queue to the writer. For a slow consumer, drops those that are not partly
    /// written.
    fn take_remaining_frames(&self, end: &End) {
        let mut socket = self.socket.lock();
        self.outbound.take_queued(&mut socket.writer.batch);
        if end.code() == CloseCode::SLOW_CONSUMER {
            let dropped = socket.writer.drop_unstarted();
            self.outbound.written(dropped);
        }
    }

    async fn write_close(&mut self, end: &End) -> io::Result<()> {
        self.write_all().await?;
        let (code, reason) = match end {
            End::Peer(close) => (close.code, ""),
            End::Local(reason) | End::ProtocolError(reason) => (Some(reason.code), reason.reason),
            End::Lost => return Ok(()),
        };
        let mut payload = Vec::with_capacity(2 + reason.len());
        if let Some(code) = code {
            payload.extend(code.0.to_be_bytes());
            payload.extend(reason.bytes().take(123));
            // A control frame has at most 125 bytes (RFC 6455, section 5.5), of which two are the code.
        }
        self.socket.lock().writer.queue_control(CLOSE, &payload);
        self.write_all().await
    }

    async fn write_all(&mut self) -> io::Result<()> {
        poll_fn(|context| self.socket.poll_write(context, &self.outbound)).await
    }

    /// Discards input until the client's close frame.
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
