//! Reports errors of commands to the client, and closes the connection after too many of them.

use realtime_gateway_protocol::{CloseCode, DecodeError, ErrorCode, RawJson, Refusal, RequestId, Subject};
use tokio::time::Instant;

use super::{Router, State};
use crate::{
    command_error::CommandError,
    commands::refused::refused,
    telemetry::{SecurityEvent, SecurityKind},
};

/// The number of invalid messages within 10 s after which the connection is closed.
const INVALID_MESSAGES: u32 = 20;
/// The number of rate-limited commands within 10 s after which the connection is closed.
const LIMITED_COMMANDS: u32 = 100;

impl Router {
    /// Counts a rate-limited command, and closes the connection of a client that does not slow down.
    pub(super) fn strike(&mut self) {
        if self.limited.strike(LIMITED_COMMANDS, Instant::now()) {
            self.outbound.close(CloseCode::RATE_LIMITED, "rate limited 100 times in 10 s; reconnect after 30 s");
            self.stop();
        }
    }

    /// Sends an error for a command without a subject, or for a message that is not a command.
    pub(super) fn refuse(
        &self,
        request_id: Option<RequestId>,
        in_reply_to: Option<&'static str>,
        error: &CommandError,
    ) {
        self.refuse_with_subject(request_id, in_reply_to, error, Subject::Nothing);
    }

    /// Sends an error for a command. The error names the subject of the command.
    pub(super) fn refuse_with_subject(
        &self,
        request_id: Option<RequestId>,
        in_reply_to: Option<&'static str>,
        error: &CommandError,
        subject: Subject,
    ) {
        self.parts.metrics.error(&error.code);
        // A rejected token has already been counted as a security event by the verifier.
        if let (ErrorCode::Forbidden, State::Authenticated { session, .. }) = (&error.code, &self.state)
            && in_reply_to != Some("authenticate")
        {
            self.parts.metrics.security_event(SecurityEvent {
                kind: SecurityKind::ForbiddenCommand,
                address: Some(self.address),
                user: Some(session.user()),
                reason: in_reply_to.unwrap_or("a command"),
            });
        }
        self.send(request_id, refused(in_reply_to, error, subject));
    }

    /// Sends an error for a message that is not a valid command, and closes the connection after too many of them.
    pub(super) fn refuse_undecoded(&mut self, refusal: Refusal) {
        let details = match &refusal.error {
            DecodeError::InvalidMessage { field, problem } => {
                RawJson::encode(&serde_json::json!({ "field": field, "problem": problem })).ok()
            }
            _ => None,
        };
        let error = CommandError { details, ..CommandError::new(refusal.error.code(), refusal.error.to_string()) };
        self.refuse(refusal.request_id, refusal.in_reply_to, &error);
        if self.invalid.strike(INVALID_MESSAGES, Instant::now()) {
            self.outbound.close(CloseCode::INVALID_MESSAGES, "20 invalid messages in 10 s");
        }
    }
}
