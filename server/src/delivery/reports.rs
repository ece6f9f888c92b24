//! Events that report client actions to backend services. Each is written to the outbox and for webhooks in the same
//! transaction as the action that it reports. Without a broker and webhooks no service could read them, so none are created.

use std::sync::Arc;

use bytes::Bytes;
use realtime_gateway_protocol::{
    ChatContent, ChatData, ClanId, MessageId, MessageType, NotificationId, RawJson, ServiceName, Timestamp, TopicName,
    UserId,
};
use serde::Serialize;

use crate::{
    bus::routing::encode_word,
    command_error::CommandError,
    config::LiveConfig,
    runtime::clock::NodeClock,
    store::{Event, EventSource},
    telemetry::trace,
};

/// The body of a `chat.message.<clanId>` event. The store adds `offset` and `epoch`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChatReport<'a> {
    pub(crate) user_id: &'a UserId,
    pub(crate) content: &'a ChatContent,
    pub(crate) message_id: &'a MessageId,
    pub(crate) message_type: &'a MessageType,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<&'a ChatData>,
}

/// The body of a `service.<name>.<topic>` event. The store adds `offset` and `epoch`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TopicReport<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_id: Option<&'a UserId>,
    pub(crate) data: &'a RawJson,
}

/// The body of a `notification.unacked.<userId>` event.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UnacknowledgedReport<'a> {
    pub(crate) notification_id: &'a NotificationId,
    pub(crate) title: &'a str,
    pub(crate) message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<&'a RawJson>,
    pub(crate) created_at: Timestamp,
}

/// The empty body of an event whose fields are all added by the store.
#[derive(Serialize)]
pub(crate) struct StoreFieldsOnly {}

/// The subject of an event, which determines its routing key.
pub(crate) enum EventSubject<'a> {
    Chat(&'a ClanId),
    Acknowledged(&'a UserId),
    Dropped(&'a UserId),
    Unacknowledged(&'a UserId),
    Topic(&'a ServiceName, &'a TopicName),
}

impl EventSubject<'_> {
    fn routing_key(&self) -> String {
        match self {
            Self::Chat(clan) => format!("chat.message.{}", encode_word(clan.as_str())),
            Self::Acknowledged(user) => format!("notification.acked.{}", encode_word(user.as_str())),
            Self::Dropped(user) => format!("notification.dropped.{}", encode_word(user.as_str())),
            Self::Unacknowledged(user) => format!("notification.unacked.{}", encode_word(user.as_str())),
            Self::Topic(service, topic) => {
                format!("service.{}.{}", encode_word(service.as_str()), encode_word(topic.as_str()))
            }
        }
    }
}

/// Creates the events that report client actions.
#[derive(Clone)]
pub(crate) struct Reports {
    clock: NodeClock,
    /// Says whether there is a broker, and which webhooks there are.
    config: LiveConfig,
}

impl Reports {
    /// Creates a factory of events, which creates none if there are no readers.
    pub(crate) fn new(clock: NodeClock, config: LiveConfig) -> Self {
        Self { clock, config }
    }

    /// Returns whether there is a broker or a webhook.
    pub(crate) fn has_readers(&self) -> bool {
        let config = self.config.get();
        !config.bus.is_embedded() || !config.webhooks.is_empty()
    }

    /// Creates an event, or returns `None` when there are no readers. `source` is who has caused it. Receivers use `id` to detect duplicates.
    ///
    /// # Errors
    /// `internal` when the body cannot be serialized to JSON.
    pub(crate) fn event(
        &self,
        id: &str,
        subject: &EventSubject<'_>,
        source: EventSource,
        body: &impl Serialize,
    ) -> Result<Option<Event>, CommandError> {
        if !self.has_readers() {
            return Ok(None);
        }
        let body = serde_json::to_vec(body).map_err(CommandError::internal)?;
        let body = Bytes::from(match trace::current() {
            Some(trace) => trace.mark(&body),
            None => body,
        });
        let (id, key, at) = (Arc::from(id), subject.routing_key().into(), self.clock.now());
        Ok(Some(Event { id, key, at, body, source }))
    }
}
