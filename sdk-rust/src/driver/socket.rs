//! The WebSockets of a client. Writing never waits, and closing takes a bounded time.

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{Sink, Stream};
use realtime_gateway_protocol::{CloseCode, MAX_SERVER_MESSAGE_BYTES};
use tokio::{net::TcpStream, time::Sleep};
pub(crate) use tokio_tungstenite::Connector;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{
        self, Message, Utf8Bytes,
        client::IntoClientRequest,
        handshake::client::Request,
        http::{HeaderValue, header::SEC_WEBSOCKET_PROTOCOL},
        protocol::{CloseFrame, WebSocketConfig},
    },
};

use crate::{
    Error,
    machine::{Attempt, OpenFailure},
};

/// The form of messages that this SDK understands.
const SUBPROTOCOL: &str = "gateway.v1.json";
/// The time limit for the closing handshake.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// The size of the read buffer. A typical message fits; a larger one grows the buffer temporarily.
const BUFFER_BYTES: usize = 8 * 1024;
/// The largest accepted message. It is far beyond the gateway's limit, so that later versions may send larger messages.
const MAX_MESSAGE_BYTES: usize = 16 * MAX_SERVER_MESSAGE_BYTES;

type WebSocket = WebSocketStream<MaybeTlsStream<TcpStream>>;
type Opening = Pin<Box<dyn Future<Output = Result<WebSocket, tungstenite::Error>> + Send>>;

/// An event of a socket.
pub(crate) enum SocketEvent {
    Opened,
    Text(Utf8Bytes),
    Activity,
    Closed(CloseCode),
    Failed(OpenFailure),
}

/// Every socket of a client: the one in use, its successor, and those that are being closed.
pub(crate) struct Sockets {
    url: String,
    connector: Option<Connector>,
    sockets: Vec<Socket>,
}

struct Socket {
    attempt: Attempt,
    phase: Phase,
    /// Set while the socket is closing: its events are dropped, and it is dropped when this timer ends.
    closing: Option<Pin<Box<Sleep>>>,
}

enum Phase {
    Opening(Opening),
    /// The queue `out` is bounded by the core, which has one command per topic in flight.
    Open {
        socket: Box<WebSocket>,
        out: VecDeque<Message>,
        broken: bool,
    },
    Ended,
}

/// Opens a WebSocket, with the app's own configuration of TLS if it has one.
#[cfg(any(feature = "rustls-native-roots", feature = "rustls-webpki-roots", feature = "native-tls"))]
async fn connect(
    request: Request,
    config: WebSocketConfig,
    connector: Option<Connector>,
) -> Result<WebSocket, tungstenite::Error> {
    let opened = tokio_tungstenite::connect_async_tls_with_config(request, Some(config), true, connector).await;
    opened.map(|(socket, _response)| socket)
}

/// Opens a WebSocket without TLS.
#[cfg(not(any(feature = "rustls-native-roots", feature = "rustls-webpki-roots", feature = "native-tls")))]
async fn connect(
    request: Request,
    config: WebSocketConfig,
    _connector: Option<Connector>,
) -> Result<WebSocket, tungstenite::Error> {
    let opened = tokio_tungstenite::connect_async_with_config(request, Some(config), true).await;
    opened.map(|(socket, _response)| socket)
}

/// Checks the URL of a gateway.
pub(crate) fn check_url(url: &str) -> Result<(), Error> {
    let request = url.into_client_request().map_err(|error| Error::invalid(format!("{url}: {error}")))?;
    let tls = cfg!(any(feature = "rustls-native-roots", feature = "rustls-webpki-roots", feature = "native-tls"));
    match request.uri().scheme_str() {
        Some("ws") => Ok(()),
        Some("wss") if tls => Ok(()),
        Some("wss") => Err(Error::invalid("wss needs one of the crate's TLS features")),
        _ => Err(Error::invalid(format!("{url}: a gateway's address begins with ws:// or wss://"))),
    }
}

impl Sockets {
    pub(crate) fn new(url: String, connector: Option<Connector>) -> Self {
        Self { url, connector, sockets: Vec::new() }
    }

    pub(crate) fn open(&mut self, attempt: Attempt) {
        install_crypto();
        let request = self.url.as_str().into_client_request().map(|mut request| {
            request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
            request
        });
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER_BYTES)
            .max_message_size(Some(MAX_MESSAGE_BYTES))
            .max_frame_size(Some(MAX_MESSAGE_BYTES));
        let connector = self.connector.clone();
        let opening = async move { connect(request?, config, connector).await };
        self.sockets.push(Socket { attempt, phase: Phase::Opening(Box::pin(opening)), closing: None });
    }

    pub(crate) fn send(&mut self, attempt: Attempt, text: String) {
        self.write(attempt, Message::text(text));
    }

    pub(crate) fn close(&mut self, attempt: Attempt, code: CloseCode) {
        self.write(attempt, Message::Close(Some(CloseFrame { code: code.0.into(), reason: "".into() })));
        for socket in self.sockets.iter_mut().filter(|socket| socket.attempt == attempt) {
            if matches!(socket.phase, Phase::Opening(_)) {
                socket.phase = Phase::Ended;
            }
            socket.closing = Some(Box::pin(tokio::time::sleep(CLOSE_TIMEOUT)));
        }
    }

    fn write(&mut self, attempt: Attempt, message: Message) {
        let socket = self.sockets.iter_mut().find(|socket| socket.attempt == attempt);
        if let Some(Phase::Open { out, .. }) = socket.map(|socket| &mut socket.phase) {
            out.push_back(message);
        }
    }

    /// Returns the next event of any socket.
    pub(crate) async fn next(&mut self) -> (Attempt, SocketEvent) {
        poll_fn(|context| self.poll(context)).await
    }

    /// Waits until every socket is closed.
    pub(crate) async fn finish(&mut self) {
        poll_fn(|context| {
            while self.poll(context).is_ready() {}
            if self.sockets.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<(Attempt, SocketEvent)> {
        for socket in &mut self.sockets {
            while let Poll::Ready(event) = socket.poll(context) {
                let event = event.unwrap_or(SocketEvent::Closed(CloseCode::ABNORMAL));
                let closing = socket.closing.is_some();
                match &event {
                    // The rest of the closing handshake causes no event.
                    SocketEvent::Closed(code) if *code != CloseCode::ABNORMAL => {
                        socket.closing.get_or_insert_with(|| Box::pin(tokio::time::sleep(CLOSE_TIMEOUT)));
                    }
                    SocketEvent::Closed(_) | SocketEvent::Failed(_) => socket.phase = Phase::Ended,
                    _ => {}
                }
                if !closing {
                    return Poll::Ready((socket.attempt, event));
                }
                if matches!(socket.phase, Phase::Ended) {
                    break;
                }
            }
        }
        self.sockets.retain(|socket| !matches!(socket.phase, Phase::Ended));
        Poll::Pending
    }
}

impl Socket {
    /// Returns the next event, or `None` if the socket has ended without a close frame.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<SocketEvent>> {
        if let Some(late) = &mut self.closing
            && late.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(None);
        }
        match &mut self.phase {
            Phase::Ended => Poll::Pending,
            Phase::Opening(opening) => opening.as_mut().poll(context).map(|result| match result {
                Ok(socket) => {
                    self.phase = Phase::Open { socket: Box::new(socket), out: VecDeque::new(), broken: false };
                    Some(SocketEvent::Opened)
                }
                Err(error) => Some(SocketEvent::Failed(failure(&error))),
            }),
            Phase::Open { socket, out, broken } => {
                // A failed write does not end the socket immediately: a close frame with the reason may still wait to
                // be read.
                *broken = *broken || matches!(write(Pin::new(socket), out, context), Poll::Ready(Err(_)));
                let broken = *broken;
                match Pin::new(socket).poll_next(context) {
                    Poll::Pending if broken => Poll::Ready(None),
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(Some(Ok(message))) => Poll::Ready(Some(match message {
                        Message::Text(text) => SocketEvent::Text(text),
                        Message::Close(frame) => {
                            // 1005 is "no code" (RFC 6455, section 7.1.5).
                            SocketEvent::Closed(frame.map_or(CloseCode(1005), |frame| CloseCode(frame.code.into())))
                        }
                        _ => SocketEvent::Activity,
                    })),
                    Poll::Ready(Some(Err(_)) | None) => Poll::Ready(None),
                }
            }
        }
    }
}

fn write(
    mut socket: Pin<&mut Box<WebSocket>>,
    out: &mut VecDeque<Message>,
    context: &mut Context<'_>,
) -> Poll<Result<(), tungstenite::Error>> {
    let mut socket = Pin::new(&mut **socket);
    while !out.is_empty() {
        std::task::ready!(socket.as_mut().poll_ready(context))?;
        if let Some(message) = out.pop_front() {
            socket.as_mut().start_send(message)?;
        }
    }
    socket.poll_flush(context)
}

fn failure(error: &tungstenite::Error) -> OpenFailure {
    let mut failure = OpenFailure { message: error.to_string(), ..OpenFailure::default() };
    if let tungstenite::Error::Http(response) = error {
        failure.status = Some(response.status().as_u16());
        let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
        failure.retry_after = retry_after.map(str::to_owned);
    }
    failure
}

/// Installs the process-wide crypto provider that rustls requires, unless the app has installed one.
fn install_crypto() {
    #[cfg(any(feature = "rustls-native-roots", feature = "rustls-webpki-roots"))]
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // The error means that another thread was faster, which is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}
