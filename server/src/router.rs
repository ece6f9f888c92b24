//! The router: what a client says on one connection, from the first message to the last, and who answers it.

mod admission;
mod dispatch;

use std::{net::IpAddr, sync::Arc, time::Duration};

use realtime_gateway_protocol::{
    Authenticate, Authenticated, ClientInfo, ClientMessage, CloseCode, DeviceId, Envelope, ErrorCode, ErrorReply, Pong,
    RateClass, RawJson, Refusal, RequestId, ServerMessage, Subject, Timestamp, decode_client,
};
use tokio::time::Instant;

use crate::{
    auth::{AuthError, Identity},
    command_error::CommandError,
    conversation::{Conversation, Ending, Standing},
    frame::Frame,
    limits::{Bucket, Strikes},
    node::{ConnectionId, Node},
    outbound::Outbound,
    session::Session,
    telemetry::{SecurityEvent, SecurityKind},
};

/// Invalid messages in 10 s after which the connection is closed.
const INVALID_MESSAGES: u32 = 20;
/// Rate-limited commands in 10 s after which the connection is closed.
const LIMITED_COMMANDS: u32 = 100;
/// What the bucket of subscribing, acknowledging and authenticating holds beside a full reconnect.
const SPARE_CONTROL: u32 = 50;

/// What is known of a client when its connection opens.
#[derive(Debug)]
pub struct Opening {
    /// Where it comes from.
    pub peer: IpAddr,
    /// Who it is, by a verified `Authorization` header.
    pub identity: Option<Identity>,
    /// `?token=`, not verified yet.
    pub query_token: Option<String>,
    /// `?deviceId=` or `X-Device-Id`.
    pub device: Option<DeviceId>,
    /// `?instance=` and `?attempt=`.
    pub client: Option<ClientInfo>,
}

/// One client's side of the talk.
pub struct Router {
    node: Arc<Node>,
    connection: ConnectionId,
    address: IpAddr,
    outbound: Arc<Outbound>,
    /// What came with the upgrade; taken when the session opens.
    opening: Option<Box<Opening>>,
    state: State,
    /// The last token could not be checked, because the keys for it cannot be had now.
    undecided: bool,
    commands: Bucket,
    control: Bucket,
    invalid: Strikes,
    limited: Strikes,
}

enum State {
    /// Nobody yet, and not for longer than this.
    Anonymous { until: Instant },
    /// Somebody, until their token ends.
    Known { session: Arc<Session>, expires: Instant },
    /// Somebody whose token has ended, until the grace has.
    Expired { session: Arc<Session>, until: Instant },
    /// The connection is closing; the session, if there was one, is still to be ended.
    Over(Option<Arc<Session>>),
}

impl Router {
    /// The talk with a client that has just connected.
    pub fn new(node: Arc<Node>, outbound: Arc<Outbound>, opening: Opening) -> Self {
        let now = Instant::now();
        let config = node.config();
        let limits = config.limits;
        let reconnect = u32::try_from(limits.subscriptions).unwrap_or(u32::MAX).saturating_add(SPARE_CONTROL);
        let (connection, departure) = node.connections.add(Arc::clone(&outbound));
        if let Some(departure) = departure {
            node.close_late(departure);
        }
        Self {
            connection,
            address: opening.peer,
            outbound,
            opening: Some(Box::new(opening)),
            state: State::Anonymous { until: now + config.auth.timeout },
            undecided: false,
            commands: Bucket::new(limits.messages_per_second, limits.burst, now),
            control: Bucket::new(limits.messages_per_second, reconnect, now),
            invalid: Strikes::default(),
            limited: Strikes::default(),
            node,
        }
    }

    async fn take(&mut self, command: Envelope<ClientMessage>) {
        let type_name = command.message.type_name();
        let request_id = command.request_id.clone();
        let subject = command.message.subject();
        if let Err(error) = self.try_take(command).await {
            self.refuse_about(request_id, Some(type_name), &error, subject);
        }
    }

    async fn try_take(&mut self, command: Envelope<ClientMessage>) -> Result<(), CommandError> {
        self.limit(&command.message)?;
        let Envelope { request_id, message } = command;
        match (message, &self.state) {
            (_, State::Over(_)) => Ok(()),
            (ClientMessage::Ping(_), _) => {
                self.send(request_id, Pong { timestamp: self.node.now() });
                Ok(())
            }
            (ClientMessage::Authenticate(authenticate), _) => self.authenticate(request_id, authenticate).await,
            (_, State::Anonymous { .. }) => Err(CommandError::new(ErrorCode::Unauthorized, "authenticate first")),
            (_, State::Expired { .. }) => {
                Err(CommandError::new(ErrorCode::TokenExpired, "the token has expired; authenticate with a fresh one"))
            }
            // Others may have taken this session over; what it asks for could be done twice, or for nobody.
            (_, State::Known { .. }) if self.node.lease.is_lost() => Err(CommandError::unavailable()),
            (message, State::Known { session, .. }) => {
                if message.uses_additions() || request_id.is_some() {
                    session.extend();
                }
                dispatch::dispatch(&self.node, &session.clone(), request_id, message).await
            }
        }
    }

    async fn authenticate(&mut self, request_id: Option<RequestId>, asked: Authenticate) -> Result<(), CommandError> {
        let verified = self.node.verify_token(&asked.token, self.address).await;
        self.undecided = verified.as_ref().is_err_and(|error| *error == AuthError::Unavailable);
        match (&self.state, verified) {
            (State::Anonymous { .. }, Ok(identity)) => {
                if let Some(opening) = &mut self.opening {
                    opening.device = asked.device_id.or(opening.device.take());
                    opening.client = asked.client.or(opening.client.take());
                }
                self.admit(request_id, Some("authenticate"), identity).await;
                if let State::Known { session, .. } = &self.state {
                    session.extend();
                }
                Ok(())
            }
            (State::Anonymous { .. }, Err(error)) => {
                self.turn_away(request_id, Some("authenticate"), &error.into());
                Ok(())
            }
            (State::Known { session, .. } | State::Expired { session, .. }, Ok(identity)) => {
                let session = session.clone();
                self.renew(request_id, &session, identity).await
            }
            (_, Err(error)) => {
                if matches!(error, AuthError::Throttled(_)) {
                    self.strike();
                }
                Err(error.into())
            }
            (State::Over(_), Ok(_)) => Ok(()),
        }
    }

    /// Takes a fresh token of the same user. Subscriptions that it does not cover end.
    async fn renew(
        &mut self,
        request_id: Option<RequestId>,
        session: &Arc<Session>,
        identity: Identity,
    ) -> Result<(), CommandError> {
        if identity.user != session.user {
            let message = "this connection belongs to another user; open a new one";
            return Err(CommandError::new(ErrorCode::Unauthorized, message));
        }
        let expires_at = identity.expires_at;
        session.renew(identity);
        // The block may be newer than the check of the token, and looked at the token before.
        self.node.close_if_blocked(session);
        session.extend();
        self.state = State::Known { session: session.clone(), expires: self.session_end(expires_at) };
        self.send(request_id, Authenticated { user_id: session.user.clone(), expires_at });
        self.node.check_subscriptions(session).await;
        Ok(())
    }

    /// Takes a token from the command's bucket.
    fn limit(&mut self, message: &ClientMessage) -> Result<(), CommandError> {
        let now = Instant::now();
        let (bucket, limit) = match message.rate_class() {
            RateClass::Control => (&mut self.control, "control"),
            RateClass::Message => (&mut self.commands, "messages"),
        };
        let Err(wait) = bucket.take(now) else { return Ok(()) };
        self.node.metrics.rate_limited(limit);
        self.strike();
        Err(CommandError::retry(ErrorCode::RateLimited, "too many commands", wait.max(Duration::from_millis(1))))
    }

    /// Counts a command that was refused for its rate, and closes the connection of a client that does not heed that.
    fn strike(&mut self) {
        if self.limited.strike(LIMITED_COMMANDS, Instant::now()) {
            self.outbound.close(CloseCode::RATE_LIMITED, "rate limited 100 times in 10 s; come back after 30 s");
            self.give_up();
        }
    }

    fn refuse(&self, request_id: Option<RequestId>, in_reply_to: Option<&'static str>, error: &CommandError) {
        self.refuse_about(request_id, in_reply_to, error, Subject::Nothing);
    }

    fn refuse_about(
        &self,
        request_id: Option<RequestId>,
        in_reply_to: Option<&'static str>,
        error: &CommandError,
        subject: Subject,
    ) {
        self.node.metrics.error(&error.code);
        // A token that is refused has been counted by then.
        if let (ErrorCode::Forbidden, State::Known { session, .. }) = (&error.code, &self.state)
            && in_reply_to != Some("authenticate")
        {
            self.node.metrics.security_event(SecurityEvent {
                kind: SecurityKind::ForbiddenCommand,
                address: Some(self.address),
                user: Some(&session.user),
                reason: in_reply_to.unwrap_or("a command"),
            });
        }
        let (clan_id, topic) = match subject {
            Subject::Nothing => (None, None),
            Subject::Clan(clan_id) => (Some(clan_id), None),
            Subject::Topic(topic) => (None, Some(topic)),
        };
        let reply = ErrorReply {
            message: error.message.to_string(),
            code: error.code.clone(),
            in_reply_to: in_reply_to.map(str::to_owned),
            clan_id,
            topic,
            retry_after_ms: error.retry_after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX)),
            details: error.details.clone(),
        };
        self.send(request_id, reply);
    }

    fn refuse_undecoded(&mut self, refusal: Refusal) {
        let details = match &refusal.error {
            realtime_gateway_protocol::DecodeError::InvalidMessage { field, problem } => {
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

    fn send(&self, request_id: Option<RequestId>, message: impl Into<ServerMessage>) {
        self.outbound.push_paced(&[Frame::encode(&Envelope { request_id, message: message.into() })]);
    }

    /// Answers nothing from here on.
    fn give_up(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Over(None)) {
            State::Known { session, .. } | State::Expired { session, .. } => State::Over(Some(session)),
            State::Over(session) => State::Over(session),
            State::Anonymous { .. } => State::Over(None),
        };
    }

    /// When a session ends whose token does: as much later as the clocks may differ, because the token is taken as long.
    /// The wall clock decides, as it does when the token is verified.
    fn session_end(&self, expires_at: Timestamp) -> Instant {
        let now = self.node.clock.wall().millis();
        let left = Duration::from_millis(expires_at.millis().saturating_sub(now));
        let late = Duration::from_millis(now.saturating_sub(expires_at.millis()));
        Instant::now() + (left + self.node.config().auth.leeway).saturating_sub(late)
    }
}

impl Conversation for Router {
    async fn begin(&mut self) {
        let Some(opening) = &mut self.opening else { return };
        let verified = match (opening.identity.take(), opening.query_token.take()) {
            (Some(identity), _) => Ok(identity),
            (None, Some(token)) => self.node.verify_token(&token, self.address).await,
            (None, None) => return,
        };
        match verified {
            Ok(identity) => self.admit(None, None, identity).await,
            Err(error) => self.turn_away(None, None, &error.into()),
        }
    }

    async fn receive(&mut self, text: &str) {
        match decode_client(text) {
            Ok(command) => {
                self.node.metrics.received(command.message.type_name());
                self.take(command).await;
            }
            Err(refusal) => {
                self.node.metrics.received("other");
                self.refuse_undecoded(refusal);
            }
        }
    }

    fn standing(&self) -> Standing {
        match self.state {
            State::Anonymous { .. } | State::Over(None) => Standing::Anonymous,
            State::Known { .. } | State::Expired { .. } | State::Over(Some(_)) => Standing::Known,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Anonymous { until } | State::Expired { until, .. } => Some(*until),
            State::Known { session, .. } if session.is_overdue() => Some(Instant::now()),
            State::Known { expires, .. } => Some(*expires),
            State::Over(_) => None,
        }
    }

    async fn on_deadline(&mut self) {
        if self.deadline().is_none_or(|deadline| deadline > Instant::now()) {
            return;
        }
        let expired =
            CommandError::new(ErrorCode::TokenExpired, "the token has expired; authenticate with a fresh one");
        match &self.state {
            State::Anonymous { .. } if self.node.is_draining() => {
                self.node.connections.close(self.connection);
                self.give_up();
            }
            State::Anonymous { .. } => {
                let error = CommandError::new(ErrorCode::Unauthorized, "no identity was given in time");
                self.refuse(None, None, &error);
                self.outbound.close(CloseCode::UNAUTHORIZED, "not authenticated in time");
                self.give_up();
            }
            State::Known { session, .. } => {
                self.refuse(None, None, &expired);
                let until = Instant::now() + self.node.config().auth.expiry_grace;
                self.state = State::Expired { session: session.clone(), until };
            }
            // A client that gave a fresh token in time is not refused because the token cannot be checked now.
            State::Expired { .. } if self.undecided => {
                self.turn_away(None, None, &AuthError::Unavailable.into());
            }
            State::Expired { .. } => {
                self.outbound.close(CloseCode::UNAUTHORIZED, "the token has expired");
                self.give_up();
            }
            State::Over(_) => {}
        }
    }

    async fn end(self, ending: Ending) {
        self.node.connections.remove(self.connection);
        if let State::Known { session, .. } | State::Expired { session, .. } | State::Over(Some(session)) = &self.state
        {
            self.close(session, &ending).await;
        }
    }
}
