//! The heartbeat of one connection: when to ping, and when to take the client for dead.

use realtime_gateway_protocol::CloseCode;
use tokio::time::Instant;

use super::{close::End, decoder::Decoder};
use crate::{config::Heartbeat, outbound::CloseReason};

/// What is to be done now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Ping,
    End(End),
}

/// When things were last heard of, without the time in which we did not listen.
#[derive(Debug)]
pub(super) struct Pace {
    heartbeat: Heartbeat,
    ping_at: Instant,
    /// When the client last sent something.
    heard: Instant,
    /// When the socket last took something, as far as anybody asked for it.
    wrote: Instant,
    /// Since when we do not read.
    paused: Option<Instant>,
}

impl Pace {
    pub(super) fn new(heartbeat: Heartbeat, now: Instant) -> Self {
        Self { heartbeat, ping_at: now + heartbeat.interval, heard: now, wrote: now, paused: None }
    }

    /// Something came.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// Something went out. This matters only while we do not read, and costs nothing otherwise.
    pub(super) fn wrote(&mut self) {
        if self.paused.is_some() {
            self.wrote = Instant::now();
        }
    }

    /// From now on nothing is read.
    pub(super) fn pause(&mut self) {
        if self.paused.is_none() {
            let now = Instant::now();
            self.paused = Some(now);
            self.wrote = now;
        }
    }

    /// Reading goes on: the pause does not count against the client.
    pub(super) fn resume(&mut self, decoder: &mut Decoder) {
        if let Some(since) = self.paused.take() {
            let pause = since.elapsed();
            self.heard += pause;
            decoder.paused(pause);
        }
    }

    /// Whether we do not read.
    pub(super) fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// When [`Pace::due`] has something to say next.
    pub(super) fn next(&self) -> Instant {
        self.ping_at.min(self.dead_at())
    }

    /// What is to be done at this moment.
    pub(super) fn due(&mut self, now: Instant) -> Due {
        if self.dead_at() <= now {
            return Due::End(End::Ours(match self.paused {
                None => CloseReason { code: CloseCode::HEARTBEAT_TIMEOUT, reason: "nothing was heard of the client" },
                Some(_) => CloseReason { code: CloseCode::SLOW_CONSUMER, reason: "the client does not read" },
            }));
        }
        if self.ping_at <= now {
            self.ping_at = now + self.heartbeat.interval;
            return Due::Ping;
        }
        Due::Nothing
    }

    /// A client that is heard lives; so does one that is not listened to as long as it reads.
    fn dead_at(&self) -> Instant {
        let sign = if self.is_paused() { self.wrote } else { self.heard };
        sign + self.heartbeat.timeout
    }
}

#[cfg(test)]
mod tests;
