//! Admission: from a verified identity to a live session, and its end.

use std::{sync::Arc, time::Duration};

use realtime_gateway_protocol::{CloseCode, Connected, ErrorCode, Limits, PROTOCOL_VERSION, RequestId, SessionId};

use super::{Router, State};
use crate::{
    auth::Identity,
    command_error::CommandError,
    config::Config,
    conversation::Ending,
    node::{Node, in_time, new_id},
    session::{ClientLife, Comer, Session},
    store::Admission,
};

/// What this version offers beyond the core messages.
const FEATURES: [&str; 6] = ["recovery", "history", "presence", "idempotency", "reauthentication", "sessions"];
/// When a session that was refused beside another may try again.
const SESSION_RETRY: Duration = Duration::from_secs(5);

impl Router {
    /// Opens the session of an identity, or turns the client away.
    pub(super) async fn admit(
        &mut self,
        request_id: Option<RequestId>,
        in_reply_to: Option<&'static str>,
        identity: Identity,
    ) {
        if let Err(error) = self.open(request_id.clone(), identity).await {
            self.turn_away(request_id, in_reply_to, &error);
        }
    }

    /// Refuses a client that has no session, or none any more. The close code says whether it may reconnect by itself:
    /// a gateway that cannot decide now asks it to, and refuses no client.
    pub(super) fn turn_away(
        &mut self,
        request_id: Option<RequestId>,
        in_reply_to: Option<&'static str>,
        error: &CommandError,
    ) {
        let (code, reason) = match error.code {
            ErrorCode::Unauthorized => (CloseCode::UNAUTHORIZED, "the token is not valid"),
            ErrorCode::TokenExpired => (CloseCode::UNAUTHORIZED, "the token has expired"),
            ErrorCode::RateLimited => (CloseCode::RATE_LIMITED, "too many bad tokens from this address"),
            ErrorCode::SessionLimit => (CloseCode::SESSION_LIMIT, "refused: the user has another session"),
            ErrorCode::Internal => (CloseCode::INTERNAL_ERROR, "internal error"),
            _ => (CloseCode::TRY_AGAIN_LATER, "the gateway cannot let you in now; come back with backoff"),
        };
        self.refuse(request_id, in_reply_to, error);
        self.outbound.close(code, reason);
        self.give_up();
    }

    /// Opens the session of an identity, closing or respecting the user's other ones.
    async fn open(&mut self, request_id: Option<RequestId>, identity: Identity) -> Result<(), CommandError> {
        let Some(opening) = self.opening.take() else { return Ok(()) };
        let node = self.node.clone();
        if node.store_is_away() {
            // Asking it would leave a record to be removed each time that the client comes back.
            return Err(CommandError::unavailable());
        }
        let config = node.config();
        let device = identity.device.clone().or(opening.device.clone());
        let expires_at = identity.expires_at;
        let id: SessionId = new_id()?;
        let client = opening.client.as_ref();
        let comer = Comer { device, client: client.and_then(ClientLife::of) };
        let session = Arc::new(Session::new(id, comer, identity, self.outbound.clone(), node.now()));
        // It is in the table before the store knows it, so that whoever evicts it finds it.
        node.sessions.insert(session.clone());
        let admission = in_time(node.store.open_session(session.record(&node.name), node.session_policy())).await;
        match admission {
            Ok(Admission::Admitted(evicted)) => node.evict(&evicted),
            Ok(Admission::Refused) => {
                node.sessions.remove(&session);
                let message = "another session of this user is live";
                return Err(CommandError::retry(ErrorCode::SessionLimit, message, SESSION_RETRY));
            }
            Ok(Admission::Superseded) => {
                node.sessions.remove(&session);
                self.outbound.close(CloseCode::REPLACED, "a later attempt of this client is connected");
                self.give_up();
                return Ok(());
            }
            Err(error) => {
                node.sessions.remove(&session);
                // The store may have admitted it all the same.
                node.leave_record(&session, CloseCode::TRY_AGAIN_LATER);
                return Err(error);
            }
        }
        if let Some(client) = client {
            node.metrics.client(&client.name, &client.version);
        }
        node.metrics.sessions_active.inc();
        tracing::debug!(session = %session.id, user = %session.user, peer = %opening.peer, "a session opened");
        self.send(request_id, greeting(&node, &config, &session, expires_at));
        self.state = State::Known { session, expires: self.session_end(expires_at) };
        if let Some(departure) = node.connections.has_session(self.connection) {
            node.close_late(departure);
        }
        Ok(())
    }

    /// Ends the session of a connection that is gone.
    pub(super) async fn close(&self, session: &Arc<Session>, ending: &Ending) {
        let node = &self.node;
        for subscription in session.remove_all() {
            node.left(&subscription);
        }
        node.sessions.remove(session);
        if let Err(error) = in_time(node.store.close_session(&session.user, &session.id, ending.code)).await {
            tracing::debug!(%error, session = %session.id, "a session's record stays until the store is back");
            node.leave_record(session, ending.code);
        }
        node.metrics.sessions_active.dec();
        tracing::debug!(
            session = %session.id,
            code = ending.code.0,
            duration_ms = u64::try_from(ending.duration.as_millis()).unwrap_or(u64::MAX),
            bytes_received = ending.bytes_received,
            bytes_sent = ending.bytes_sent,
            "session ended"
        );
    }
}

fn greeting(
    node: &Node,
    config: &Config,
    session: &Session,
    expires_at: realtime_gateway_protocol::Timestamp,
) -> Connected {
    let limits = &config.limits;
    Connected {
        user_id: session.user.clone(),
        message: "Connected to WebSocket Gateway".into(),
        session_id: session.id.clone(),
        protocol_version: PROTOCOL_VERSION,
        features: FEATURES.map(str::to_owned).to_vec(),
        services: node.service_names(),
        expires_at,
        heartbeat_interval_ms: u64::try_from(config.heartbeat.interval.as_millis()).unwrap_or(u64::MAX),
        max_message_bytes: limits.message_bytes as u64,
        limits: Limits {
            messages_per_second: limits.messages_per_second,
            burst: limits.burst,
            subscriptions: u32::try_from(limits.subscriptions).unwrap_or(u32::MAX),
        },
        server_time: node.now(),
    }
}
