//! Authentication: opens a session for a token, and renews an existing session with a new token.

use std::sync::Arc;

use realtime_gateway_protocol::{
    Authenticate, Authenticated, CloseCode, Connected, ErrorCode, Limits, PROTOCOL_VERSION, RequestId, Timestamp,
};

use super::{Router, State};
use crate::{
    auth::{AuthError, Identity},
    command_error::CommandError,
    session::{Admitted, Session},
};

/// The optional protocol features that this version supports.
const FEATURES: [&str; 10] = [
    "recovery",
    "history",
    "presence",
    "idempotency",
    "reauthentication",
    "sessions",
    "topic_history",
    "topic_presence",
    "calls",
    "ephemeral",
];

impl Router {
    /// Authenticates with the upgrade request: a verified `Authorization` header, or a token in the query.
    pub(super) async fn authenticate_by_upgrade(&mut self) {
        let Some(upgrade) = &mut self.upgrade else { return };
        let verified = match (upgrade.identity.take(), upgrade.query_token.take()) {
            (Some(identity), _) => Ok(identity),
            (None, Some(token)) => self.parts.tokens.verify(&token, self.address).await,
            (None, None) => return,
        };
        match verified {
            Ok(identity) => self.admit(None, None, identity).await,
            Err(error) => self.reject(None, None, &error.into()),
        }
    }

    /// Handles `authenticate`.
    pub(super) async fn authenticate(
        &mut self,
        request_id: Option<RequestId>,
        authenticate: Authenticate,
    ) -> Result<(), CommandError> {
        let verified = self.parts.tokens.verify(&authenticate.token, self.address).await;
        self.verification_unavailable = verified.as_ref().is_err_and(|error| *error == AuthError::Unavailable);
        match (&self.state, verified) {
            (State::Anonymous { .. }, Ok(identity)) => {
                if let Some(upgrade) = &mut self.upgrade {
                    upgrade.device = authenticate.device_id.or(upgrade.device.take());
                    upgrade.client = authenticate.client.or(upgrade.client.take());
                }
                self.admit(request_id, Some("authenticate"), identity).await;
                if let State::Authenticated { session, .. } = &self.state {
                    session.enable_extensions();
                }
                Ok(())
            }
            (State::Anonymous { .. }, Err(error)) => {
                self.reject(request_id, Some("authenticate"), &error.into());
                Ok(())
            }
            (State::Authenticated { session, .. } | State::Expired { session, .. }, Ok(identity)) => {
                let session = session.clone();
                self.renew(request_id, &session, identity).await
            }
            (_, Err(error)) => {
                if matches!(error, AuthError::Throttled(_)) {
                    self.strike();
                }
                Err(error.into())
            }
            (State::Closing(_), Ok(_)) => Ok(()),
        }
    }

    /// Replaces the identity of a session with that of a new token of the same user. Subscriptions that the new
    /// identity does not permit end.
    async fn renew(
        &mut self,
        request_id: Option<RequestId>,
        session: &Arc<Session>,
        identity: Identity,
    ) -> Result<(), CommandError> {
        if identity.user != *session.user() {
            let message = "this connection belongs to another user; open a new one";
            return Err(CommandError::new(ErrorCode::Unauthorized, message));
        }
        let expires_at = identity.expires_at;
        session.renew(identity);
        // A block that arrived after the verification was compared with the previous token of the session, so compare
        // it with the new one.
        self.parts.blocks.close_if_blocked(session);
        session.enable_extensions();
        self.state = State::Authenticated { session: session.clone(), expires: self.session_end(expires_at) };
        self.send(request_id, Authenticated { user_id: session.user().clone(), expires_at });
        self.parts.features.subscriptions.check_all(session).await;
        self.parts.features.server_subscriptions.synchronise(session).await;
        Ok(())
    }

    /// Opens a session for an identity, or rejects the client.
    async fn admit(&mut self, request_id: Option<RequestId>, in_reply_to: Option<&'static str>, identity: Identity) {
        let Some(upgrade) = self.upgrade.take() else { return };
        let expires_at = identity.expires_at;
        let outbound = Arc::clone(&self.outbound);
        match self.parts.admission.open(*upgrade, identity, outbound).await {
            Ok(Admitted::Session(session)) => {
                self.send(request_id, self.greeting(&session, expires_at));
                self.state = State::Authenticated { session: session.clone(), expires: self.session_end(expires_at) };
                if let Some(scheduled) = self.parts.connections.session_opened(self.connection) {
                    self.parts.connections.close_later(scheduled);
                }
                self.parts.features.server_subscriptions.synchronise(&session).await;
            }
            Ok(Admitted::Superseded) => {
                self.outbound.close(CloseCode::REPLACED, "superseded by a newer connection attempt of this client");
                self.stop();
            }
            Err(error) => self.reject(request_id, in_reply_to, &error),
        }
    }

    /// Rejects a client that has no session or whose token has expired, and closes the connection. The close code tells
    /// whether the client may reconnect. If the gateway cannot decide, for example because the store is unavailable,
    /// the code asks the client to reconnect later.
    pub(super) fn reject(
        &mut self,
        request_id: Option<RequestId>,
        in_reply_to: Option<&'static str>,
        error: &CommandError,
    ) {
        let (code, reason) = match error.code {
            ErrorCode::Unauthorized => (CloseCode::UNAUTHORIZED, "the token is not valid"),
            ErrorCode::TokenExpired => (CloseCode::UNAUTHORIZED, "the token has expired"),
            ErrorCode::Forbidden => (CloseCode::DISCONNECTED, "blocked by an operator"),
            ErrorCode::RateLimited => (CloseCode::RATE_LIMITED, "too many bad tokens from this address"),
            ErrorCode::SessionLimit => (CloseCode::SESSION_LIMIT, "refused: the user has another session"),
            ErrorCode::Internal => (CloseCode::INTERNAL_ERROR, "internal error"),
            _ => (CloseCode::TRY_AGAIN_LATER, "temporarily unavailable; reconnect with backoff"),
        };
        self.refuse(request_id, in_reply_to, error);
        self.outbound.close(code, reason);
        self.stop();
    }

    fn greeting(&self, session: &Session, expires_at: Timestamp) -> Connected {
        let config = self.parts.config.get();
        let limits = &config.limits;
        Connected {
            user_id: session.user().clone(),
            message: "Connected to WebSocket Gateway".into(),
            session_id: session.id().clone(),
            protocol_version: PROTOCOL_VERSION,
            features: FEATURES.map(str::to_owned).to_vec(),
            services: self.parts.features.services.names(),
            expires_at,
            heartbeat_interval_ms: u64::try_from(config.heartbeat.interval.as_millis()).unwrap_or(u64::MAX),
            max_message_bytes: limits.message_bytes as u64,
            limits: Limits {
                messages_per_second: limits.messages_per_second,
                burst: limits.burst,
                subscriptions: u32::try_from(limits.subscriptions).unwrap_or(u32::MAX),
            },
            server_time: self.parts.clock.now(),
        }
    }
}
