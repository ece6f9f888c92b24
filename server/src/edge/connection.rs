//! Runs one WebSocket connection after the upgrade. A single task moves messages between the socket, the handler
//! and the outbound queue.

mod close;
mod decoder;
mod header;
mod heartbeat;
mod meter;
mod reading;
mod shared_socket;
mod writer;

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use realtime_gateway_protocol::CloseCode;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, Sleep, sleep_until},
};

use self::{
    close::{Closed, End},
    decoder::{BinaryMessages, Decoder},
    heartbeat::{Due, HeartbeatTimer},
    shared_socket::SharedSocket,
};
use crate::{
    config::Heartbeat,
    delivery::outbound::{CloseReason, Outbound, QueueWriter, Waiting},
    metrics::Metrics,
    session::connection_handler::{Authentication, ConnectionHandler, ConnectionSummary},
    telemetry::log_limited,
};

/// The opcode of a ping.
const PING: u8 = 9;

/// The limits of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The maximum size of a message from the client, in bytes.
    pub message_bytes: usize,
    /// The maximum size of a message from a client that has not authenticated yet, in bytes.
    pub first_message_bytes: usize,
    /// The ping interval, and how long the client may be silent.
    pub heartbeat: Heartbeat,
}

/// Runs a connection until it is closed. `early` holds bytes that the client sent together with the upgrade request.
///
/// Each connection occupies the size of this future for its whole life. Rarely used parts are therefore boxed, and this
/// is not an `async fn`, which would store its arguments twice.
pub fn run<S, C>(
    socket: S,
    early: Bytes,
    outbound: Arc<Outbound>,
    metrics: Arc<Metrics>,
    bounds: Bounds,
    mut handler: C,
) -> impl Future<Output = FinishedSocket<S>> + Send
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    C: ConnectionHandler,
{
    let mut connection = Connection::new(socket, early, outbound, metrics, bounds, C::BINARY);
    async move {
        let mut timer = pin!(sleep_until(connection.heartbeat.next()));
        connection.run_command(timer.as_mut(), Box::pin(handler.begin())).await;
        let end = loop {
            connection.decoder.set_limit(bounds.message_limit(handler.authentication()));
            connection.report_inbound(0);
            let (connection_ref, mut timer_ref, conversation_ref) = (&mut connection, timer.as_mut(), &mut handler);
            // Read the deadline in each iteration: a clock adjustment may have moved it.
            let next = poll_fn(move |context| {
                let deadline = conversation_ref.deadline();
                connection_ref.poll_event(context, timer_ref.as_mut(), deadline)
            });
            match next.await {
                Event::Text(text) => {
                    connection.report_inbound(text.len());
                    connection.run_command(timer.as_mut(), Box::pin(handler.receive(&text))).await;
                }
                Event::Binary(bytes) => {
                    connection.report_inbound(bytes.len());
                    connection.run_command(timer.as_mut(), Box::pin(handler.receive_binary(&bytes))).await;
                }
                Event::Deadline => connection.run_command(timer.as_mut(), Box::pin(handler.on_deadline())).await,
                Event::End(end) => break end,
            }
        };
        // End the session immediately, without waiting for the client to answer the close frame.
        let summary = connection.summary(end.code());
        let ended = Box::pin(handler.end(summary));
        let closed = Box::pin(connection.close(end));
        let ((), closed) = Box::pin(async { tokio::join!(ended, closed) }).await;
        connection.outbound.footprint().release();
        match closed {
            Closed::Orderly => FinishedSocket::Closed,
            Closed::Unwritten => connection.socket.take().map_or(FinishedSocket::Closed, FinishedSocket::Unwritten),
        }
    }
}

/// The socket of a connection that has ended.
#[derive(Debug)]
pub enum FinishedSocket<S> {
    /// The socket is closed.
    Closed,
    /// The client did not read all data before the close. The caller must reset the socket; otherwise the kernel
    /// buffers the data and retries for minutes.
    Unwritten(S),
}

impl Bounds {
    fn message_limit(&self, authentication: Authentication) -> usize {
        match authentication {
            Authentication::Anonymous => self.first_message_bytes.min(self.message_bytes),
            Authentication::Authenticated => self.message_bytes,
        }
    }
}

/// An event on a connection.
#[derive(Debug)]
enum Event {
    Text(String),
    Binary(Vec<u8>),
    /// The deadline of the handler has passed.
    Deadline,
    End(End),
}

/// One WebSocket connection and its state.
struct Connection<S> {
    socket: Arc<SharedSocket<S>>,
    outbound: Arc<Outbound>,
    metrics: Arc<Metrics>,
    decoder: Decoder,
    /// Bytes that were received after the message that is being processed.
    unread: Bytes,
    heartbeat: HeartbeatTimer,
    started_at: Instant,
    bytes_received: u64,
}

impl<S> Drop for Connection<S> {
    /// The queue must not keep the socket open after the task of the connection was dropped.
    fn drop(&mut self) {
        self.end_queue();
    }
}

impl<S> Connection<S> {
    /// Ends the outbound queue, while no loop writes its frames.
    fn end_queue(&self) {
        let _socket = self.socket.lock();
        self.outbound.end();
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Connection<S> {
    fn new(
        socket: S,
        early: Bytes,
        outbound: Arc<Outbound>,
        metrics: Arc<Metrics>,
        bounds: Bounds,
        binary: bool,
    ) -> Self {
        let now = Instant::now();
        metrics.connections_active.inc();
        let socket = Arc::new(SharedSocket::new(socket, Arc::clone(&metrics)));
        outbound.attach(Arc::clone(&socket) as Arc<dyn QueueWriter>);
        let binary = if binary { BinaryMessages::Accepted } else { BinaryMessages::Rejected };
        Self {
            socket,
            outbound,
            metrics,
            decoder: Decoder::new(bounds.message_bytes, binary, now),
            bytes_received: early.len() as u64,
            // A slice would keep hyper's whole buffer alive, even if it is empty.
            unread: Bytes::copy_from_slice(&early),
            heartbeat: HeartbeatTimer::new(bounds.heartbeat, now),
            started_at: now,
        }
    }

    /// Writes queued frames, reads input and checks timers until an event occurs.
    fn poll_event(
        &mut self,
        context: &mut Context<'_>,
        mut timer: Pin<&mut Sleep>,
        deadline: Option<Instant>,
    ) -> Poll<Event> {
        loop {
            if self.outbound.is_retiring() {
                self.outbound.finish_retiring();
            }
            if let Poll::Ready(end) = self.poll_write(context) {
                return Poll::Ready(Event::End(end));
            }
            // Backpressure: stop reading from a client that does not read what it is sent.
            if self.socket.lock().writer.is_idle() || self.outbound.has_room() {
                self.heartbeat.resume(&mut self.decoder);
                if let Poll::Ready(event) = self.poll_read(context) {
                    return Poll::Ready(event);
                }
            } else {
                self.heartbeat.pause();
            }
            if let Some(end) = ready!(self.poll_timers(context, timer.as_mut(), deadline)) {
                return Poll::Ready(Event::End(end));
            }
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Poll::Ready(Event::Deadline);
            }
        }
    }

    /// Runs one command of the handler to completion. Meanwhile the connection writes and pings, but does not
    /// read.
    async fn run_command(&mut self, mut timer: Pin<&mut Sleep>, mut command: Pin<Box<impl Future<Output = ()>>>) {
        poll_fn(|context| {
            // A panic in one command must not leave its session behind. Catch it and close the connection as usual.
            match catch_unwind(AssertUnwindSafe(|| command.as_mut().poll(context))) {
                Ok(Poll::Ready(())) => return Poll::Ready(()),
                Ok(Poll::Pending) => {}
                Err(_) => {
                    log_limited!(ERROR, {}, "a command panicked; closing its connection with 1011");
                    self.outbound.close(CloseCode::INTERNAL_ERROR, "internal error");
                    return Poll::Ready(());
                }
            }
            self.heartbeat.pause();
            loop {
                // Ignore an end for now. A command that has started is completed, so that it leaves no partial change
                // behind.
                let is_ended = self.poll_write(context).is_ready();
                let timers = self.poll_timers(context, timer.as_mut(), None);
                if is_ended || timers != Poll::Ready(None) {
                    return Poll::Pending;
                }
            }
        })
        .await;
    }

    /// Writes queued frames until the queue is empty or the socket blocks.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<End> {
        let mut socket = self.socket.lock();
        let close_reason = loop {
            // Poll the queue even while the socket blocks, because it reports a slow consumer.
            let close_reason = loop {
                match self.outbound.poll_take(context, &mut socket.writer.batch) {
                    Poll::Ready(Waiting::Frames) => {}
                    Poll::Ready(Waiting::Close(reason)) => break Some(reason),
                    Poll::Pending => break None,
                }
            };
            match socket.poll_write(context, &self.outbound, &self.metrics) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(End::Lost),
                Poll::Pending => {
                    self.outbound.block();
                    break close_reason;
                }
            }
            // While the socket was blocked, no loop has taken the frames that were pushed.
            if !socket.take_unblocked() || close_reason.is_some() {
                break close_reason;
            }
        };
        if socket.take_progress() {
            self.heartbeat.record_write();
        }
        close_reason.map_or(Poll::Pending, |reason| Poll::Ready(End::Local(reason)))
    }

    /// Resolves when a timer fires: with an end, or with `None` after a ping or when the caller should check its
    /// deadline.
    fn poll_timers(
        &mut self,
        context: &mut Context<'_>,
        mut timer: Pin<&mut Sleep>,
        deadline: Option<Instant>,
    ) -> Poll<Option<End>> {
        // Activity moves most deadlines further away. The timer is reset only when it fires, not with every activity.
        let next = self.next_wakeup(deadline);
        if next < timer.deadline() {
            timer.as_mut().reset(next);
        }
        ready!(timer.as_mut().poll(context));
        let now = Instant::now();
        let mut socket = self.socket.lock();
        if socket.take_progress() {
            self.heartbeat.record_write();
        }
        match self.heartbeat.due(now) {
            Due::End(end) => return Poll::Ready(Some(end)),
            Due::Ping if !socket.writer.has_control() => socket.writer.queue_control(PING, &[]),
            Due::Ping | Due::Nothing => {}
        }
        if !self.heartbeat.is_paused() && self.decoder.deadline().is_some_and(|deadline| deadline <= now) {
            let reason = "a message took longer than 10 s";
            return Poll::Ready(Some(End::Local(CloseReason { code: CloseCode::HEARTBEAT_TIMEOUT, reason })));
        }
        drop(socket);
        timer.reset(self.next_wakeup(deadline));
        Poll::Ready(None)
    }

    /// Reports the memory that unprocessed input takes: `in_progress` bytes of the message being processed, and the
    /// bytes received after it.
    fn report_inbound(&self, in_progress: usize) {
        let footprint = self.outbound.footprint();
        footprint.set_unanswered(in_progress + self.unread.len());
        footprint.set_unfinished(self.decoder.held_bytes());
    }

    /// Returns the statistics of the ended connection for the session, and updates the metrics.
    fn summary(&self, code: CloseCode) -> ConnectionSummary {
        let duration = self.started_at.elapsed();
        self.metrics.connections_active.dec();
        self.metrics.bytes_received_total.inc_by(self.bytes_received);
        self.metrics.connection_duration_seconds.observe(duration.as_secs_f64());
        self.metrics.closes_total.of(&code.to_string()).inc();
        if code == CloseCode::SLOW_CONSUMER {
            self.metrics.slow_consumers_total.inc();
        }
        let bytes_sent = self.socket.lock().bytes_sent();
        ConnectionSummary { code, duration, bytes_received: self.bytes_received, bytes_sent }
    }

    fn next_wakeup(&self, deadline: Option<Instant>) -> Instant {
        let message = if self.heartbeat.is_paused() { None } else { self.decoder.deadline() };
        [message, deadline].into_iter().flatten().fold(self.heartbeat.next(), Instant::min)
    }
}

#[cfg(test)]
mod tests;
