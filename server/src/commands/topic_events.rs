//! Publishes events to the topics of services: appends each to the log of its topic or, in a topic without history, sends
//! it to the current subscribers.

use realtime_gateway_protocol::{
    ClientMessageId, EphemeralEvent, ErrorCode, MessageId, MessageSent, PublishAccepted, RawJson, ServerMessage,
    ServiceName, TopicName, UserId,
    stored::{StoredBody, StoredEvent},
};

use super::service::{HistoryKind, TopicRetention};
use crate::{
    command_error::CommandError,
    delivery::{
        frame::Frame,
        log::TopicLog,
        reports::{EventSubject, TopicReport},
    },
    ids::new_id,
    store::{Append, Epoch, EventSource, Idempotency, IdempotencyKey},
    topic::Topic,
};

/// A message or event that is stored, or was stored before.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The confirmation.
    pub sent: MessageSent,
    /// The epoch that the offset belongs to.
    pub epoch: Epoch,
}

/// The confirmation of a publication.
#[derive(Debug, Clone, PartialEq)]
pub enum Published {
    /// The event is stored, or was stored before.
    Stored(Stored),
    /// The event was sent to the current subscribers, and is stored nowhere.
    Sent(PublishAccepted),
}

impl From<Published> for ServerMessage {
    fn from(published: Published) -> Self {
        match published {
            Published::Stored(stored) => stored.sent.into(),
            Published::Sent(accepted) => accepted.into(),
        }
    }
}

/// An event that will be published.
pub(super) struct NewEvent<'a> {
    pub(super) data: &'a RawJson,
    /// The user who publishes the event. `None` for a backend service.
    pub(super) user: Option<&'a UserId>,
    pub(super) client_message_id: Option<&'a ClientMessageId>,
    pub(super) key: Option<Idempotency>,
    pub(super) history: HistoryKind,
}

/// Returns the key that recognises a repeat of a publication. `None` without an id, and in a topic without history, where
/// each publication is sent.
pub(super) fn repeat_key(
    history: HistoryKind,
    key: Option<IdempotencyKey>,
    data: &RawJson,
) -> Result<Option<Idempotency>, CommandError> {
    match history {
        HistoryKind::Kept(_) => key.map(|key| Idempotency::new(key, data)).transpose().map_err(CommandError::internal),
        HistoryKind::Off => Ok(None),
    }
}

/// The events of the topics of services.
pub(super) struct TopicEvents {
    log: TopicLog,
}

impl TopicEvents {
    pub(super) fn new(log: TopicLog) -> Self {
        Self { log }
    }

    /// Returns the logs of the topics.
    pub(super) fn log(&self) -> &TopicLog {
        &self.log
    }

    /// Publishes an event to the subscribers on all nodes.
    ///
    /// # Errors
    /// `message_too_large`; for a topic with history also those of [`TopicLog::append`].
    pub(super) async fn publish(
        &self,
        service: ServiceName,
        topic: TopicName,
        event: NewEvent<'_>,
    ) -> Result<Published, CommandError> {
        match event.history {
            HistoryKind::Kept(retention) => self.append(service, topic, event, retention).await.map(Published::Stored),
            HistoryKind::Off => self.send(service, topic, &event).map(Published::Sent),
        }
    }

    /// Returns the confirmation of a publication that is stored already. A repeat of it gets the same confirmation, also
    /// if the service would not accept it any more.
    pub(super) async fn published_before(
        &self,
        service: ServiceName,
        topic: TopicName,
        key: Option<&Idempotency>,
        id: Option<&ClientMessageId>,
    ) -> Result<Option<Published>, CommandError> {
        let Some(key) = key else { return Ok(None) };
        let earlier = self.log.earlier_append(&Topic::Service(service.clone(), topic.clone()), key).await?;
        Ok(earlier.map(|earlier| {
            let sent = sent(service, topic, (earlier.id, earlier.offset), id, true);
            Published::Stored(Stored { sent, epoch: earlier.epoch })
        }))
    }

    async fn append(
        &self,
        service: ServiceName,
        name: TopicName,
        NewEvent { data, user, client_message_id, key, .. }: NewEvent<'_>,
        retention: TopicRetention,
    ) -> Result<Stored, CommandError> {
        let id: MessageId = new_id()?;
        let at = self.log.now();
        let body = StoredBody::Event(StoredEvent { data, published_at: at, user_id: user, client_message_id });
        let body = self.log.encode(&body)?;
        let topic = Topic::Service(service.clone(), name.clone());
        let retention = self.log.retention_of(retention.max_entries, retention.max_age);
        let report = TopicReport { user_id: user, data };
        let source = if user.is_some() { EventSource::Client } else { EventSource::Backend };
        let event = self.log.reports.event(id.as_str(), &EventSubject::Topic(&service, &name), source, &report)?;
        let appended = self.log.append(Append { topic, id, key, at, body, retention, redaction: None, event }).await?;
        let sent = sent(service, name, (appended.id, appended.offset), client_message_id, appended.duplicate);
        Ok(Stored { sent, epoch: appended.epoch })
    }

    fn send(
        &self,
        service: ServiceName,
        topic: TopicName,
        event: &NewEvent<'_>,
    ) -> Result<PublishAccepted, CommandError> {
        let client_message_id = event.client_message_id.cloned();
        let message = EphemeralEvent {
            service: service.clone(),
            topic: topic.clone(),
            data: event.data.clone(),
            published_at: self.log.now(),
            user_id: event.user.cloned(),
            client_message_id: client_message_id.clone(),
        };
        let frame = Frame::encode_push(message.clone().into());
        if frame.payload().len() > self.log.config.get().limits.message_bytes {
            let text = "the message is over maxMessageBytes once it is sent to subscribers";
            return Err(CommandError::new(ErrorCode::MessageTooLarge, text));
        }
        self.log.hub.broadcast(Topic::Service(service.clone(), topic.clone()), message, &frame);
        Ok(PublishAccepted { service, topic, client_message_id })
    }
}

/// Returns the confirmation of an event that is stored.
fn sent(
    service: ServiceName,
    topic: TopicName,
    (message_id, offset): (MessageId, u64),
    client_message_id: Option<&ClientMessageId>,
    duplicate: bool,
) -> MessageSent {
    MessageSent {
        message_id,
        clan_id: None,
        service: Some(service),
        topic: Some(topic),
        offset,
        client_message_id: client_message_id.cloned(),
        duplicate: duplicate.then_some(true),
    }
}
