//! What backend services are told of what clients do: events for the outbox, written in the same step as what they
//! report. Without a broker nobody would read them, and none is made.

use std::sync::Arc;

use bytes::Bytes;
use realtime_gateway_protocol::{
    ChatContent, ChatData, ClanId, MessageId, MessageType, RawJson, ServiceName, TopicName, UserId,
};
use serde::Serialize;

use crate::{bus::routing::encode_word, command_error::CommandError, node::Node, store::Event};

/// `chat.message.<clanId>`; the store adds `offset` and `epoch`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChatReport<'a> {
    pub(super) user_id: &'a UserId,
    pub(super) content: &'a ChatContent,
    pub(super) message_id: &'a MessageId,
    pub(super) message_type: &'a MessageType,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<&'a ChatData>,
}

/// `service.<name>.<topic>`; the store adds `offset` and `epoch`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TopicReport<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user_id: Option<&'a UserId>,
    pub(super) data: &'a RawJson,
}

/// An event whose body the store makes by itself.
#[derive(Serialize)]
pub(super) struct StoreKnows {}

/// What an event is about, from which its routing key is made.
pub(super) enum About<'a> {
    Chat(&'a ClanId),
    Acknowledged(&'a UserId),
    Dropped(&'a UserId),
    Topic(&'a ServiceName, &'a TopicName),
}

impl About<'_> {
    fn routing_key(&self) -> String {
        match self {
            Self::Chat(clan) => format!("chat.message.{}", encode_word(clan.as_str())),
            Self::Acknowledged(user) => format!("notification.acked.{}", encode_word(user.as_str())),
            Self::Dropped(user) => format!("notification.dropped.{}", encode_word(user.as_str())),
            Self::Topic(service, topic) => {
                format!("service.{}.{}", encode_word(service.as_str()), encode_word(topic.as_str()))
            }
        }
    }
}

impl Node {
    /// An event, unless nobody would read it. `id` tells copies apart.
    pub(super) fn report(
        &self,
        id: &str,
        about: &About<'_>,
        body: &impl Serialize,
    ) -> Result<Option<Event>, CommandError> {
        if !self.reports {
            return Ok(None);
        }
        let body = serde_json::to_vec(body).map(Bytes::from).map_err(CommandError::internal)?;
        Ok(Some(Event { id: Arc::from(id), key: about.routing_key().into(), at: self.now(), body }))
    }
}
