//! What backend services publish over the broker: from a routing key and a body to the same actions as the HTTP API's.

use std::{future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{FutureExt, StreamExt, stream};
use realtime_gateway_protocol::{
    ClanId, CloseCode, DecodeError, ErrorCode, IdError, ServiceName, TopicName, UserId,
    backend::{BlockUser, Disconnect, EndSubscriptions, NewChatMessage, NewNotification, NewServiceEvent, UnblockUser},
    decode_object,
};
use serde::de::DeserializeOwned;

use super::{ClanChat, NewMessage, Notifications, Topics, notifications};
use crate::{
    bus::{Arrival, Arrivals, Verdict, routing::decode_word},
    command_error::CommandError,
    node::{Node, in_time},
};

/// How many events are worked on at once; those of one topic come one after the other.
const AT_ONCE: usize = 64;

/// Why an event is not taken.
enum Untaken {
    /// It never can be.
    Refused { reason: &'static str, detail: String },
    /// Not now.
    NotNow,
}

impl Untaken {
    fn refused(reason: &'static str, detail: impl Into<String>) -> Self {
        Self::Refused { reason, detail: detail.into() }
    }

    fn invalid(field: &str, problem: impl std::fmt::Display) -> Self {
        Self::refused("invalid_message", format!("{field}: {problem}"))
    }
}

impl From<DecodeError> for Untaken {
    fn from(error: DecodeError) -> Self {
        let reason = match error {
            DecodeError::InvalidJson(_) => "invalid_json",
            DecodeError::UnknownType(_) | DecodeError::InvalidMessage { .. } => "invalid_message",
        };
        Self::refused(reason, error.to_string())
    }
}

impl From<CommandError> for Untaken {
    fn from(error: CommandError) -> Self {
        let reason = match error.code {
            ErrorCode::Unavailable => return Self::NotNow,
            ErrorCode::UnknownService => "unknown_service",
            ErrorCode::MessageTooLarge => "message_too_large",
            ErrorCode::InvalidMessage => "invalid_message",
            ErrorCode::Conflict => "conflict",
            ErrorCode::Internal => "internal",
            _ => "refused",
        };
        Self::refused(reason, error.message.into_owned())
    }
}

impl Node {
    /// Takes what arrives, until the bus ends.
    pub(crate) async fn take_arrivals(self: Arc<Self>, mut arrivals: Arrivals) {
        let arriving = stream::poll_fn(|context| arrivals.poll_recv(context));
        arriving
            .for_each_concurrent(AT_ONCE, async |arrival| {
                // An event that panics would end the delivery of all others, and come again after each restart.
                let verdict = match AssertUnwindSafe(self.take(&arrival)).catch_unwind().await {
                    Ok(Ok(())) => Verdict::Stored,
                    Ok(Err(Untaken::NotNow)) => Verdict::NotNow,
                    Ok(Err(Untaken::Refused { reason, detail })) => Verdict::Refused { reason, detail },
                    Err(_) => Verdict::Refused { reason: "internal", detail: "an internal error".to_owned() },
                };
                // The bus may have lost its connection meanwhile; the event comes again then.
                let _ = arrival.verdict.send(verdict);
            })
            .await;
    }

    async fn take(self: &Arc<Self>, arrival: &Arrival) -> Result<(), Untaken> {
        if self.lease.is_lost() {
            return Err(Untaken::NotNow);
        }
        let limit = self.config().limits.http_body;
        if arrival.body.len() > limit {
            return Err(Untaken::refused(
                "message_too_large",
                format!("the body is over limits.http_body ({limit} bytes)"),
            ));
        }
        let words: Vec<&str> = arrival.key.split('.').collect();
        match words[..] {
            ["notification", user] => self.notify(word("userId", user)?, arrival).await,
            ["clan_chat", clan] => self.say(word("clanId", clan)?, arrival).await,
            ["service", service, topic] => {
                self.publish_event(word("service", service)?, word("topic", topic)?, arrival).await
            }
            ["control", "disconnect", user] => {
                let (user, asked): (UserId, Disconnect) = (word("userId", user)?, read(arrival)?);
                let again = asked.reconnect.unwrap_or(false);
                let code = if again { CloseCode::RECONNECT_REQUESTED } else { CloseCode::DISCONNECTED };
                in_time(self.disconnect(&user, code)).await?;
                Ok(())
            }
            ["control", "block", user] => {
                let (user, asked): (UserId, BlockUser) = (word("userId", user)?, read(arrival)?);
                self.block(&user, self.new_block(asked)?).await?;
                Ok(())
            }
            ["control", "unblock", user] => {
                let (user, UnblockUser {}): (UserId, UnblockUser) = (word("userId", user)?, read(arrival)?);
                in_time(self.unblock(&user)).await?;
                Ok(())
            }
            ["control", "unsubscribe", user] => {
                let (user, asked): (UserId, EndSubscriptions) = (word("userId", user)?, read(arrival)?);
                self.topics.check(&asked.service, asked.topic.as_ref())?;
                in_time(self.end_subscriptions(&user, &asked.service, asked.topic.as_ref())).await?;
                Ok(())
            }
            _ => Err(Untaken::refused("unknown_key", "no kind of event has this routing key")),
        }
    }

    async fn notify(self: &Arc<Self>, user: UserId, arrival: &Arrival) -> Result<(), Untaken> {
        let asked: NewNotification = read(arrival)?;
        let new = notifications::NewNotification {
            id: id_of(asked.id, arrival)?,
            title: asked.title,
            message: asked.message,
            data: asked.data,
            ttl: asked.ttl_seconds.map(|seconds| Duration::from_secs(seconds.get())),
        };
        stored(Notifications::send(self, user, new)).await
    }

    async fn say(self: &Arc<Self>, clan: ClanId, arrival: &Arrival) -> Result<(), Untaken> {
        let asked: NewChatMessage = read(arrival)?;
        let id = id_of(asked.id, arrival)?;
        let message = NewMessage {
            content: asked.content,
            user: asked.user_id,
            message_type: asked.message_type.map(Into::into),
            data: asked.data,
            id,
        };
        stored(ClanChat::post(self, clan, message)).await
    }

    async fn publish_event(
        self: &Arc<Self>,
        service: ServiceName,
        topic: TopicName,
        arrival: &Arrival,
    ) -> Result<(), Untaken> {
        let asked: NewServiceEvent = read(arrival)?;
        let id = id_of(asked.id, arrival)?;
        stored(Topics::post(self, service, topic, asked.data, id)).await
    }
}

async fn stored<T>(action: impl Future<Output = Result<T, CommandError>>) -> Result<(), Untaken> {
    action.await.map(drop).map_err(Into::into)
}

/// The identifier that a word of the routing key stands for.
fn word<T: TryFrom<String, Error = IdError>>(name: &str, word: &str) -> Result<T, Untaken> {
    let id = decode_word(word)
        .ok_or_else(|| Untaken::invalid(name, "it is not percent-encoded right in the routing key"))?;
    T::try_from(id).map_err(|problem| Untaken::invalid(name, problem))
}

fn read<T: DeserializeOwned>(arrival: &Arrival) -> Result<T, Untaken> {
    let text = std::str::from_utf8(&arrival.body).map_err(|_| Untaken::refused("invalid_json", "it is not UTF-8"))?;
    Ok(decode_object(text)?)
}

/// The body's own id, or the message's.
fn id_of<T: TryFrom<String, Error = IdError>>(id: Option<T>, arrival: &Arrival) -> Result<Option<T>, Untaken> {
    match (id, &arrival.id) {
        (Some(id), _) => Ok(Some(id)),
        (None, Some(id)) => T::try_from(id.clone()).map(Some).map_err(|error| Untaken::invalid("message_id", error)),
        (None, None) => Ok(None),
    }
}
