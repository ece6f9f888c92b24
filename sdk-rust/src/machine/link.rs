//! One connection as the machine sees it: how far it has come, and whether it still lives.

use super::{Attempt, Millis, pacing::Pacer};
use crate::{Error, Frame};

/// How long opening, and then authenticating, may take.
const SETUP_TIMEOUT: Millis = 10_000;
/// After a `ping` message nothing may take longer to arrive.
const PONG_TIMEOUT: Millis = 10_000;
/// A greeting that asks for less than this between pings is not believed.
const MIN_HEARTBEAT: Millis = 1_000;

/// How far a connection has come.
pub(crate) enum Stage {
    /// The driver opens it.
    Opening,
    /// It is open and has no identity yet.
    Opened,
    /// The token was sent.
    Authenticating,
    /// It may be used. The gateway pings it as often as `heartbeat` says.
    Live { greeting: Frame, heartbeat: Millis, pacer: Pacer },
}

/// One connection.
pub(crate) struct Link {
    pub(crate) attempt: Attempt,
    pub(crate) stage: Stage,
    /// When it came to this stage.
    pub(crate) since: Millis,
    /// What an `error` asked for before the connection was closed.
    pub(crate) retry_after: Option<Millis>,
    /// That `error`.
    pub(crate) refusal: Option<Error>,
    /// The gateway asked us to move to a new one.
    pub(crate) leaving: bool,
    heard: Millis,
    pinged: Option<Millis>,
}

/// What the heartbeat of a connection calls for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pulse {
    Fine,
    Ping,
    Dead,
}

/// What a connection calls for when the device has woken up.
pub(crate) enum Waking {
    /// It was heard of just now, or is being asked already.
    Fine,
    /// A ping shows whether it lives.
    Ask,
    /// It was silent for longer than a living one is: a new one is opened beside it.
    Replace,
}

impl Link {
    pub(crate) fn new(attempt: Attempt, now: Millis) -> Self {
        Self {
            attempt,
            stage: Stage::Opening,
            since: now,
            retry_after: None,
            refusal: None,
            leaving: false,
            heard: now,
            pinged: None,
        }
    }

    pub(crate) fn enter(&mut self, stage: Stage, now: Millis) {
        self.stage = stage;
        self.since = now;
        self.hear(now);
    }

    pub(crate) fn hear(&mut self, now: Millis) {
        self.heard = now;
        self.pinged = None;
    }

    pub(crate) fn is_live(&self) -> bool {
        matches!(self.stage, Stage::Live { .. })
    }

    /// Whether the gateway may have made a session of it, which replaces those before.
    pub(crate) fn has_authenticated(&self) -> bool {
        matches!(self.stage, Stage::Authenticating | Stage::Live { .. })
    }

    /// When it next needs attention.
    pub(crate) fn deadline(&self) -> Millis {
        match (&self.stage, self.pinged) {
            (Stage::Live { .. }, Some(pinged)) => pinged + PONG_TIMEOUT,
            (Stage::Live { heartbeat, .. }, None) => self.heard.saturating_add((*heartbeat).max(MIN_HEARTBEAT)),
            _ => self.since + SETUP_TIMEOUT,
        }
    }

    /// Whether it still lives; a `Ping` counts as sent.
    pub(crate) fn pulse(&mut self, now: Millis) -> Pulse {
        if now < self.deadline() {
            return Pulse::Fine;
        }
        if self.is_live() && self.pinged.is_none() {
            self.pinged = Some(now);
            return Pulse::Ping;
        }
        Pulse::Dead
    }

    /// Looks into it after a sleep; an `Ask` counts as sent.
    pub(crate) fn wake(&mut self, now: Millis) -> Waking {
        let Stage::Live { heartbeat, .. } = &self.stage else { return Waking::Fine };
        let silence = now.saturating_sub(self.heard);
        if silence >= (*heartbeat).max(MIN_HEARTBEAT).saturating_add(PONG_TIMEOUT) {
            self.leaving = true;
            return Waking::Replace;
        }
        if silence < MIN_HEARTBEAT || self.pinged.is_some() {
            return Waking::Fine;
        }
        self.pinged = Some(now);
        Waking::Ask
    }
}
