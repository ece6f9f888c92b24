//! The end of a connection: what waits is written, then the close frame, and the client's own close is awaited.

use std::{future::poll_fn, time::Duration};

use realtime_gateway_protocol::CloseCode;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use super::Link;
use crate::outbound::CloseReason;

/// How long what waits and the close frame may take to be written.
const LAST_WRITE: Duration = Duration::from_secs(2);
/// How long the client's close is waited for. Leaving data unread would reset the connection, and the client might
/// never see the close frame.
const LAST_READ: Duration = Duration::from_millis(500);

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Link<S> {
    /// Closes with a reason, and tells the code that was agreed on.
    pub(super) async fn close(&mut self, reason: CloseReason) -> CloseCode {
        // When the client closed first, tungstenite's answer waits in the wire.
        let answered = self.writer.heard_code().is_some();
        if !answered {
            self.socket.get_mut().say_close(&reason);
        }
        if reason.code == CloseCode::SLOW_CONSUMER {
            self.writer.forget();
        }
        let flushed = timeout(
            LAST_WRITE,
            poll_fn(|context| self.writer.poll_flush(context, self.socket.get_mut(), &self.outbound, &self.metrics)),
        )
        .await;
        if !matches!(flushed, Ok(Ok(()))) {
            return if answered { reason.code } else { close_or_lost(reason.code) };
        }
        let wire = self.socket.get_mut().io();
        if wire.shutdown().await.is_ok() {
            let mut rest = [0; 1024];
            // Whatever still comes is not read any more; the end of it is what is waited for.
            let _ = timeout(LAST_READ, async { while let Ok(1..) = wire.read(&mut rest).await {} }).await;
        }
        reason.code
    }
}

/// A close frame that could not be written was not seen, but why the gateway closed is what counts.
fn close_or_lost(code: CloseCode) -> CloseCode {
    if code == CloseCode::NORMAL { CloseCode::ABNORMAL } else { code }
}
