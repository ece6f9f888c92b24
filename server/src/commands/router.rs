//! The router of one connection: it authenticates the client, applies rate limits, and dispatches commands.
//!
//! `router/authentication.rs` opens and renews the session, `router/handlers.rs` handles the commands, and
//! `router/refusal.rs` reports errors to the client.

mod authentication;
mod handlers;
mod refusal;

use std::{net::IpAddr, sync::Arc, time::Duration};

use realtime_gateway_protocol::{
    ClientMessage, CloseCode, Codec, Envelope, ErrorCode, RateClass, RequestId, ServerMessage, Timestamp, TraceContext,
};
use tokio::time::Instant;

use super::{Calls, ClanChat, Notifications, Publications, ServerSubscriptions, Services, TypingUsers};
use crate::{
    auth::{AuthError, Permissions},
    command_error::CommandError,
    config::LiveConfig,
    delivery::{frame::Frame, outbound::Outbound, presence::Presence},
    metrics::Metrics,
    node::Node,
    runtime::{
        clock::NodeClock,
        limits::{Bucket, Strikes},
    },
    session::{
        Admission, Blocks, ConnectionId, Connections, Session, Sessions, Subscriptions, TokenVerifier, UpgradeInfo,
        connection_handler::{Authentication, ConnectionHandler, ConnectionSummary},
    },
    telemetry::trace::in_trace,
};

/// The capacity of the control bucket (subscribe, acknowledge, authenticate) beyond the commands of a reconnect with
/// the maximum number of subscriptions.
const SPARE_CONTROL: u32 = 50;

/// The features that handle commands.
pub(crate) struct Features {
    pub(crate) notifications: Arc<Notifications>,
    pub(crate) clan_chat: Arc<ClanChat>,
    pub(crate) services: Arc<Services>,
    pub(crate) calls: Arc<Calls>,
    pub(crate) publications: Arc<Publications>,
    pub(crate) subscriptions: Arc<Subscriptions>,
    pub(crate) server_subscriptions: Arc<ServerSubscriptions>,
    pub(crate) presence: Arc<Presence>,
    pub(crate) typing: Arc<TypingUsers>,
    pub(crate) permissions: Arc<Permissions>,
}

/// The parts that the routers of all connections share.
pub(crate) struct RouterParts {
    pub(crate) features: Features,
    pub(crate) admission: Admission,
    pub(crate) tokens: Arc<TokenVerifier>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) blocks: Arc<Blocks>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) node: Arc<Node>,
    pub(crate) config: LiveConfig,
    pub(crate) clock: NodeClock,
    pub(crate) metrics: Arc<Metrics>,
}

/// The gateway's side of one connection.
pub struct Router {
    parts: Arc<RouterParts>,
    connection: ConnectionId,
    address: IpAddr,
    outbound: Arc<Outbound>,
    codec: Codec,
    /// The properties of the client from the upgrade request. Taken when the session opens.
    upgrade: Option<Box<UpgradeInfo>>,
    state: State,
    /// Whether the last token could not be verified because its keys or the store were unavailable.
    verification_unavailable: bool,
    commands: Bucket,
    control: Bucket,
    invalid: Strikes,
    limited: Strikes,
    /// The trace that the upgrade request belongs to, and with it all commands.
    trace: Option<TraceContext>,
}

/// The authentication state of the client.
enum State {
    /// The client has not authenticated. It has to until this time.
    Anonymous { until: Instant },
    /// The client has a session, and its token expires at this time.
    Authenticated { session: Arc<Session>, expires: Instant },
    /// The token has expired. The client may send a new one until this time.
    Expired { session: Arc<Session>, until: Instant },
    /// The connection is closing. Its session, if there is one, still has to be ended.
    Closing(Option<Arc<Session>>),
}

impl Router {
    /// Creates the router for a client that has just connected.
    pub(crate) fn new(parts: Arc<RouterParts>, outbound: Arc<Outbound>, upgrade: UpgradeInfo) -> Self {
        let now = Instant::now();
        let config = parts.config.get();
        let limits = config.limits;
        let reconnect = u32::try_from(limits.subscriptions).unwrap_or(u32::MAX).saturating_add(SPARE_CONTROL);
        let (connection, scheduled) = parts.connections.add(Arc::clone(&outbound));
        if let Some(scheduled) = scheduled {
            parts.connections.close_later(scheduled);
        }
        Self {
            connection,
            address: upgrade.peer,
            outbound,
            codec: upgrade.codec,
            trace: upgrade.trace.clone(),
            upgrade: Some(Box::new(upgrade)),
            state: State::Anonymous { until: now + config.auth.timeout },
            verification_unavailable: false,
            commands: Bucket::new(limits.messages_per_second, limits.burst, now),
            control: Bucket::new(limits.messages_per_second, reconnect, now),
            invalid: Strikes::default(),
            limited: Strikes::default(),
            parts,
        }
    }

    async fn dispatch(&mut self, command: Envelope<ClientMessage>) {
        let Envelope { request_id, message } = command;
        let (type_name, subject) = (message.type_name(), message.subject());
        let handling = in_trace(self.trace.clone(), self.handle(request_id.clone(), message));
        if let Err(error) = handling.await {
            self.refuse_with_subject(request_id, Some(type_name), &error, subject);
        }
    }

    async fn handle(&mut self, request_id: Option<RequestId>, message: ClientMessage) -> Result<(), CommandError> {
        self.limit(&message)?;
        match &self.state {
            State::Closing(_) => return Ok(()),
            State::Authenticated { session, .. } if message.uses_extensions() || request_id.is_some() => {
                session.enable_extensions()
            }
            _ => {}
        }
        let (type_name, started) = (message.type_name(), Instant::now());
        let result = message.handle(handlers::CommandContext { router: self, request_id }).await;
        self.parts.metrics.command_took(type_name, started.elapsed());
        result
    }

    /// Takes a token from the rate-limit bucket of the command.
    fn limit(&mut self, message: &ClientMessage) -> Result<(), CommandError> {
        let now = Instant::now();
        let (bucket, limit) = match message.rate_class() {
            RateClass::Control => (&mut self.control, "control"),
            RateClass::Message => (&mut self.commands, "messages"),
        };
        let Err(wait) = bucket.take(now) else { return Ok(()) };
        self.parts.metrics.rate_limited(limit);
        self.strike();
        Err(CommandError::retry(ErrorCode::RateLimited, "too many commands", wait.max(Duration::from_millis(1))))
    }

    /// Returns the session of the client.
    ///
    /// # Errors
    /// `unauthorized` without a session, `token_expired` in the grace period after the token has expired, `unavailable`
    /// while the node's lease is lost. Other nodes may have taken the session over then, and a command could be
    /// executed twice or for a session that has ended.
    fn session(&self) -> Result<Arc<Session>, CommandError> {
        match &self.state {
            State::Authenticated { .. } if self.parts.node.lease.is_lost() => Err(CommandError::unavailable()),
            State::Authenticated { session, .. } => Ok(session.clone()),
            State::Expired { .. } => Err(token_expired()),
            State::Anonymous { .. } | State::Closing(_) => {
                Err(CommandError::new(ErrorCode::Unauthorized, "authenticate first"))
            }
        }
    }

    fn send(&self, request_id: Option<RequestId>, message: impl Into<ServerMessage>) {
        self.outbound.push_paced(&[self.encode(request_id, message)]);
    }

    /// Sends the confirmation of a message, which a busy loop writes together with others.
    fn confirm(&self, request_id: Option<RequestId>, message: impl Into<ServerMessage>) {
        self.outbound.push_deferred(self.encode(request_id, message));
    }

    fn encode(&self, request_id: Option<RequestId>, message: impl Into<ServerMessage>) -> Frame {
        Frame::encode(self.codec, &Envelope { request_id, message: message.into() })
    }

    /// Stops handling messages. The connection is closing.
    fn stop(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Closing(None)) {
            State::Authenticated { session, .. } | State::Expired { session, .. } => State::Closing(Some(session)),
            State::Closing(session) => State::Closing(session),
            State::Anonymous { .. } => State::Closing(None),
        };
    }

    /// Returns when a session with a token that expires at `expires_at` expires: later by `auth.leeway`, because tokens
    /// are accepted for that long after their expiry. It uses the wall clock, as the verification of tokens does.
    fn session_end(&self, expires_at: Timestamp) -> Instant {
        let now = self.parts.clock.wall().millis();
        let remaining = Duration::from_millis(expires_at.millis().saturating_sub(now));
        let elapsed = Duration::from_millis(now.saturating_sub(expires_at.millis()));
        Instant::now() + (remaining + self.parts.config.get().auth.leeway).saturating_sub(elapsed)
    }
}

fn token_expired() -> CommandError {
    CommandError::new(ErrorCode::TokenExpired, "the token has expired; authenticate with a fresh one")
}

impl ConnectionHandler for Router {
    async fn begin(&mut self) {
        in_trace(self.trace.clone(), self.authenticate_by_upgrade()).await;
    }

    async fn receive(&mut self, text: &str) {
        match self.codec.decode_client(text) {
            Ok(command) => {
                self.parts.metrics.received(command.message.type_name());
                self.dispatch(command).await;
            }
            Err(refusal) => {
                self.parts.metrics.received("other");
                self.refuse_undecoded(refusal);
            }
        }
    }

    fn authentication(&self) -> Authentication {
        match self.state {
            State::Anonymous { .. } | State::Closing(None) => Authentication::Anonymous,
            State::Authenticated { .. } | State::Expired { .. } | State::Closing(Some(_)) => {
                Authentication::Authenticated
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Anonymous { until } | State::Expired { until, .. } => Some(*until),
            State::Authenticated { session, .. } if session.is_overdue() => Some(Instant::now()),
            State::Authenticated { expires, .. } => Some(*expires),
            State::Closing(_) => None,
        }
    }

    async fn on_deadline(&mut self) {
        if self.deadline().is_none_or(|deadline| deadline > Instant::now()) {
            return;
        }
        match &self.state {
            State::Anonymous { .. } if self.parts.node.is_draining() => {
                self.parts.connections.close(self.connection);
                self.stop();
            }
            State::Anonymous { .. } => {
                let error = CommandError::new(ErrorCode::Unauthorized, "authentication timed out");
                self.refuse(None, None, &error);
                self.outbound.close(CloseCode::UNAUTHORIZED, "authentication timed out");
                self.stop();
            }
            State::Authenticated { session, .. } => {
                let until = Instant::now() + self.parts.config.get().auth.expiry_grace;
                let session = session.clone();
                self.refuse(None, None, &token_expired());
                self.state = State::Expired { session, until };
            }
            // The client has sent a new token in time, but the token could not be verified. Close with a code that
            // makes the client reconnect, instead of 4401.
            State::Expired { .. } if self.verification_unavailable => {
                self.reject(None, None, &AuthError::Unavailable.into());
            }
            State::Expired { .. } => {
                self.outbound.close(CloseCode::UNAUTHORIZED, "the token has expired");
                self.stop();
            }
            State::Closing(_) => {}
        }
    }

    async fn end(self, summary: ConnectionSummary) {
        self.parts.connections.remove(self.connection);
        if let State::Authenticated { session, .. } | State::Expired { session, .. } | State::Closing(Some(session)) =
            &self.state
        {
            let ending = self.parts.sessions.end(session, self.address, &summary);
            in_trace(self.trace.clone(), ending).await;
        }
    }
}
