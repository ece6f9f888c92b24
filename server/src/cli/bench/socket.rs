//! One WebSocket connection of a bench.

use std::fmt;

use anyhow::{Context as _, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderValue, header};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, Utf8Bytes, client::IntoClientRequest as _},
};

use crate::cli::printable;

/// A byte stream with or without TLS.
pub(super) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// A WebSocket connection.
pub(super) struct Socket(WebSocketStream<Box<dyn ByteStream>>);

/// The connection has ended, for this reason.
#[derive(Debug)]
pub(super) struct Disconnected(pub(super) String);

impl fmt::Display for Disconnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Disconnected {}

impl From<Error> for Disconnected {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

impl Socket {
    /// Opens a WebSocket over a byte stream, with a token.
    ///
    /// # Errors
    /// A sentence with the reason of the gateway, if it has refused.
    pub(super) async fn open(stream: Box<dyn ByteStream>, url: &str, token: &str) -> anyhow::Result<Self> {
        let mut request = url.into_client_request()?;
        let bearer = HeaderValue::try_from(format!("Bearer {token}"));
        request.headers_mut().insert(header::AUTHORIZATION, bearer.context("no header can carry the token")?);
        match client_async(request, stream).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(response)) => {
                let problem: Value =
                    response.body().as_deref().map(serde_json::from_slice).transpose()?.unwrap_or_default();
                let detail = problem.get("detail").and_then(Value::as_str).unwrap_or("no reason given");
                bail!("the gateway refuses with {}: {}", response.status(), printable(detail))
            }
            Err(error) => Err(error).context("this is no WebSocket of a gateway"),
        }
    }

    /// Sends a text frame.
    pub(super) async fn send(&mut self, text: String) -> Result<(), Disconnected> {
        Ok(self.0.send(Message::text(text)).await?)
    }

    /// Returns the next text frame. It can be dropped and called again.
    pub(super) async fn next(&mut self) -> Result<Utf8Bytes, Disconnected> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text),
                Some(Ok(Message::Close(Some(frame)))) => {
                    let reason = printable(&frame.reason);
                    return Err(Disconnected(format!("close code {}: {reason}", u16::from(frame.code))));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Err(Disconnected("the connection was cut".into())),
            }
        }
    }
}
