//! From wanting a connection to having one, losing it, and getting the next.

use realtime_gateway_protocol::{Authenticate, ClientInfo, CloseCode, Ping, Reconnect};

use super::{
    Action, Attempt, Link, Machine, Millis, OpenFailure, Stage, TokenFailure,
    heard::Greeting,
    link::{Pulse, Waking},
    pacing::Pacer,
    tokens::Tokens,
    wire::Asked,
};
use crate::{Error, ErrorKind, Frame, Outcome, State};

/// A connection that lasted this long was a good one: trouble after it is new trouble.
const LASTING: Millis = 10_000;
/// A hint to reconnect is followed within this time, however late the node closes.
const MAX_MOVE_DELAY: Millis = 5_000;
/// Why the client pauses when there is no token left to try.
const TOKEN_REFUSED: &str = "the token was refused, and a fresh one too";

impl Machine {
    /// Does everything that is due: the last step of every input.
    pub(super) fn advance(&mut self) {
        self.check_links();
        self.open();
        self.authenticate();
        // What is given up makes room for what waits behind it.
        self.expire();
        self.talk();
        self.release();
        self.tell_state();
    }

    fn check_links(&mut self) {
        for index in 0..self.links.len() {
            let Some(link) = self.links.get_mut(index) else { break };
            let attempt = link.attempt;
            match link.pulse(self.now) {
                Pulse::Fine => {}
                Pulse::Ping => self.wire.tell(attempt, Ping {}),
                Pulse::Dead => {
                    self.wire.act(Action::Close(attempt, CloseCode::HEARTBEAT_TIMEOUT));
                    self.lost(attempt, CloseCode::ABNORMAL);
                    return self.check_links();
                }
            }
        }
    }

    /// The device woke up or has a network again.
    pub(super) fn woken(&mut self) {
        let now = self.now;
        if std::mem::take(&mut self.hasty) {
            self.open_at = now;
        }
        if let Some(link) = self.links.iter_mut().rev().find(|link| link.is_live()) {
            match link.wake(now) {
                Waking::Fine => {}
                Waking::Ask => self.wire.tell(link.attempt, Ping {}),
                Waking::Replace => self.open_at = now,
            }
        }
    }

    /// Whether a connection should be opened as soon as it may.
    pub(super) fn wants_link(&self) -> bool {
        match self.links.as_slice() {
            [] => self.wanted && self.paused.is_none() && self.closed.is_none(),
            [only] => only.is_live() && only.leaving,
            _ => false,
        }
    }

    /// Whether a usable token is needed: to open a connection, or to stay on one.
    pub(super) fn wants_token(&self) -> bool {
        !self.links.is_empty() || self.wants_link()
    }

    /// When a connection may be opened or the token provider asked.
    pub(super) fn open_deadline(&self) -> Option<Millis> {
        let opens = self.wants_link().then_some(self.open_at);
        let asks = self.wants_token().then(|| self.tokens.deadline()).flatten();
        match (opens, self.tokens.usable(self.now)) {
            // Only the token is missing: it comes as an input, or is asked for again.
            (Some(at), None) if self.links.is_empty() => asks.map(|asks| asks.max(at)),
            (Some(_), None) | (None, _) => asks,
            (Some(at), Some(_)) => Some(asks.map_or(at, |asks| asks.min(at))),
        }
    }

    fn open(&mut self) {
        if self.wants_token() && self.tokens.due(self.now, self.now >= self.open_at || !self.links.is_empty()) {
            self.tokens.asking(self.now);
            self.wire.act(Action::AskToken);
        }
        if self.wants_link() && self.now >= self.open_at && self.tokens.usable(self.now).is_some() {
            self.attempts += 1;
            let attempt = Attempt(self.attempts);
            self.links.push(Link::new(attempt, self.now));
            self.wire.act(Action::Open(attempt));
        }
    }

    pub(super) fn opened(&mut self, attempt: Attempt) {
        let now = self.now;
        if let Some(link) = self.link(attempt) {
            link.enter(Stage::Opened, now);
        }
    }

    pub(super) fn heard(&mut self, attempt: Attempt) {
        let now = self.now;
        if let Some(link) = self.link(attempt) {
            link.hear(now);
        }
    }

    /// Gives the token to connections that wait for an identity.
    fn authenticate(&mut self) {
        let Some(token) = self.tokens.usable(self.now).cloned() else { return };
        for link in self.links.iter_mut().filter(|link| matches!(link.stage, Stage::Opened)) {
            link.enter(Stage::Authenticating, self.now);
            self.authenticated = link.attempt;
            let message = authenticate(&self.config, &self.instance, link.attempt, token.clone());
            self.wire.ask(link.attempt, message, Asked::Authenticate);
        }
    }

    /// The token provider answered.
    pub(super) fn token(&mut self, result: Result<String, TokenFailure>) {
        match result {
            Err(TokenFailure::SignedOut(reason)) => self.pause(Error::closed(CloseCode::UNAUTHORIZED, reason)),
            Err(TokenFailure::Failed(problem)) => {
                let error = Error::new(ErrorKind::Token(problem), Outcome::NotSent);
                self.tokens.failed(error.clone(), self.now, &mut self.random);
                self.trouble = Some(error);
            }
            Ok(token) => {
                self.tokens.given(token.clone());
                if let Some(attempt) = self.live().map(|link| link.attempt) {
                    self.tokens.renewing();
                    let message = authenticate(&self.config, &self.instance, attempt, token);
                    self.wire.ask(attempt, message, Asked::Authenticate);
                }
            }
        }
    }

    pub(super) fn connected(&mut self, attempt: Attempt, greeting: Greeting, frame: Frame) {
        let now = self.now;
        self.tokens.accepted(greeting.expires_at, Some(greeting.server_time), now);
        self.max_message_bytes = usize::try_from(greeting.max_message_bytes).unwrap_or(usize::MAX);
        self.trouble = None;
        if let Some(link) = self.link(attempt) {
            let pacer = Pacer::new(greeting.limits, now);
            link.enter(Stage::Live { greeting: frame, heartbeat: greeting.heartbeat, pacer }, now);
        }
    }

    /// The node asks us to go elsewhere; this connection works until then.
    pub(super) fn reconnect_hint(&mut self, attempt: Attempt, after: Millis) {
        let delay = self.random.up_to((after / 2).min(MAX_MOVE_DELAY));
        let now = self.now;
        if let Some(link) = self.link(attempt).filter(|link| !link.leaving) {
            link.leaving = true;
            self.open_at = now + delay;
        }
    }

    pub(super) fn open_failed(&mut self, attempt: Attempt, failure: OpenFailure) {
        let Some(link) = self.link(attempt) else { return };
        link.retry_after = failure.retry_after_ms;
        self.trouble = Some(Error::new(ErrorKind::Connection(failure.message.clone()), Outcome::NotSent));
        if failure.status == Some(403) {
            // The origin is refused: that does not change by trying again.
            self.pause(Error::closed(CloseCode::DISCONNECTED, failure.message));
        } else {
            self.lost(attempt, CloseCode::TRY_AGAIN_LATER);
        }
    }

    pub(super) fn closed(&mut self, attempt: Attempt, code: CloseCode) {
        if let Some(link) = self.link(attempt) {
            let refusal = link.refusal.take();
            let why = || Error::new(ErrorKind::Connection(format!("closed with {code}")), Outcome::NotSent);
            self.trouble = Some(refusal.unwrap_or_else(why));
            self.lost(attempt, code);
        }
    }

    /// The token was refused on a connection: once more with a fresh one, then the client pauses.
    pub(super) fn token_refused(&mut self, attempt: Attempt, error: Error) {
        self.wire.act(Action::Close(attempt, CloseCode::NORMAL));
        self.trouble = Some(error);
        self.lost(attempt, CloseCode::UNAUTHORIZED);
    }

    /// A renewal was refused on a connection that lives: once more with a fresh token, then the client pauses.
    pub(super) fn renewal_refused(&mut self, error: Error) {
        self.trouble = Some(error.clone());
        if self.tokens.refused(Some(error)) {
            self.pause_for(CloseCode::UNAUTHORIZED, TOKEN_REFUSED);
        }
    }

    /// A connection is gone: what was under way on it goes back to its room, and the close code decides what follows.
    fn lost(&mut self, attempt: Attempt, code: CloseCode) {
        let Some(index) = self.links.iter().position(|link| link.attempt == attempt) else { return };
        let link = self.links.remove(index);
        for asked in self.wire.lost(attempt) {
            match asked {
                Asked::Send(topic, ticket) => self.sends.lost(&topic, ticket),
                Asked::Ack => self.acks.lost(),
                Asked::Query(ticket) => self.queries.lost(ticket, &mut self.wire),
                Asked::Authenticate | Asked::Subscribe(_) | Asked::Unsubscribe => {}
            }
        }
        self.subscriptions.connection_lost(attempt);
        if link.is_live() {
            self.tokens.connection_lost();
            if self.now >= link.since + LASTING {
                self.backoff.reset();
            }
        }
        // Our own newer connection replaces this one, with 4409 or with whatever else ends it: that is as it should
        // be. Before the newer one has authenticated, though, 4409 means another client of the same user.
        if self.links.iter().any(|other| other.attempt > attempt && other.has_authenticated()) {
            return;
        }
        // The newer one may be lost again before the 4409 that it caused arrives here.
        let replaced_by_us = code == CloseCode::REPLACED && attempt < self.authenticated;
        let advice = if replaced_by_us { Reconnect::Backoff } else { code.reconnect() };
        if advice == Reconnect::WithFreshToken && self.tokens.refused(self.trouble.clone()) {
            return self.pause_for(code, TOKEN_REFUSED);
        }
        self.hasty = link.retry_after.is_none() && !matches!(advice, Reconnect::After(_));
        match self.backoff.delay(advice, link.retry_after, &mut self.random) {
            None => self.pause_for(code, &meaning(code)),
            Some(delay) => self.open_at = self.now + delay,
        }
    }

    /// Lets each room say what it has to say on the connection in use.
    fn talk(&mut self) {
        if self.tokens.expired() {
            return;
        }
        let Some(link) = self.links.iter_mut().rev().find(|link| link.is_live()) else { return };
        let attempt = link.attempt;
        let Stage::Live { pacer, .. } = &mut link.stage else { return };
        self.subscriptions.advance(self.now, attempt, &mut self.wire);
        self.acks.advance(self.now, attempt, &mut self.wire);
        self.sends.advance(self.now, attempt, pacer, &mut self.wire);
        self.queries.advance(self.now, attempt, pacer, &mut self.wire);
    }

    /// Lets the old connection go once the new one has everything.
    fn release(&mut self) {
        let [old, new] = self.links.as_slice() else { return };
        let (old, new) = (old.attempt, new);
        if new.is_live() && self.subscriptions.settled_on(new.attempt) && !self.wire.waits_on(old) {
            self.wire.act(Action::Close(old, CloseCode::NORMAL));
            self.lost(old, CloseCode::NORMAL);
        }
    }

    fn expire(&mut self) {
        let timed_out = ErrorKind::TimedOut(self.hindrance().map(Box::new));
        let late = Error::new(timed_out, Outcome::Unknown);
        self.subscriptions.expire(self.now, &late, &mut self.wire);
        self.sends.expire(self.now, &late, &mut self.wire);
        self.acks.expire(self.now, &late, &mut self.wire);
        self.queries.expire(self.now, &late, &mut self.wire);
    }

    /// What keeps commands from reaching the gateway at this moment.
    fn hindrance(&self) -> Option<Error> {
        let live = self.live().is_some();
        let known = if live { self.tokens.trouble() } else { self.trouble.as_ref() };
        let (waits, kind): (_, fn(String) -> ErrorKind) = match self.links.last().map(|link| &link.stage) {
            _ if live && !self.tokens.expired() => return None,
            Some(Stage::Opening) => ("the connection is not open yet", ErrorKind::Connection),
            Some(Stage::Opened | Stage::Authenticating) if self.tokens.usable(self.now).is_some() => {
                ("the gateway has not confirmed the identity yet", ErrorKind::Connection)
            }
            _ => ("the token provider has not answered yet", ErrorKind::Token),
        };
        Some(known.cloned().unwrap_or_else(|| Error::new(kind(waits.to_owned()), Outcome::NotSent)))
    }

    /// Stops trying, and says why: in the gateway's words, where there are any.
    fn pause_for(&mut self, code: CloseCode, meaning: &str) {
        let words = match self.trouble.as_ref().map(Error::kind) {
            Some(ErrorKind::Refused { message, .. }) => Some(message),
            _ => None,
        };
        let reason = words.map_or_else(|| meaning.to_owned(), |words| format!("{meaning}: {words}"));
        self.pause(Error::closed(code, reason));
    }

    /// Stops trying until the app resumes: calls are refused, streams wait.
    fn pause(&mut self, error: Error) {
        self.let_go(&error);
        self.subscriptions.pause(&error, &mut self.wire);
        self.paused = Some(error);
    }

    /// Begins again after a pause, with a fresh token.
    pub(super) fn resume(&mut self) {
        self.paused = None;
        self.trouble = None;
        self.open_at = self.now;
        self.backoff.reset();
        self.tokens = Tokens::new(self.config.reconnection);
    }

    /// Ends the client for good: nothing waits any longer.
    pub(super) fn close(&mut self, error: Error) {
        self.let_go(&error);
        self.subscriptions.close(&error, &mut self.wire);
        for stream in std::mem::take(&mut self.watchers) {
            self.wire.act(Action::Ended(stream, error.clone()));
        }
        self.closed = Some(error);
    }

    /// Closes every connection, and refuses every call that waits.
    fn let_go(&mut self, error: &Error) {
        for link in std::mem::take(&mut self.links) {
            self.wire.act(Action::Close(link.attempt, CloseCode::NORMAL));
            self.wire.lost(link.attempt);
            self.subscriptions.connection_lost(link.attempt);
        }
        self.sends.close(error, &mut self.wire);
        self.acks.close(error, &mut self.wire);
        self.queries.close(error, &mut self.wire);
    }

    fn tell_state(&mut self) {
        let state = if let Some(error) = self.closed.as_ref().or(self.paused.as_ref()) {
            State::Closed(error.clone())
        } else if let Some(Stage::Live { greeting, .. }) = self.live().map(|link| &link.stage) {
            match self.tokens.trouble() {
                Some(trouble) => State::Expiring(greeting.clone(), trouble.clone()),
                None => State::Connected(greeting.clone()),
            }
        } else if !self.wanted {
            State::Idle
        } else if self.links.is_empty() {
            State::Waiting(self.trouble.clone())
        } else {
            State::Connecting
        };
        let next = self.next_attempt();
        if state != self.state || next != self.told_attempt {
            self.told_attempt = next;
            self.state = state.clone();
            self.wire.act(Action::State(state));
        }
    }
}

fn authenticate(config: &super::Config, instance: &str, attempt: Attempt, token: String) -> Authenticate {
    let client = ClientInfo {
        name: config.client_name.clone(),
        version: config.client_version.clone(),
        instance: Some(instance.to_owned()),
        attempt: Some(attempt.number()),
    };
    Authenticate { token, device_id: config.device_id.clone(), client: Some(client) }
}

/// What a close code means, for people.
fn meaning(code: CloseCode) -> String {
    code.meaning().unwrap_or("closed by the gateway").to_owned()
}
