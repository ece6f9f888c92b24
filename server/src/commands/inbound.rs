//! Inbound events of backend services from the broker. The routing key and the body select the same actions as the HTTP
//! API.

use std::{future::Future, panic::AssertUnwindSafe, sync::Arc};

use futures_util::{FutureExt, StreamExt, stream};
use gateway_contracts::InvalidData;
use realtime_gateway_protocol::{
    ClanId, CloseCode, DecodeError, ErrorCode, IdError, ServiceName, TopicName, TtlSeconds, UserId,
    backend::{BlockUser, Disconnect, EndSubscriptions, NewChatMessage, NewNotification, NewServiceEvent, UnblockUser},
    decode_object,
};
use serde::de::DeserializeOwned;

use super::{ClanChat, NewMessage, Notifications, ServerSubscriptions, Services, notifications};
use crate::{
    bus::{InboundEvent, InboundEvents, Verdict, routing::decode_word},
    command_error::CommandError,
    config::LiveConfig,
    confirmation::in_time,
    node::Lease,
    session::{Blocks, Sessions},
    store::SubscriptionFilter,
    telemetry::trace::in_trace,
};

/// The number of events that are handled concurrently. The broker delivers the events of one topic one after the other.
const CONCURRENT_EVENTS: usize = 64;

/// The maximum length of the position of invalid data in the header of a dead letter, in bytes.
const MAX_POINTER_BYTES: usize = 512;

/// The reason why an event is not stored.
enum Rejection {
    /// The event can never be stored.
    Refused { reason: &'static str, detail: String },
    /// The store or a service is unavailable. The broker has to redeliver the event.
    Retry,
}

impl Rejection {
    fn refused(reason: &'static str, detail: impl Into<String>) -> Self {
        Self::Refused { reason, detail: detail.into() }
    }

    fn invalid(field: &str, problem: impl std::fmt::Display) -> Self {
        Self::refused("invalid_message", format!("{field}: {problem}"))
    }
}

impl From<DecodeError> for Rejection {
    fn from(error: DecodeError) -> Self {
        let reason = match error {
            DecodeError::InvalidJson(_) => "invalid_json",
            DecodeError::UnknownType(_) | DecodeError::InvalidMessage { .. } => "invalid_message",
        };
        Self::refused(reason, error.to_string())
    }
}

impl From<CommandError> for Rejection {
    fn from(error: CommandError) -> Self {
        let reason = match error.code {
            ErrorCode::Unavailable => return Self::Retry,
            ErrorCode::UnknownService => "unknown_service",
            ErrorCode::MessageTooLarge => "message_too_large",
            ErrorCode::InvalidMessage => "invalid_message",
            ErrorCode::Conflict => "conflict",
            ErrorCode::Internal => "internal",
            _ => "refused",
        };
        let detail = match error.invalid_data {
            Some(problem) => in_one_line(&problem),
            None => error.message.into_owned(),
        };
        Self::refused(reason, detail)
    }
}

/// Returns the position and the keyword, for the header of a dead letter. A long position is cut, because headers are
/// bounded and the position contains names of the data.
fn in_one_line(InvalidData { pointer, keyword, .. }: &InvalidData) -> String {
    let end = (0..=MAX_POINTER_BYTES.min(pointer.len())).rev().find(|end| pointer.is_char_boundary(*end));
    let shown = end.and_then(|end| pointer.get(..end)).unwrap_or_default();
    let mark = if shown.len() < pointer.len() { "…" } else { "" };
    format!("{shown}{mark}: {keyword}")
}

/// Handles the events of backend services.
pub(crate) struct BackendEvents {
    pub(crate) notifications: Arc<Notifications>,
    pub(crate) clan_chat: Arc<ClanChat>,
    pub(crate) services: Arc<Services>,
    pub(crate) server_subscriptions: Arc<ServerSubscriptions>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) blocks: Arc<Blocks>,
    pub(crate) lease: Arc<Lease>,
    pub(crate) config: LiveConfig,
}

impl BackendEvents {
    /// Consumes events until the broker is closed.
    pub(crate) async fn consume(self, mut inbound: InboundEvents) {
        let events = stream::poll_fn(|context| inbound.poll_recv(context));
        events
            .for_each_concurrent(CONCURRENT_EVENTS, async |event| {
                // Without this, an event that panics would stop the delivery of all others, and would be redelivered
                // after each restart.
                // What the event causes belongs to its trace.
                let handling = in_trace(event.trace.clone(), self.handle(&event));
                let verdict = match AssertUnwindSafe(handling).catch_unwind().await {
                    Ok(Ok(())) => Verdict::Stored,
                    Ok(Err(Rejection::Retry)) => Verdict::Retry,
                    Ok(Err(Rejection::Refused { reason, detail })) => Verdict::Refused { reason, detail },
                    Err(_) => Verdict::Refused { reason: "internal", detail: "an internal error".to_owned() },
                };
                // If the connection was lost meanwhile, the broker redelivers the event.
                let _ = event.verdict.send(verdict);
            })
            .await;
    }

    async fn handle(&self, event: &InboundEvent) -> Result<(), Rejection> {
        if self.lease.is_lost() {
            return Err(Rejection::Retry);
        }
        let limit = self.config.get().limits.http_body;
        if event.body.len() > limit {
            return Err(Rejection::refused(
                "message_too_large",
                format!("the body is over limits.http_body ({limit} bytes)"),
            ));
        }
        let words: Vec<&str> = event.key.split('.').collect();
        match words[..] {
            ["notification", user] => self.notify(word("userId", user)?, event).await,
            ["clan_chat", clan] => self.post_chat(word("clanId", clan)?, event).await,
            ["service", service, topic] => {
                self.publish_event(word("service", service)?, word("topic", topic)?, event).await
            }
            ["control", "disconnect", user] => {
                let (user, request): (UserId, Disconnect) = (word("userId", user)?, read(event)?);
                let reconnect = request.reconnect.unwrap_or(false);
                let code = if reconnect { CloseCode::RECONNECT_REQUESTED } else { CloseCode::DISCONNECTED };
                in_time(self.sessions.disconnect(&user, code)).await?;
                Ok(())
            }
            ["control", "block", user] => {
                let (user, request): (UserId, BlockUser) = (word("userId", user)?, read(event)?);
                self.blocks.block(&user, self.blocks.new_block(request)?).await?;
                Ok(())
            }
            ["control", "unblock", user] => {
                let (user, UnblockUser {}): (UserId, UnblockUser) = (word("userId", user)?, read(event)?);
                in_time(self.blocks.unblock(&user)).await?;
                Ok(())
            }
            ["control", "unsubscribe", user] => {
                let (user, request): (UserId, EndSubscriptions) = (word("userId", user)?, read(event)?);
                let filter = SubscriptionFilter { service: request.service, topic: request.topic };
                self.server_subscriptions.end(&user, &filter).await?;
                Ok(())
            }
            _ => Err(Rejection::refused("unknown_key", "no kind of event has this routing key")),
        }
    }

    async fn notify(&self, user: UserId, event: &InboundEvent) -> Result<(), Rejection> {
        let request: NewNotification = read(event)?;
        let new = notifications::NewNotification {
            id: id_of(request.id, event)?,
            title: request.title,
            message: request.message,
            data: request.data,
            ttl: request.ttl_seconds.map(TtlSeconds::duration),
            escalate_after: request.escalate_after_seconds.into(),
        };
        stored(self.notifications.send(user, new)).await
    }

    async fn post_chat(&self, clan: ClanId, event: &InboundEvent) -> Result<(), Rejection> {
        let request: NewChatMessage = read(event)?;
        let id = id_of(request.id, event)?;
        let message = NewMessage {
            content: request.content,
            user: request.user_id,
            message_type: request.message_type.map(Into::into),
            data: request.data,
            id,
        };
        stored(self.clan_chat.post(clan, message)).await
    }

    async fn publish_event(
        &self,
        service: ServiceName,
        topic: TopicName,
        event: &InboundEvent,
    ) -> Result<(), Rejection> {
        let request: NewServiceEvent = read(event)?;
        let id = id_of(request.id, event)?;
        stored(self.services.post(service, topic, request.data, id)).await
    }
}

async fn stored<T>(action: impl Future<Output = Result<T, CommandError>>) -> Result<(), Rejection> {
    action.await.map(drop).map_err(Into::into)
}

/// Decodes an identifier from a word of the routing key.
fn word<T: TryFrom<String, Error = IdError>>(name: &str, word: &str) -> Result<T, Rejection> {
    let id = decode_word(word)
        .ok_or_else(|| Rejection::invalid(name, "it is not percent-encoded right in the routing key"))?;
    T::try_from(id).map_err(|problem| Rejection::invalid(name, problem))
}

fn read<T: DeserializeOwned>(event: &InboundEvent) -> Result<T, Rejection> {
    let text = std::str::from_utf8(&event.body).map_err(|_| Rejection::refused("invalid_json", "it is not UTF-8"))?;
    Ok(decode_object(text)?)
}

/// Returns the id in the body or, if there is none, the id of the broker message.
fn id_of<T: TryFrom<String, Error = IdError>>(id: Option<T>, event: &InboundEvent) -> Result<Option<T>, Rejection> {
    match (id, &event.id) {
        (Some(id), _) => Ok(Some(id)),
        (None, Some(id)) => T::try_from(id.clone()).map(Some).map_err(|error| Rejection::invalid("message_id", error)),
        (None, None) => Ok(None),
    }
}
