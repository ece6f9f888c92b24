//! A connection: the life of one socket, from the upgrade to the last close frame.

mod closing;
mod meter;
mod wire;
mod writer;

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use realtime_gateway_protocol::CloseCode;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, Sleep, sleep_until},
};
use tokio_tungstenite::tungstenite::{
    Error, Message, Utf8Bytes,
    error::ProtocolError,
    protocol::{Role, WebSocket, WebSocketConfig},
};

use self::{wire::Wire, writer::Writer};
use crate::{
    config,
    conversation::{Conversation, Ending},
    metrics::Metrics,
    outbound::{CloseReason, Outbound, Waiting},
};

/// tungstenite's read buffer: what an idle connection keeps.
const READ_BUFFER: usize = 2 * 1024;
/// How long one message may take from its first byte to its last.
const MESSAGE_WITHIN: Duration = Duration::from_secs(10);

/// What bounds a connection.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes of one message.
    pub message_bytes: usize,
    /// Pings and the silence that ends a connection.
    pub heartbeat: config::Heartbeat,
}

/// The socket's side of a connection, without the one who is talked to.
struct Link<S> {
    socket: WebSocket<Wire<S>>,
    writer: Writer,
    outbound: Arc<Outbound>,
    metrics: Arc<Metrics>,
    bounds: Bounds,
    heard: Instant,
    ping_at: Instant,
    opened: Instant,
}

/// What a connection does next.
enum Step {
    Say(Utf8Bytes),
    Timer,
    /// The gateway closes.
    Close(CloseReason),
    /// The client closed, or the socket broke; the code is what was seen.
    Gone(CloseCode),
}

/// Runs a connection until it is closed. `early` is what the client sent right behind its request.
pub async fn run<S, C>(
    io: S,
    early: Vec<u8>,
    outbound: Arc<Outbound>,
    metrics: Arc<Metrics>,
    bounds: Bounds,
    mut talk: C,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    C: Conversation,
{
    let now = Instant::now();
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(bounds.message_bytes))
        .max_frame_size(Some(bounds.message_bytes));
    let mut link = Link {
        socket: WebSocket::from_raw_socket(Wire::new(io, early), Role::Server, Some(config)),
        writer: Writer::default(),
        outbound,
        metrics,
        bounds,
        heard: now,
        ping_at: now + bounds.heartbeat.interval,
        opened: now,
    };
    link.metrics.connections_active.inc();
    Box::pin(talk.begin()).await;
    let code = {
        let mut timer = std::pin::pin!(sleep_until(link.next_timer(talk.deadline())));
        loop {
            match poll_fn(|context| link.poll(context, timer.as_mut())).await {
                Step::Say(text) => {
                    let mut work = Box::pin(talk.receive(&text));
                    poll_fn(|context| match work.as_mut().poll(context) {
                        Poll::Ready(()) => Poll::Ready(()),
                        Poll::Pending => {
                            // Whether the socket broke, or is to be closed, is seen when the command is done.
                            let _ = link.poll_write(context);
                            Poll::Pending
                        }
                    })
                    .await;
                    // Waiting for the store is not the client's silence.
                    link.heard = Instant::now();
                }
                Step::Timer => {
                    Box::pin(talk.on_deadline()).await;
                    if let Some(reason) = link.beat() {
                        break link.close(reason).await;
                    }
                }
                Step::Close(reason) => break link.close(reason).await,
                Step::Gone(code) => break code,
            }
            let next = link.next_timer(talk.deadline());
            if next != timer.deadline() {
                timer.as_mut().reset(next);
            }
        }
    };
    link.outbound.end();
    link.metrics.connections_active.dec();
    let ending = link.ending(code);
    drop(link);
    Box::pin(talk.end(ending)).await;
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Link<S> {
    /// Writes what waits, reads what came, and looks at the clock.
    fn poll(&mut self, context: &mut Context<'_>, timer: Pin<&mut Sleep>) -> Poll<Step> {
        if self.outbound.is_retiring() {
            self.outbound.finish_retiring();
        }
        match self.poll_write(context) {
            Poll::Ready(Err(_)) => return Poll::Ready(Step::Gone(CloseCode::ABNORMAL)),
            Poll::Ready(Ok(reason)) => return Poll::Ready(Step::Close(reason)),
            Poll::Pending => {}
        }
        // Inbound waits while more than half of the outbound queue is taken; writing makes room and polls again.
        if (self.writer.is_idle() || self.outbound.has_room())
            && let Poll::Ready(step) = self.poll_read(context)
        {
            return Poll::Ready(step);
        }
        timer.poll(context).map(|()| Step::Timer)
    }

    /// Writes frames until there are none, the socket takes no more, or the queue says to close.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<std::io::Result<CloseReason>> {
        loop {
            match self.writer.poll_flush(context, self.socket.get_mut(), &self.outbound, &self.metrics) {
                Poll::Ready(written) => written?,
                Poll::Pending => {
                    // A socket that takes no more must not keep its session alive.
                    let close = self.outbound.take_close(self.writer.batch());
                    return close.map_or(Poll::Pending, |reason| Poll::Ready(Ok(reason)));
                }
            }
            match self.outbound.poll_take(context, self.writer.batch()) {
                Poll::Ready(Waiting::Frames) => {}
                Poll::Ready(Waiting::Close(reason)) => return Poll::Ready(Ok(reason)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Step> {
        loop {
            self.socket.get_mut().watch(context);
            let read = self.socket.read();
            let wire = self.socket.get_mut();
            if wire.take_heard() {
                self.heard = Instant::now();
            }
            if let Some(reason) = wire.meter.violation() {
                return Poll::Ready(Step::Close(reason));
            }
            match read {
                Ok(Message::Text(text)) => return Poll::Ready(Step::Say(text)),
                Ok(Message::Binary(_)) => {
                    let reason = "the protocol is JSON in text frames";
                    return Poll::Ready(Step::Close(CloseReason { code: CloseCode::UNSUPPORTED_DATA, reason }));
                }
                Ok(Message::Close(frame)) => {
                    let code = frame.map_or(CloseCode::NORMAL, |frame| CloseCode(frame.code.into()));
                    self.writer.last_words(code);
                }
                // tungstenite has put the pong into the wire.
                Ok(_) => {
                    if let Poll::Ready(Err(_)) = self.poll_write(context) {
                        return Poll::Ready(Step::Gone(CloseCode::ABNORMAL));
                    }
                }
                Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(self.broken(&error)),
            }
        }
    }

    /// What a failed read means for the client.
    fn broken(&self, error: &Error) -> Step {
        let close = |code, reason| Step::Close(CloseReason { code, reason });
        match error {
            Error::ConnectionClosed | Error::AlreadyClosed => {
                close(self.writer.heard_code().unwrap_or(CloseCode::NORMAL), "")
            }
            Error::Capacity(_) => close(CloseCode::MESSAGE_TOO_BIG, "the message is over maxMessageBytes"),
            Error::Utf8(_) => close(CloseCode::INVALID_PAYLOAD, "the text is not UTF-8"),
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) | Error::Io(_) => {
                Step::Gone(CloseCode::ABNORMAL)
            }
            _ => close(CloseCode::PROTOCOL_ERROR, "a frame does not follow RFC 6455"),
        }
    }

    /// Pings when it is time, and says why to close when the client is silent or takes too long.
    fn beat(&mut self) -> Option<CloseReason> {
        let now = Instant::now();
        let silent = now.saturating_duration_since(self.heard) >= self.bounds.heartbeat.timeout;
        let begun = self.socket.get_ref().meter.message_since();
        if silent || begun.is_some_and(|begun| now.saturating_duration_since(begun) >= MESSAGE_WITHIN) {
            let reason = "no whole frame came in time";
            return Some(CloseReason { code: CloseCode::HEARTBEAT_TIMEOUT, reason });
        }
        if now >= self.ping_at {
            self.ping_at = now + self.bounds.heartbeat.interval;
            self.socket.get_mut().ping();
        }
        None
    }

    fn next_timer(&self, deadline: Option<Instant>) -> Instant {
        let silence = self.heard + self.bounds.heartbeat.timeout;
        let message = self.socket.get_ref().meter.message_since().map(|begun| begun + MESSAGE_WITHIN);
        // A connection that is pinged more often than it may be silent finds out about its silence when it pings.
        let beat = if self.bounds.heartbeat.interval * 2 <= self.bounds.heartbeat.timeout && silence > self.ping_at {
            self.ping_at
        } else {
            self.ping_at.min(silence)
        };
        [deadline, message].into_iter().flatten().fold(beat, Instant::min)
    }

    fn ending(&self, code: CloseCode) -> Ending {
        let duration = self.opened.elapsed();
        let (bytes_received, bytes_sent) = (self.socket.get_ref().bytes_read(), self.writer.bytes_written());
        self.metrics.bytes_received_total.inc_by(bytes_received);
        self.metrics.connection_duration_seconds.observe(duration.as_secs_f64());
        self.metrics.closes_total.of(&code.to_string()).inc();
        if code == CloseCode::SLOW_CONSUMER {
            self.metrics.slow_consumers_total.inc();
        }
        Ending { code, duration, bytes_received, bytes_sent }
    }
}
