//! One connection: its stage, and the check whether it is still alive.

use super::{Attempt, Millis, pacing::Pacer};
use crate::{Error, Frame};

/// The timeout for opening, and again for authenticating.
const SETUP_TIMEOUT: Millis = 10_000;
/// How long after a `ping` message any frame has to arrive.
const PONG_TIMEOUT: Millis = 10_000;
/// The lower bound for the heartbeat interval that the greeting requests.
const MIN_HEARTBEAT: Millis = 1_000;

/// The stage of a connection.
pub(crate) enum Stage {
    /// The driver is opening the connection.
    Opening,
    /// The connection is open and not authenticated.
    Opened,
    /// The token was sent.
    Authenticating,
    /// The connection is authenticated. `heartbeat` is the interval at which the gateway pings.
    Live { greeting: Frame, heartbeat: Millis, pacer: Pacer },
}

/// One connection.
pub(crate) struct Connection {
    pub(crate) attempt: Attempt,
    pub(crate) stage: Stage,
    /// When the connection entered this stage.
    pub(crate) since: Millis,
    /// The `retryAfterMs` of an `error` that preceded the close, or of the HTTP response that refused the upgrade.
    pub(crate) retry_after: Option<Millis>,
    /// The `error` that preceded the close.
    pub(crate) refusal: Option<Error>,
    /// Whether the gateway has requested the client to move to a new connection.
    pub(crate) leaving: bool,
    last_received: Millis,
    pinged: Option<Millis>,
}

/// What the heartbeat check of a connection requires.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Liveness {
    Healthy,
    Ping,
    Dead,
}

/// What a connection requires after the device has woken up.
pub(crate) enum Waking {
    /// A frame arrived just now, or a ping is pending.
    Healthy,
    /// A ping has to be sent to check the connection.
    Ping,
    /// Nothing was received for too long. A new connection has to be opened.
    Replace,
}

impl Connection {
    pub(crate) fn new(attempt: Attempt, now: Millis) -> Self {
        Self {
            attempt,
            stage: Stage::Opening,
            since: now,
            retry_after: None,
            refusal: None,
            leaving: false,
            last_received: now,
            pinged: None,
        }
    }

    pub(crate) fn enter(&mut self, stage: Stage, now: Millis) {
        self.stage = stage;
        self.since = now;
        self.record_activity(now);
    }

    pub(crate) fn record_activity(&mut self, now: Millis) {
        self.last_received = now;
        self.pinged = None;
    }

    pub(crate) fn is_live(&self) -> bool {
        matches!(self.stage, Stage::Live { .. })
    }

    /// Returns whether the connection may have a session at the gateway, which replaces earlier sessions.
    pub(crate) fn has_authenticated(&self) -> bool {
        matches!(self.stage, Stage::Authenticating | Stage::Live { .. })
    }

    /// Returns when the next check is due.
    pub(crate) fn deadline(&self) -> Millis {
        match (&self.stage, self.pinged) {
            (Stage::Live { .. }, Some(pinged)) => pinged + PONG_TIMEOUT,
            (Stage::Live { heartbeat, .. }, None) => self.last_received.saturating_add((*heartbeat).max(MIN_HEARTBEAT)),
            _ => self.since + SETUP_TIMEOUT,
        }
    }

    /// Checks whether the connection is alive. A returned `Ping` counts as sent.
    pub(crate) fn check_liveness(&mut self, now: Millis) -> Liveness {
        if now < self.deadline() {
            return Liveness::Healthy;
        }
        if self.is_live() && self.pinged.is_none() {
            self.pinged = Some(now);
            return Liveness::Ping;
        }
        Liveness::Dead
    }

    /// Checks the connection after the device was suspended. A returned `Ping` counts as sent.
    pub(crate) fn wake(&mut self, now: Millis) -> Waking {
        let Stage::Live { heartbeat, .. } = &self.stage else { return Waking::Healthy };
        let silence = now.saturating_sub(self.last_received);
        if silence >= (*heartbeat).max(MIN_HEARTBEAT).saturating_add(PONG_TIMEOUT) {
            self.leaving = true;
            return Waking::Replace;
        }
        if silence < MIN_HEARTBEAT || self.pinged.is_some() {
            return Waking::Healthy;
        }
        self.pinged = Some(now);
        Waking::Ping
    }
}
