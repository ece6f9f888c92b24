//! What the gateway says, and which room hears it.

use realtime_gateway_protocol::{
    DecodeError, Envelope, ErrorCode, ErrorReply, ServerMessage, SubscriptionStatus, Unknown, decode_server,
};
use serde::Deserialize;

use super::{
    Attempt, Machine, Millis, Stage,
    wire::{Asked, Number},
};
use crate::Event;

/// How long to wait before a token that could not be checked is tried again.
const RETRY: Millis = 1_000;

impl Machine {
    pub(super) fn frame(&mut self, attempt: Attempt, text: &str) {
        let now = self.now;
        let Some(link) = self.link(attempt) else { return };
        link.hear(now);
        let Some(envelope) = read(text) else { return };
        for watcher in &self.watchers {
            self.wire.deliver(*watcher, None, Event::Message(Box::new(envelope.message.clone())));
        }
        let asked = envelope.request_id.and_then(|id| self.wire.answered(attempt, &id));
        match (asked, envelope.message) {
            (asked, ServerMessage::Error(error)) => self.refusal(attempt, asked, &error),
            (Some((_, Asked::Query(ticket))), answer) => self.queries.answered(ticket, answer, &mut self.wire),
            (asked, message) => self.message(attempt, asked, message),
        }
    }

    fn message(&mut self, attempt: Attempt, asked: Option<(Number, Asked)>, message: ServerMessage) {
        match (asked, message) {
            (_, ServerMessage::Connected(connected)) => self.connected(attempt, connected),
            (_, ServerMessage::Authenticated(done)) => self.tokens.accepted(done.expires_at, None, self.now),
            (Some((number, Asked::Subscribe(topic))), ServerMessage::SubscriptionConfirmed(confirmed)) => {
                if confirmed.status == SubscriptionStatus::Subscribed {
                    self.subscriptions.confirmed(&topic, number, &confirmed, &mut self.wire);
                }
            }
            (Some((_, Asked::Send(topic, ticket))), ServerMessage::MessageSent(sent)) => {
                self.sends.confirmed(&topic, ticket, sent, &mut self.wire);
            }
            (Some((_, Asked::Ack)), ServerMessage::AckConfirmed(_)) => self.acks.confirmed(&mut self.wire),
            (_, ServerMessage::SubscriptionEnded(ended)) => {
                self.subscriptions.ended(attempt, &ended, &mut self.wire);
            }
            (_, ServerMessage::SubscriptionReset(reset)) => {
                self.subscriptions.reset(attempt, &reset, &mut self.wire);
            }
            (_, ServerMessage::NotificationAcked(acked)) => {
                self.subscriptions.acknowledged(&acked.notification_ids);
            }
            (_, ServerMessage::Reconnect(hint)) => self.reconnect_hint(attempt, &hint),
            (_, message) => self.subscriptions.push(attempt, &message, &mut self.wire),
        }
    }

    /// An `error`: the answer to a command, or a word about the session.
    fn refusal(&mut self, attempt: Attempt, asked: Option<(Number, Asked)>, error: &ErrorReply) {
        let now = self.now;
        tracing::debug!(code = %error.code, "the gateway refused a command");
        if error.code == ErrorCode::TokenExpired && !matches!(asked, Some((_, Asked::Authenticate))) {
            self.tokens.expire();
        }
        match asked {
            Some((_, Asked::Authenticate)) => self.identity_refused(attempt, error),
            Some((number, Asked::Subscribe(topic))) => {
                self.subscriptions.refused(&topic, number, error, now, &mut self.wire);
            }
            Some((_, Asked::Send(topic, ticket))) => {
                self.sends.refused(&topic, ticket, error, now, &mut self.wire);
            }
            Some((_, Asked::Ack)) => self.acks.refused(error, now, &mut self.wire),
            Some((_, Asked::Query(ticket))) => self.queries.refused(ticket, error, now, &mut self.wire),
            Some((_, Asked::Unsubscribe)) => {}
            None => {
                // Before the identity stands, an error that names no command is about it.
                let authenticating = self.link(attempt).is_some_and(|link| matches!(link.stage, Stage::Authenticating));
                if authenticating {
                    self.identity_refused(attempt, error);
                }
            }
        }
    }

    fn identity_refused(&mut self, attempt: Attempt, error: &ErrorReply) {
        let now = self.now;
        let Some(link) = self.link(attempt) else { return };
        let live = link.is_live();
        match (&error.code, live) {
            (ErrorCode::Unauthorized | ErrorCode::TokenExpired, false) => {
                self.token_refused(attempt, error.message.clone());
            }
            // A renewal is refused, which changes nothing yet: a fresh token may do better.
            (ErrorCode::Unauthorized | ErrorCode::TokenExpired, true) => self.renewal_refused(),
            // A renewal that the gateway could not decide on now: the old identity stands, and it is asked again.
            (_, true) => self.tokens.postpone(now + error.retry_after_ms.unwrap_or(RETRY)),
            // The close code follows and says what to do; this says when.
            (_, false) => link.retry_after = error.retry_after_ms,
        }
    }
}

/// Reads a frame. A known message with a broken field counts as unknown: its offset moves the position all the same.
fn read(text: &str) -> Option<Envelope<ServerMessage>> {
    #[derive(Deserialize)]
    struct Head {
        #[serde(rename = "type")]
        type_name: String,
    }
    match decode_server(text) {
        Ok(envelope) => Some(envelope),
        Err(DecodeError::InvalidMessage { field, .. }) => {
            tracing::warn!(field, "the gateway sent a message that cannot be read");
            let Head { type_name } = serde_json::from_str(text).ok()?;
            let raw = serde_json::from_str(text).ok()?;
            Some(Envelope::unasked(ServerMessage::Unknown(Unknown { type_name, raw })))
        }
        Err(error) => {
            tracing::warn!(code = %error.code(), "the gateway sent a frame that cannot be read");
            None
        }
    }
}
