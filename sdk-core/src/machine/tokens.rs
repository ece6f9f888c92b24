//! The token: decides when the provider is called, and how many refusals are tolerated.

use realtime_gateway_protocol::{Reconnect, Timestamp};

use super::{
    Millis, Reconnection,
    backoff::{Backoff, Random},
};
use crate::Error;

/// How long the provider may take before it is called again.
const PROVIDER_TIMEOUT: Millis = 30_000;
/// The shortest interval at which a provider of nearly expired tokens is called.
const MIN_LIFE: Millis = 1_000;

/// The token and its lifetime.
pub(crate) struct Tokens {
    token: Option<String>,
    requested_at: Option<Millis>,
    not_before: Millis,
    refresh_at: Option<Millis>,
    /// The gateway's clock minus ours, in milliseconds, once the gateway has reported its time.
    clock: Option<i128>,
    refusals: u32,
    backoff: Backoff,
    /// The gateway reported `token_expired`: commands wait until a fresh one is accepted.
    expired: bool,
    renewing: bool,
    /// Why the identity could not be renewed, until it is.
    last_error: Option<Error>,
}

impl Tokens {
    pub(crate) fn new(bounds: Reconnection) -> Self {
        Self {
            token: None,
            requested_at: None,
            not_before: 0,
            refresh_at: None,
            clock: None,
            refusals: 0,
            backoff: Backoff::new(bounds),
            expired: false,
            renewing: false,
            last_error: None,
        }
    }

    /// Returns why the identity of a live connection could not be renewed.
    pub(crate) fn last_error(&self) -> Option<&Error> {
        self.last_error.as_ref()
    }

    /// Returns when the provider is called next, while there is no usable token and no call is pending.
    pub(crate) fn next_request(&self, now: Millis) -> Option<Millis> {
        (self.requested_at.is_none() && self.usable(now).is_none() && !self.renewing).then_some(self.not_before)
    }

    /// Returns the token to authenticate with now, unless a fresh one is due.
    pub(crate) fn usable(&self, now: Millis) -> Option<&String> {
        self.token.as_ref().filter(|_| self.refresh_at.is_none_or(|at| now < at))
    }

    /// Returns whether the gateway refuses commands until the identity is renewed.
    pub(crate) fn expired(&self) -> bool {
        self.expired
    }

    /// Returns whether the provider has to be called. `wanted` means that a connection waits for a token.
    pub(crate) fn due(&self, now: Millis, wanted: bool) -> bool {
        let free = match self.requested_at {
            Some(at) => now >= at + PROVIDER_TIMEOUT,
            None => now >= self.not_before,
        };
        free && !self.renewing && self.usable(now).is_none() && wanted
    }

    /// Returns the next time at which the provider may have to be called.
    pub(crate) fn deadline(&self) -> Option<Millis> {
        match (self.requested_at, self.renewing) {
            (Some(at), _) => Some(at + PROVIDER_TIMEOUT),
            (None, true) => None,
            (None, false) if self.token.is_none() => Some(self.not_before),
            (None, false) => self.refresh_at.map(|at| at.max(self.not_before)),
        }
    }

    pub(crate) fn requested(&mut self, now: Millis) {
        self.requested_at = Some(now);
    }

    /// Records the token that the provider returned.
    pub(crate) fn provided(&mut self, token: String) {
        self.token = Some(token);
        self.requested_at = None;
        self.refresh_at = None;
        self.backoff.reset();
    }

    /// Records that the provider failed, and schedules the next call.
    pub(crate) fn failed(&mut self, error: Error, now: Millis, random: &mut Random) {
        self.requested_at = None;
        self.last_error = Some(error);
        let delay = self.backoff.delay(Reconnect::Backoff, None, random).unwrap_or(PROVIDER_TIMEOUT);
        self.not_before = now + delay.max(100);
    }

    /// Records that a fresh token was sent on a live connection.
    pub(crate) fn renewing(&mut self) {
        self.renewing = true;
    }

    /// Records that the connection is lost, and with it a pending renewal.
    pub(crate) fn connection_lost(&mut self) {
        self.renewing = false;
        self.expired = false;
    }

    /// Records that the gateway accepted the token, which expires at `expires_at`. The next one is due after 80 % of
    /// its life.
    pub(crate) fn accepted(&mut self, expires_at: Timestamp, server_time: Option<Timestamp>, now: Millis) {
        if let Some(server_time) = server_time {
            self.clock = Some(i128::from(server_time.millis()) - i128::from(now));
        }
        let clock = self.clock.unwrap_or_default();
        let life = u64::try_from(i128::from(expires_at.millis()) - clock - i128::from(now)).unwrap_or(0);
        self.refresh_at = Some(now.saturating_add((life / 5 * 4).max(MIN_LIFE)));
        self.refusals = 0;
        self.renewing = false;
        self.expired = false;
        self.last_error = None;
    }

    /// Records that the gateway refused the token. Returns whether it has refused two in a row, so that retrying is
    /// useless.
    pub(crate) fn refused(&mut self, error: Option<Error>) -> bool {
        self.token = None;
        self.renewing = false;
        self.last_error = error;
        self.refusals += 1;
        self.refusals >= 2
    }

    /// Handles `token_expired` on a live connection.
    pub(crate) fn expire(&mut self) {
        // During a renewal this is the refusal of a command that was sent before the fresh token, so it changes
        // nothing.
        if !self.renewing {
            self.expired = true;
            self.token = None;
        }
    }

    /// Records that the gateway could not check the fresh token now.
    pub(crate) fn postpone(&mut self, error: Error, until: Millis) {
        self.renewing = false;
        self.last_error = Some(error);
        self.token = None;
        self.not_before = until;
    }
}
