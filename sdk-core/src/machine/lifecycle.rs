//! The lifecycle of connections: opening, authentication, loss and replacement.

use realtime_gateway_protocol::{Authenticate, ClientInfo, CloseCode, Ping, Reconnect};

use super::{
    Action, Attempt, Connection, Machine, Millis, OpenFailure, Stage, TokenFailure,
    connection::{Liveness, Waking},
    pacing::Pacer,
    received::Greeting,
    tokens::Tokens,
    wire::PendingReply,
};
use crate::{Error, ErrorKind, Frame, Outcome, State};

/// A connection that lasted this long counts as stable. The backoff starts again from the shortest delay after it.
const LASTING: Millis = 10_000;
/// The client follows a reconnect hint within this time, even if the node closes later.
const MAX_MOVE_DELAY: Millis = 5_000;
/// The reason for the pause after a fresh token was refused too.
const TOKEN_REFUSED: &str = "the token was refused, and a fresh one too";

impl Machine {
    /// Performs everything that is due. It is called at the end of every input.
    #[inline(never)]
    pub(super) fn advance(&mut self) {
        self.check_connections();
        self.open();
        self.authenticate();
        // Remove expired commands first, so that the commands behind them can be sent.
        self.expire();
        self.send_pending();
        self.release_old_connection();
        self.report_state();
    }

    #[inline(never)]
    fn check_connections(&mut self) {
        for index in 0..self.connections.len() {
            let Some(connection) = self.connections.get_mut(index) else { break };
            let attempt = connection.attempt;
            match connection.check_liveness(self.now) {
                Liveness::Healthy => {}
                Liveness::Ping => self.wire.send(attempt, Ping {}),
                Liveness::Dead => {
                    self.wire.act(Action::Close(attempt, CloseCode::HEARTBEAT_TIMEOUT));
                    self.lost(attempt, CloseCode::ABNORMAL);
                    return self.check_connections();
                }
            }
        }
    }

    /// Handles that the device woke up or has a network again.
    pub(super) fn woken(&mut self) {
        let now = self.now;
        if std::mem::take(&mut self.may_skip_wait) {
            self.open_at = now;
        }
        if let Some(connection) = self.connections.iter_mut().rev().find(|connection| connection.is_live()) {
            match connection.wake(now) {
                Waking::Healthy => {}
                Waking::Ping => self.wire.send(connection.attempt, Ping {}),
                Waking::Replace => self.open_at = now,
            }
        }
    }

    /// Returns whether a connection should be opened as soon as possible.
    pub(super) fn wants_connection(&self) -> bool {
        match self.connections.as_slice() {
            [] => self.wanted && self.paused.is_none() && self.closed.is_none(),
            [only] => only.is_live() && only.leaving,
            _ => false,
        }
    }

    /// Returns whether a valid token is needed: to open a connection, or to keep one authenticated.
    pub(super) fn wants_token(&self) -> bool {
        !self.connections.is_empty() || self.wants_connection()
    }

    /// Returns when a connection may be opened or the token provider may be called.
    pub(super) fn open_deadline(&self) -> Option<Millis> {
        let opens = self.wants_connection().then_some(self.open_at);
        let token = self.wants_token().then(|| self.tokens.deadline()).flatten();
        match (opens, self.tokens.usable(self.now)) {
            // The client waits only for the token, which arrives as an input or is requested again.
            (Some(at), None) if self.connections.is_empty() => token.map(|token| token.max(at)),
            (Some(_), None) | (None, _) => token,
            (Some(at), Some(_)) => Some(token.map_or(at, |token| token.min(at))),
        }
    }

    fn open(&mut self) {
        if self.wants_token() && self.tokens.due(self.now, self.now >= self.open_at || !self.connections.is_empty()) {
            self.tokens.requested(self.now);
            self.wire.act(Action::RequestToken);
        }
        if self.wants_connection() && self.now >= self.open_at && self.tokens.usable(self.now).is_some() {
            self.attempts += 1;
            let attempt = Attempt(self.attempts);
            self.connections.push(Connection::new(attempt, self.now));
            self.wire.act(Action::Open(attempt));
        }
    }

    pub(super) fn opened(&mut self, attempt: Attempt) {
        let now = self.now;
        if let Some(connection) = self.connection(attempt) {
            connection.enter(Stage::Opened, now);
        }
    }

    pub(super) fn activity(&mut self, attempt: Attempt) {
        let now = self.now;
        if let Some(connection) = self.connection(attempt) {
            connection.record_activity(now);
        }
    }

    /// Sends the token on connections that are not authenticated.
    fn authenticate(&mut self) {
        let Some(token) = self.tokens.usable(self.now).cloned() else { return };
        for connection in self.connections.iter_mut().filter(|connection| matches!(connection.stage, Stage::Opened)) {
            connection.enter(Stage::Authenticating, self.now);
            self.authenticated = connection.attempt;
            let message = authenticate(&self.config, &self.instance, connection.attempt, token.clone());
            self.wire.request(connection.attempt, message, PendingReply::Authenticate);
        }
    }

    /// Handles the result of the token provider.
    #[inline(never)]
    pub(super) fn token(&mut self, result: Result<String, TokenFailure>) {
        match result {
            Err(TokenFailure::SignedOut(reason)) => self.pause(Error::closed(CloseCode::UNAUTHORIZED, reason)),
            Err(TokenFailure::Failed(problem)) => {
                let error = Error::new(ErrorKind::Token(problem), Outcome::NotSent);
                self.tokens.failed(error.clone(), self.now, &mut self.random);
                self.last_error = Some(error);
            }
            Ok(token) => {
                self.tokens.provided(token.clone());
                if let Some(attempt) = self.live().map(|connection| connection.attempt) {
                    self.tokens.renewing();
                    let message = authenticate(&self.config, &self.instance, attempt, token);
                    self.wire.request(attempt, message, PendingReply::Authenticate);
                }
            }
        }
    }

    #[inline(never)]
    pub(super) fn connected(&mut self, attempt: Attempt, greeting: Greeting, frame: Frame) {
        let now = self.now;
        self.tokens.accepted(greeting.expires_at, Some(greeting.server_time), now);
        self.max_message_bytes = greeting.max_message_bytes;
        self.last_error = None;
        if let Some(connection) = self.connection(attempt) {
            let pacer = Pacer::new(greeting.limits, now);
            connection.enter(Stage::Live { greeting: frame, heartbeat: greeting.heartbeat, pacer }, now);
        }
    }

    /// Handles a reconnect hint: the node will close this connection, which can be used until then.
    pub(super) fn reconnect_hint(&mut self, attempt: Attempt, after: Millis) {
        let delay = self.random.up_to((after / 2).min(MAX_MOVE_DELAY));
        let now = self.now;
        if let Some(connection) = self.connection(attempt).filter(|connection| !connection.leaving) {
            connection.leaving = true;
            self.open_at = now + delay;
        }
    }

    #[inline(never)]
    pub(super) fn open_failed(&mut self, attempt: Attempt, failure: OpenFailure) {
        let Some(connection) = self.connection(attempt) else { return };
        connection.retry_after = failure.wait();
        self.last_error = Some(Error::new(ErrorKind::Connection(failure.message.clone()), Outcome::NotSent));
        if failure.status == Some(403) {
            // The gateway refuses the origin. A retry would be refused too.
            self.pause(Error::closed(CloseCode::DISCONNECTED, failure.message));
        } else {
            self.lost(attempt, CloseCode::TRY_AGAIN_LATER);
        }
    }

    pub(super) fn closed(&mut self, attempt: Attempt, code: CloseCode) {
        if let Some(connection) = self.connection(attempt) {
            let refusal = connection.refusal.take();
            let why =
                || Error::new(ErrorKind::Connection(["closed with ", &code.0.to_string()].concat()), Outcome::NotSent);
            self.last_error = Some(refusal.unwrap_or_else(why));
            self.lost(attempt, code);
        }
    }

    /// Handles a refused token of a new connection: tries once with a fresh token, then pauses the client.
    pub(super) fn token_refused(&mut self, attempt: Attempt, error: Error) {
        self.wire.act(Action::Close(attempt, CloseCode::NORMAL));
        self.last_error = Some(error);
        self.lost(attempt, CloseCode::UNAUTHORIZED);
    }

    /// Handles a refused renewal on a live connection: tries once with a fresh token, then pauses the client.
    pub(super) fn renewal_refused(&mut self, error: Error) {
        self.last_error = Some(error.clone());
        if self.tokens.refused(Some(error)) {
            self.pause_for(CloseCode::UNAUTHORIZED, TOKEN_REFUSED);
        }
    }

    /// Handles the loss of a connection: its unanswered commands return to their queues, and the close code decides what
    /// follows.
    #[inline(never)]
    fn lost(&mut self, attempt: Attempt, code: CloseCode) {
        let Some(index) = self.connections.iter().position(|connection| connection.attempt == attempt) else { return };
        let connection = self.connections.remove(index);
        for pending in self.wire.take_unanswered(attempt) {
            match pending {
                PendingReply::Send(topic, ticket) => self.sends.lost(&topic, ticket),
                PendingReply::Ack => self.acks.lost(),
                PendingReply::Query(ticket) => self.queries.lost(ticket, &mut self.wire),
                PendingReply::Authenticate
                | PendingReply::Subscribe(_)
                | PendingReply::Recover(_)
                | PendingReply::Unsubscribe => {}
            }
        }
        self.subscriptions.connection_lost(attempt);
        self.server_side.connection_lost(attempt);
        if connection.is_live() {
            self.tokens.connection_lost();
            if self.now >= connection.since + LASTING {
                self.backoff.reset();
            }
        }
        // If a newer connection of this client replaces this one, its end is expected, with 4409 or any other code. But
        // before the newer connection has sent its token, 4409 means that another client of the same user has replaced
        // this one.
        if self.connections.iter().any(|other| other.attempt > attempt && other.has_authenticated()) {
            return;
        }
        // The newer connection may also be lost before the 4409 that it caused arrives here.
        let replaced_by_us = code == CloseCode::REPLACED && attempt < self.authenticated;
        let advice = if replaced_by_us { Reconnect::Backoff } else { code.reconnect() };
        if advice == Reconnect::WithFreshToken && self.tokens.refused(self.last_error.clone()) {
            return self.pause_for(code, TOKEN_REFUSED);
        }
        self.may_skip_wait = connection.retry_after.is_none() && !matches!(advice, Reconnect::After(_));
        match self.backoff.delay(advice, connection.retry_after, &mut self.random) {
            None => self.pause_for(code, &meaning(code)),
            Some(delay) => self.open_at = self.now + delay,
        }
    }

    /// Sends what is queued on the connection in use.
    #[inline(never)]
    fn send_pending(&mut self) {
        if self.tokens.expired() {
            return;
        }
        let Some(connection) = self.connections.iter_mut().rev().find(|connection| connection.is_live()) else {
            return;
        };
        let attempt = connection.attempt;
        let Stage::Live { pacer, .. } = &mut connection.stage else { return };
        self.subscriptions.advance(self.now, attempt, &mut self.wire);
        self.server_side.advance(self.now, attempt, &mut self.wire);
        self.acks.advance(self.now, attempt, &mut self.wire);
        self.sends.advance(self.now, attempt, pacer, &mut self.wire);
        self.queries.advance(self.now, attempt, pacer, &mut self.wire);
    }

    /// Closes the old connection after all subscriptions are confirmed on the new one.
    fn release_old_connection(&mut self) {
        let [old, new] = self.connections.as_slice() else { return };
        let (old, new) = (old.attempt, new);
        if new.is_live() && self.subscriptions.settled_on(new.attempt) && !self.wire.awaits_reply_on(old) {
            self.wire.act(Action::Close(old, CloseCode::NORMAL));
            self.lost(old, CloseCode::NORMAL);
        }
    }

    #[inline(never)]
    fn expire(&mut self) {
        let timed_out = ErrorKind::TimedOut(self.blocking_error().map(Box::new));
        let late = Error::new(timed_out, Outcome::Unknown);
        self.subscriptions.expire(self.now, &late, &mut self.wire);
        self.sends.expire(self.now, &late, &mut self.wire);
        self.acks.expire(self.now, &late, &mut self.wire);
        self.queries.expire(self.now, &late, &mut self.wire);
    }

    /// Returns the reason why commands cannot be sent now.
    fn blocking_error(&self) -> Option<Error> {
        let live = self.live().is_some();
        let known = if live { self.tokens.last_error() } else { self.last_error.as_ref() };
        let (waits, kind): (_, fn(String) -> ErrorKind) =
            match self.connections.last().map(|connection| &connection.stage) {
                _ if live && !self.tokens.expired() => return None,
                Some(Stage::Opening) => ("the connection is not open yet", ErrorKind::Connection),
                Some(Stage::Opened | Stage::Authenticating) if self.tokens.usable(self.now).is_some() => {
                    ("the gateway has not confirmed the identity yet", ErrorKind::Connection)
                }
                _ => ("the token provider has not answered yet", ErrorKind::Token),
            };
        Some(known.cloned().unwrap_or_else(|| Error::new(kind(waits.to_owned()), Outcome::NotSent)))
    }

    /// Pauses the client. The reason includes the gateway's message, if there is one.
    fn pause_for(&mut self, code: CloseCode, meaning: &str) {
        let message = match self.last_error.as_ref().map(Error::kind) {
            Some(ErrorKind::Refused { message, .. }) => Some(message),
            _ => None,
        };
        let reason = message.map_or_else(|| meaning.to_owned(), |message| [meaning, ": ", message].concat());
        self.pause(Error::closed(code, reason));
    }

    /// Pauses the client until the app resumes it: no connections are opened, calls are refused, and streams wait.
    fn pause(&mut self, error: Error) {
        self.drop_connections(&error);
        self.subscriptions.pause(&error, &mut self.wire);
        self.paused = Some(error);
    }

    /// Resumes the client after a pause, with a fresh token.
    pub(super) fn resume(&mut self) {
        self.paused = None;
        self.last_error = None;
        self.open_at = self.now;
        self.backoff.reset();
        self.tokens = Tokens::new(self.config.reconnection);
    }

    /// Closes the client permanently.
    #[inline(never)]
    pub(super) fn close(&mut self, error: Error) {
        self.drop_connections(&error);
        self.subscriptions.close(&error, &mut self.wire);
        self.server_side.close(&error, &mut self.wire);
        for stream in std::mem::take(&mut self.watchers) {
            self.wire.act(Action::Ended(stream, error.clone()));
        }
        self.closed = Some(error);
    }

    /// Closes every connection and refuses every pending call.
    fn drop_connections(&mut self, error: &Error) {
        for connection in std::mem::take(&mut self.connections) {
            self.wire.act(Action::Close(connection.attempt, CloseCode::NORMAL));
            self.wire.take_unanswered(connection.attempt);
            self.subscriptions.connection_lost(connection.attempt);
            self.server_side.connection_lost(connection.attempt);
        }
        self.sends.close(error, &mut self.wire);
        self.acks.close(error, &mut self.wire);
        self.queries.close(error, &mut self.wire);
    }

    #[inline(never)]
    fn report_state(&mut self) {
        let state = if let Some(error) = self.closed.as_ref().or(self.paused.as_ref()) {
            State::Closed(error.clone())
        } else if let Some(Stage::Live { greeting, .. }) = self.live().map(|connection| &connection.stage) {
            match self.tokens.last_error() {
                Some(last_error) => State::Expiring(greeting.clone(), last_error.clone()),
                None => State::Connected(greeting.clone()),
            }
        } else if !self.wanted {
            State::Idle
        } else if self.connections.is_empty() {
            State::Waiting(self.last_error.clone())
        } else {
            State::Connecting
        };
        let next = self.next_attempt();
        if state != self.state || next != self.reported_attempt {
            self.reported_attempt = next;
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

/// Returns the meaning of a close code as text.
fn meaning(code: CloseCode) -> String {
    code.meaning().unwrap_or("closed by the gateway").to_owned()
}
