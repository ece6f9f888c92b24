//! A connection: the life of one socket after the upgrade, in one task, between a conversation and an outbound queue.

mod close;
mod decoder;
mod header;
mod meter;
mod pace;
mod reading;
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
    decoder::{Binary, Decoder},
    pace::{Due, Pace},
    writer::Writer,
};
use crate::{
    config::Heartbeat,
    conversation::{Conversation, Ending, Standing},
    metrics::Metrics,
    outbound::{CloseReason, Outbound, Waiting},
    telemetry::log_limited,
};

/// The opcode of a ping.
const PING: u8 = 9;

/// What bounds a connection.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes of one message from the client.
    pub message_bytes: usize,
    /// Bytes of one message from a client that is not authenticated yet.
    pub first_message_bytes: usize,
    /// Pings, and how long the client may be silent.
    pub heartbeat: Heartbeat,
}

/// Runs a connection to its end. `early` is what the client sent together with the request for the upgrade.
///
/// Every connection carries the size of this future for as long as it lives: what is rarely used is boxed, and nothing
/// is an argument of an `async fn`, which would keep it twice.
pub fn run<S, C>(
    socket: S,
    early: Bytes,
    outbound: Arc<Outbound>,
    metrics: Arc<Metrics>,
    bounds: Bounds,
    mut conversation: C,
) -> impl Future<Output = Left<S>> + Send
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
    C: Conversation,
{
    let mut connection = Connection::new(socket, early, outbound, metrics, bounds, C::BINARY);
    async move {
        let mut timer = pin!(sleep_until(connection.pace.next()));
        connection.during(timer.as_mut(), Box::pin(conversation.begin())).await;
        let end = loop {
            let deadline = conversation.deadline();
            connection.decoder.set_limit(bounds.message_limit(conversation.standing()));
            connection.report_inbound(0);
            match poll_fn(|context| connection.poll_event(context, timer.as_mut(), deadline)).await {
                Event::Text(text) => {
                    connection.report_inbound(text.len());
                    connection.during(timer.as_mut(), Box::pin(conversation.receive(&text))).await;
                }
                Event::Binary(bytes) => {
                    connection.report_inbound(bytes.len());
                    connection.during(timer.as_mut(), Box::pin(conversation.receive_binary(&bytes))).await;
                }
                Event::Deadline => connection.during(timer.as_mut(), Box::pin(conversation.on_deadline())).await,
                Event::End(end) => break end,
            }
        };
        // The session ends at once, whether or not the client answers our close frame.
        let ending = connection.ending(end.code());
        let ended = Box::pin(conversation.end(ending));
        let closed = Box::pin(connection.close(end));
        let ((), closed) = Box::pin(async { tokio::join!(ended, closed) }).await;
        connection.outbound.footprint().release();
        match closed {
            Closed::Orderly => Left::Nothing,
            Closed::Unwritten => Left::Unwritten(connection.socket),
        }
    }
}

/// What is left of a socket when its connection is over.
#[derive(Debug)]
pub enum Left<S> {
    /// It is closed.
    Nothing,
    /// The client did not take what was sent before the close. Unless the socket is reset, the kernel keeps that and
    /// tries to send it for minutes.
    Unwritten(S),
}

impl Bounds {
    fn message_limit(&self, standing: Standing) -> usize {
        match standing {
            Standing::Anonymous => self.first_message_bytes.min(self.message_bytes),
            Standing::Known => self.message_bytes,
        }
    }
}

/// What happens on a connection.
#[derive(Debug)]
enum Event {
    Text(String),
    Binary(Vec<u8>),
    /// The conversation's deadline has passed.
    Deadline,
    End(End),
}

/// One socket and what is known of it.
struct Connection<S> {
    socket: S,
    outbound: Arc<Outbound>,
    metrics: Arc<Metrics>,
    writer: Writer,
    decoder: Decoder,
    /// What was read behind a message that is being answered.
    unread: Bytes,
    pace: Pace,
    /// Whether the socket (TLS) holds nothing back of what it took.
    flushed: bool,
    began: Instant,
    bytes_received: u64,
    bytes_sent: u64,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
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
        let binary = if binary { Binary::Taken } else { Binary::Refused };
        Self {
            socket,
            outbound,
            metrics,
            writer: Writer::default(),
            decoder: Decoder::new(bounds.message_bytes, binary, now),
            bytes_received: early.len() as u64,
            // A slice of hyper's buffer would keep all of it, even when it is empty.
            unread: Bytes::copy_from_slice(&early),
            pace: Pace::new(bounds.heartbeat, now),
            flushed: true,
            began: now,
            bytes_sent: 0,
        }
    }

    /// Writes what waits, reads what came, and looks at the clock, until something happens.
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
            // What a client says waits while it does not read what it is told.
            if self.writer.is_idle() || self.outbound.has_room() {
                self.pace.resume(&mut self.decoder);
                if let Poll::Ready(event) = self.poll_read(context) {
                    return Poll::Ready(event);
                }
            } else {
                self.pace.pause();
            }
            if let Some(end) = ready!(self.poll_clock(context, timer.as_mut(), deadline)) {
                return Poll::Ready(Event::End(end));
            }
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Poll::Ready(Event::Deadline);
            }
        }
    }

    /// Runs a command of the conversation to its end. Meanwhile the connection writes and pings, and does not read.
    async fn during(&mut self, mut timer: Pin<&mut Sleep>, mut command: Pin<Box<impl Future<Output = ()>>>) {
        poll_fn(|context| {
            // A fault in one command must not leave its session behind: the connection ends as any other does.
            match catch_unwind(AssertUnwindSafe(|| command.as_mut().poll(context))) {
                Ok(Poll::Ready(())) => return Poll::Ready(()),
                Ok(Poll::Pending) => {}
                Err(_) => {
                    log_limited!(ERROR, {}, "a command panicked; its connection is closed with 1011");
                    self.outbound.close(CloseCode::INTERNAL_ERROR, "internal error");
                    return Poll::Ready(());
                }
            }
            self.pace.pause();
            loop {
                // An end can wait: a command that has begun is finished, so that it leaves nothing half done.
                let ended = self.poll_write(context).is_ready();
                let clock = self.poll_clock(context, timer.as_mut(), None);
                if ended || clock != Poll::Ready(None) {
                    return Poll::Pending;
                }
            }
        })
        .await;
    }

    /// Writes what waits, until the queue is empty or the socket is full.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<End> {
        // The queue is looked into also while the socket is full: it may tell that the client reads too slowly.
        let asked = loop {
            match self.outbound.poll_take(context, &mut self.writer.batch) {
                Poll::Ready(Waiting::Frames) => {}
                Poll::Ready(Waiting::Close(reason)) => break Some(reason),
                Poll::Pending => break None,
            }
        };
        while !self.writer.is_idle() {
            match self.writer.poll_write(context, &mut self.socket, &self.metrics) {
                Poll::Ready(Ok(written)) => {
                    self.outbound.footprint().progressed();
                    self.outbound.written(written.queued);
                    self.bytes_sent += written.bytes as u64;
                    self.pace.wrote();
                    self.flushed = false;
                }
                Poll::Ready(Err(_)) => return Poll::Ready(End::Lost),
                Poll::Pending => {
                    self.outbound.footprint().blocked();
                    break;
                }
            }
        }
        if !self.flushed {
            match Pin::new(&mut self.socket).poll_flush(context) {
                Poll::Ready(Ok(())) => self.flushed = true,
                Poll::Ready(Err(_)) => return Poll::Ready(End::Lost),
                Poll::Pending => {}
            }
        }
        asked.map_or(Poll::Pending, |reason| Poll::Ready(End::Ours(reason)))
    }

    /// Ready when it was time for something: an end, or something that is done now or found out by the caller.
    fn poll_clock(
        &mut self,
        context: &mut Context<'_>,
        mut timer: Pin<&mut Sleep>,
        deadline: Option<Instant>,
    ) -> Poll<Option<End>> {
        // Signs of life move most moments further away: the timer is moved when it fires, not with each of them.
        let next = self.next(deadline);
        if next < timer.deadline() {
            timer.as_mut().reset(next);
        }
        ready!(timer.as_mut().poll(context));
        let now = Instant::now();
        match self.pace.due(now) {
            Due::End(end) => return Poll::Ready(Some(end)),
            Due::Ping if !self.writer.has_control() => self.writer.control(PING, &[]),
            Due::Ping | Due::Nothing => {}
        }
        if !self.pace.is_paused() && self.decoder.deadline().is_some_and(|deadline| deadline <= now) {
            let reason = "a message took longer than 10 s";
            return Poll::Ready(Some(End::Ours(CloseReason { code: CloseCode::HEARTBEAT_TIMEOUT, reason })));
        }
        timer.reset(self.next(deadline));
        Poll::Ready(None)
    }

    /// Counts what the client has sent and is not done with: `answered` bytes of a message that is being answered, and
    /// what came behind it.
    fn report_inbound(&self, answered: usize) {
        let footprint = self.outbound.footprint();
        footprint.set_unanswered(answered + self.unread.len());
        footprint.set_unfinished(self.decoder.held_bytes());
    }

    /// What became of the connection, for the session and the metrics.
    fn ending(&self, code: CloseCode) -> Ending {
        let duration = self.began.elapsed();
        self.metrics.connections_active.dec();
        self.metrics.bytes_received_total.inc_by(self.bytes_received);
        self.metrics.connection_duration_seconds.observe(duration.as_secs_f64());
        self.metrics.closes_total.of(&code.to_string()).inc();
        if code == CloseCode::SLOW_CONSUMER {
            self.metrics.slow_consumers_total.inc();
        }
        Ending { code, duration, bytes_received: self.bytes_received, bytes_sent: self.bytes_sent }
    }

    fn next(&self, deadline: Option<Instant>) -> Instant {
        let message = if self.pace.is_paused() { None } else { self.decoder.deadline() };
        [message, deadline].into_iter().flatten().fold(self.pace.next(), Instant::min)
    }
}

#[cfg(test)]
mod tests;
