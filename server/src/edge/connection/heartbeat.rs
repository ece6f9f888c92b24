//! The heartbeat of one connection: decides when to ping, and when the client counts as dead.

use realtime_gateway_protocol::CloseCode;
use tokio::time::Instant;

use super::{close::End, decoder::Decoder};
use crate::{config::Heartbeat, delivery::outbound::CloseReason};

/// The action that is due.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Ping,
    End(End),
}

/// Tracks the client's activity. Time in which the connection does not read is excluded.
#[derive(Debug)]
pub(super) struct HeartbeatTimer {
    config: Heartbeat,
    ping_at: Instant,
    /// When the client last sent something.
    last_read: Instant,
    /// When the socket last accepted data. Updated only while reading is paused.
    last_write: Instant,
    /// Since when the connection has not been reading.
    paused: Option<Instant>,
}

impl HeartbeatTimer {
    pub(super) fn new(config: Heartbeat, now: Instant) -> Self {
        Self { config, ping_at: now + config.interval, last_read: now, last_write: now, paused: None }
    }

    /// Records that data was received.
    pub(super) fn record_read(&mut self, now: Instant) {
        self.last_read = now;
    }

    /// Records that data was written. Relevant only while reading is paused, so it is skipped otherwise.
    pub(super) fn record_write(&mut self) {
        if self.paused.is_some() {
            self.last_write = Instant::now();
        }
    }

    /// Records that the connection stops reading.
    pub(super) fn pause(&mut self) {
        if self.paused.is_none() {
            let now = Instant::now();
            self.paused = Some(now);
            self.last_write = now;
        }
    }

    /// Records that reading resumes. The pause does not count against the client.
    pub(super) fn resume(&mut self, decoder: &mut Decoder) {
        if let Some(since) = self.paused.take() {
            let pause = since.elapsed();
            self.last_read += pause;
            decoder.extend_deadline(pause);
        }
    }

    /// Returns whether reading is paused.
    pub(super) fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// Returns when [`HeartbeatTimer::due`] is to be called next.
    pub(super) fn next(&self) -> Instant {
        self.ping_at.min(self.dead_at())
    }

    /// Returns the action that is due now.
    pub(super) fn due(&mut self, now: Instant) -> Due {
        if self.dead_at() <= now {
            return Due::End(End::Local(match self.paused {
                None => CloseReason { code: CloseCode::HEARTBEAT_TIMEOUT, reason: "the client sent nothing in time" },
                Some(_) => CloseReason { code: CloseCode::SLOW_CONSUMER, reason: "the client does not read" },
            }));
        }
        if self.ping_at <= now {
            self.ping_at = now + self.config.interval;
            return Due::Ping;
        }
        Due::Nothing
    }

    /// Returns when the client counts as dead. A client must send data, or read data while reading from it is paused.
    fn dead_at(&self) -> Instant {
        let last_activity = if self.is_paused() { self.last_write } else { self.last_read };
        last_activity + self.config.timeout
    }
}

#[cfg(test)]
mod tests;
