//! Handles the messages of the gateway.

use realtime_gateway_protocol::ErrorCode;

use super::{
    Action, Attempt, Machine, Millis, PendingCount, Stage,
    received::{Push, PushKind, Received, Refusal, Signal},
    subscription::RETRY,
    wire::{Number, PendingReply},
};
use crate::{Event, Frame, Topic};

/// The delay before a token that the gateway could not verify is sent again.
const TOKEN_RETRY: Millis = 1_000;

impl Machine {
    pub(super) fn frame(&mut self, attempt: Attempt, text: &str) {
        let now = self.now;
        let Some(connection) = self.connection(attempt) else { return };
        connection.record_activity(now);
        let Some(Received { reply_to, signal, frame }) = Received::read(text) else { return };
        for watcher in &self.watchers {
            self.wire.deliver(*watcher, None, Event::Message(frame.clone()));
        }
        self.count_pending(&signal);
        let pending = reply_to.and_then(|number| self.wire.take_reply(attempt, number));
        match (pending, signal) {
            (pending, Signal::Refused(refused)) => self.refusal(attempt, pending, &refused),
            (Some((_, PendingReply::Query(ticket))), _) => self.queries.answered(ticket, frame, &mut self.wire),
            (pending, signal) => self.message(attempt, pending, signal, frame),
        }
    }

    /// Keeps the count of pending notifications.
    #[inline(never)]
    fn count_pending(&mut self, signal: &Signal) {
        let Some(pending) = &mut self.pending else { return };
        let acknowledged = match signal {
            Signal::Push(Push { kind: PushKind::Notification(id), .. }) => {
                pending.arrived(id);
                None
            }
            Signal::Acknowledged(ids) | Signal::AckConfirmed(ids) if !ids.is_empty() => {
                pending.acknowledged(ids);
                Some(Action::Acknowledged(ids.clone()))
            }
            _ => return,
        };
        self.report_pending();
        if let Some(acknowledged) = acknowledged {
            self.wire.act(acknowledged);
        }
    }

    fn report_pending(&mut self) {
        if let Some(count) = self.pending.as_mut().and_then(PendingCount::take_change) {
            self.wire.act(Action::Pending(count));
        }
    }

    #[inline(never)]
    fn message(&mut self, attempt: Attempt, pending: Option<(Number, PendingReply)>, signal: Signal, frame: Frame) {
        match (pending, signal) {
            (_, Signal::Greeting(greeting)) => self.connected(attempt, greeting, frame),
            (_, Signal::Renewed(expires_at)) => self.tokens.accepted(expires_at, None, self.now),
            (Some((number, PendingReply::Subscribe(topic))), Signal::Confirmed(confirmation)) => {
                if let Some(pending) = self.pending.as_mut().filter(|_| topic == Topic::Notifications) {
                    pending.confirmed(confirmation.pending);
                    self.report_pending();
                }
                self.subscriptions.confirmed(&topic, number, confirmation, &mut self.wire);
            }
            (Some((number, PendingReply::Recover(topic))), Signal::Confirmed(confirmation)) => {
                self.server_side.recovered(&topic, number, &confirmation, &mut self.wire);
            }
            (_, Signal::ServerSubscribed(topic, head)) => {
                self.server_side.confirmed(attempt, &topic, head, &frame, &mut self.wire);
            }
            (Some((_, PendingReply::Send(topic, ticket))), Signal::Sent) => {
                self.sends.confirmed(&topic, ticket, frame, &mut self.wire);
            }
            (Some((_, PendingReply::Ack)), Signal::AckConfirmed(_)) => self.acks.confirmed(&mut self.wire),
            (_, Signal::Ended(topic, refused)) => {
                // An outage ends the subscriptions of many clients at the same time, so the retries need jitter.
                let until = self.now + refused.retry_after.unwrap_or(0) + self.random.up_to(RETRY);
                self.server_side.ended(attempt, &topic, &frame, &mut self.wire);
                self.subscriptions.ended(attempt, &topic, &refused, until, &mut self.wire);
            }
            (_, Signal::Reset(topic, to)) => {
                self.server_side.reset(attempt, &topic, &to, &mut self.wire);
                self.subscriptions.reset(attempt, &topic, to, &mut self.wire);
            }
            (_, Signal::Acknowledged(ids)) => self.subscriptions.acknowledged(&ids),
            (_, Signal::ReconnectHint(after)) => self.reconnect_hint(attempt, after),
            (_, Signal::Push(push)) => self.push(attempt, &push, &frame),
            (_, Signal::PresenceChanges(changes)) => {
                for Received { signal, frame, .. } in changes.iter().filter_map(|text| Received::read(text)) {
                    if let Signal::Push(push) = signal {
                        self.push(attempt, &push, &frame);
                    }
                }
            }
            _ => {}
        }
    }

    /// Passes a message to the streams of its topic.
    fn push(&mut self, attempt: Attempt, push: &Push, frame: &Frame) {
        self.server_side.push(attempt, push, frame, &mut self.wire);
        self.subscriptions.push(attempt, push, frame, &mut self.wire);
    }

    /// Handles an `error`: the reply to a command, or a problem of the session.
    #[inline(never)]
    fn refusal(&mut self, attempt: Attempt, pending: Option<(Number, PendingReply)>, refused: &Refusal) {
        let now = self.now;
        tracing::debug!(code = %refused.code, "the gateway refused a command");
        if refused.code == ErrorCode::TokenExpired && !matches!(pending, Some((_, PendingReply::Authenticate))) {
            self.tokens.expire();
        }
        match pending {
            Some((_, PendingReply::Authenticate)) => self.identity_refused(attempt, refused),
            Some((number, PendingReply::Subscribe(topic))) => {
                self.subscriptions.refused(&topic, number, refused, now, &mut self.wire);
            }
            Some((number, PendingReply::Recover(topic))) => self.server_side.refused(&topic, number, refused, now),
            Some((_, PendingReply::Send(topic, ticket))) => {
                self.sends.refused(&topic, ticket, refused, now, &mut self.wire);
            }
            Some((_, PendingReply::Ack)) => self.acks.refused(refused, now, &mut self.wire),
            Some((_, PendingReply::Query(ticket))) => self.queries.refused(ticket, refused, now, &mut self.wire),
            Some((_, PendingReply::Unsubscribe)) => {}
            None => {
                // Before the connection is authenticated, an error without a `requestId` refuses the token.
                let authenticating = self
                    .connection(attempt)
                    .is_some_and(|connection| matches!(connection.stage, Stage::Authenticating));
                if authenticating {
                    self.identity_refused(attempt, refused);
                }
            }
        }
    }

    #[inline(never)]
    fn identity_refused(&mut self, attempt: Attempt, refused: &Refusal) {
        let now = self.now;
        let Some(connection) = self.connection(attempt) else { return };
        let live = connection.is_live();
        match (&refused.code, live) {
            (ErrorCode::Unauthorized | ErrorCode::TokenExpired, false) => {
                self.token_refused(attempt, refused.error());
            }
            // A refused renewal does not end the session: a fresh token may be accepted.
            (ErrorCode::Unauthorized | ErrorCode::TokenExpired, true) => self.renewal_refused(refused.error()),
            // The gateway could not verify the new token now. The old identity stays valid, and the client tries again.
            (_, true) => self.tokens.postpone(refused.error(), now + refused.retry_after.unwrap_or(TOKEN_RETRY)),
            // A close frame follows, and its code decides what to do. This message has the reason and the delay.
            (_, false) => {
                connection.retry_after = refused.retry_after;
                connection.refusal = Some(refused.error());
            }
        }
    }
}
