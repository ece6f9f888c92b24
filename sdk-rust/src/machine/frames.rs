//! What the gateway says, and which room hears it.

use realtime_gateway_protocol::ErrorCode;

use super::{
    Attempt, Machine, Millis, Stage,
    heard::{Heard, Refused, Said},
    subscription::RETRY,
    wire::{Asked, Number},
};
use crate::{Event, Frame};

/// How long to wait before a token that could not be checked is tried again.
const TOKEN_RETRY: Millis = 1_000;

impl Machine {
    pub(super) fn frame(&mut self, attempt: Attempt, text: &str) {
        let now = self.now;
        let Some(link) = self.link(attempt) else { return };
        link.hear(now);
        let Some(Heard { answers, said, frame }) = Heard::read(text) else { return };
        for watcher in &self.watchers {
            self.wire.deliver(*watcher, None, Event::Message(frame.clone()));
        }
        let asked = answers.and_then(|number| self.wire.answered(attempt, number));
        match (asked, said) {
            (asked, Said::Refused(refused)) => self.refusal(attempt, asked, &refused),
            (Some((_, Asked::Query(ticket))), _) => self.queries.answered(ticket, frame, &mut self.wire),
            (asked, said) => self.message(attempt, asked, said, frame),
        }
    }

    fn message(&mut self, attempt: Attempt, asked: Option<(Number, Asked)>, said: Said, frame: Frame) {
        match (asked, said) {
            (_, Said::Greeting(greeting)) => self.connected(attempt, greeting, frame),
            (_, Said::Renewed(expires_at)) => self.tokens.accepted(expires_at, None, self.now),
            (Some((number, Asked::Subscribe(topic))), Said::Confirmed(confirmation)) => {
                self.subscriptions.confirmed(&topic, number, confirmation, &mut self.wire);
            }
            (Some((_, Asked::Send(topic, ticket))), Said::Sent) => {
                self.sends.confirmed(&topic, ticket, frame, &mut self.wire);
            }
            (Some((_, Asked::Ack)), Said::AckConfirmed) => self.acks.confirmed(&mut self.wire),
            (_, Said::Ended(topic, refused)) => {
                // An outage ends the subscriptions of many clients at the same moment.
                let until = self.now + refused.retry_after.unwrap_or(0) + self.random.up_to(RETRY);
                self.subscriptions.ended(attempt, &topic, &refused, until, &mut self.wire);
            }
            (_, Said::Reset(topic, to)) => self.subscriptions.reset(attempt, &topic, to, &mut self.wire),
            (_, Said::Acknowledged(ids)) => self.subscriptions.acknowledged(&ids),
            (_, Said::Leave(after)) => self.reconnect_hint(attempt, after),
            (_, Said::Push(push)) => self.subscriptions.push(attempt, &push, &frame, &mut self.wire),
            _ => {}
        }
    }

    /// An `error`: the answer to a command, or a word about the session.
    fn refusal(&mut self, attempt: Attempt, asked: Option<(Number, Asked)>, refused: &Refused) {
        let now = self.now;
        tracing::debug!(code = %refused.code, "the gateway refused a command");
        if refused.code == ErrorCode::TokenExpired && !matches!(asked, Some((_, Asked::Authenticate))) {
            self.tokens.expire();
        }
        match asked {
            Some((_, Asked::Authenticate)) => self.identity_refused(attempt, refused),
            Some((number, Asked::Subscribe(topic))) => {
                self.subscriptions.refused(&topic, number, refused, now, &mut self.wire);
            }
            Some((_, Asked::Send(topic, ticket))) => {
                self.sends.refused(&topic, ticket, refused, now, &mut self.wire);
            }
            Some((_, Asked::Ack)) => self.acks.refused(refused, now, &mut self.wire),
            Some((_, Asked::Query(ticket))) => self.queries.refused(ticket, refused, now, &mut self.wire),
            Some((_, Asked::Unsubscribe)) => {}
            None => {
                // Before the identity stands, an error that names no command is about it.
                let authenticating = self.link(attempt).is_some_and(|link| matches!(link.stage, Stage::Authenticating));
                if authenticating {
                    self.identity_refused(attempt, refused);
                }
            }
        }
    }

    fn identity_refused(&mut self, attempt: Attempt, refused: &Refused) {
        let now = self.now;
        let Some(link) = self.link(attempt) else { return };
        let live = link.is_live();
        match (&refused.code, live) {
            (ErrorCode::Unauthorized | ErrorCode::TokenExpired, false) => {
                self.token_refused(attempt, refused.message.clone());
            }
            // A renewal is refused, which changes nothing yet: a fresh token may do better.
            (ErrorCode::Unauthorized | ErrorCode::TokenExpired, true) => self.renewal_refused(),
            // A renewal that the gateway could not decide on now: the old identity stands, and it is asked again.
            (_, true) => self.tokens.postpone(now + refused.retry_after.unwrap_or(TOKEN_RETRY)),
            // The close code follows and says what to do; this says when.
            (_, false) => link.retry_after = refused.retry_after,
        }
    }
}
