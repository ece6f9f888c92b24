//! The token: when the provider is asked, and how often a refusal is forgiven.

use realtime_gateway_protocol::{Reconnect, Timestamp};

use super::{
    Millis, Reconnection,
    backoff::{Backoff, Random},
};
use crate::Error;

/// How long the provider may take before it is asked again.
const PROVIDER_TIMEOUT: Millis = 30_000;
/// A provider that hands out nearly expired tokens is asked no more often than this.
const MIN_LIFE: Millis = 1_000;

/// The token and what is known of its life.
pub(crate) struct Tokens {
    token: Option<String>,
    asked: Option<Millis>,
    not_before: Millis,
    refresh_at: Option<Millis>,
    /// The gateway's clock minus ours, in milliseconds, once it told its time.
    clock: Option<i128>,
    refusals: u32,
    backoff: Backoff,
    /// The gateway said `token_expired`: commands wait until a fresh one is accepted.
    expired: bool,
    renewing: bool,
    /// Why the identity could not be renewed, until it is.
    trouble: Option<Error>,
}

impl Tokens {
    pub(crate) fn new(bounds: Reconnection) -> Self {
        Self {
            token: None,
            asked: None,
            not_before: 0,
            refresh_at: None,
            clock: None,
            refusals: 0,
            backoff: Backoff::new(bounds),
            expired: false,
            renewing: false,
            trouble: None,
        }
    }

    /// Why the identity of a live connection could not be renewed.
    pub(crate) fn trouble(&self) -> Option<&Error> {
        self.trouble.as_ref()
    }

    /// When the provider is asked next, while there is no token to use and it is not asked already.
    pub(crate) fn next_question(&self, now: Millis) -> Option<Millis> {
        (self.asked.is_none() && self.usable(now).is_none() && !self.renewing).then_some(self.not_before)
    }

    /// The token to authenticate with now, unless a fresh one is due.
    pub(crate) fn usable(&self, now: Millis) -> Option<&String> {
        self.token.as_ref().filter(|_| self.refresh_at.is_none_or(|at| now < at))
    }

    /// Whether the gateway refuses commands until the identity is renewed.
    pub(crate) fn expired(&self) -> bool {
        self.expired
    }

    /// Whether the provider should be asked, where `wanted` says that a connection waits for a token.
    pub(crate) fn due(&self, now: Millis, wanted: bool) -> bool {
        let free = match self.asked {
            Some(asked) => now >= asked + PROVIDER_TIMEOUT,
            None => now >= self.not_before,
        };
        free && !self.renewing && self.usable(now).is_none() && wanted
    }

    /// When the provider may have to be asked, or asked again.
    pub(crate) fn deadline(&self) -> Option<Millis> {
        match (self.asked, self.renewing) {
            (Some(asked), _) => Some(asked + PROVIDER_TIMEOUT),
            (None, true) => None,
            (None, false) if self.token.is_none() => Some(self.not_before),
            (None, false) => self.refresh_at.map(|at| at.max(self.not_before)),
        }
    }

    pub(crate) fn asking(&mut self, now: Millis) {
        self.asked = Some(now);
    }

    /// The provider gave a token.
    pub(crate) fn given(&mut self, token: String) {
        self.token = Some(token);
        self.asked = None;
        self.refresh_at = None;
        self.backoff.reset();
    }

    /// The provider failed.
    pub(crate) fn failed(&mut self, error: Error, now: Millis, random: &mut Random) {
        self.asked = None;
        self.trouble = Some(error);
        let delay = self.backoff.delay(Reconnect::Backoff, None, random).unwrap_or(PROVIDER_TIMEOUT);
        self.not_before = now + delay.max(100);
    }

    /// A fresh token was sent on a live connection.
    pub(crate) fn renewing(&mut self) {
        self.renewing = true;
    }

    /// The connection on which the answer to a renewal would have come is gone.
    pub(crate) fn connection_lost(&mut self) {
        self.renewing = false;
        self.expired = false;
    }

    /// The gateway accepted the token, and says when its life ends.
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
        self.trouble = None;
    }

    /// The gateway refused the token. True when it refused a fresh one after that: then there is nothing left to try.
    pub(crate) fn refused(&mut self, error: Option<Error>) -> bool {
        self.token = None;
        self.renewing = false;
        self.trouble = error;
        self.refusals += 1;
        self.refusals >= 2
    }

    /// The gateway says that the token has expired, on a connection that lives.
    pub(crate) fn expire(&mut self) {
        // Commands that were on their way when the fresh token was sent are refused too: that is no news.
        if !self.renewing {
            self.expired = true;
            self.token = None;
        }
    }

    /// The gateway could not check the fresh token now.
    pub(crate) fn postpone(&mut self, error: Error, until: Millis) {
        self.renewing = false;
        self.trouble = Some(error);
        self.token = None;
        self.not_before = until;
    }
}
