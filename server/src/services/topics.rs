//! Topics of named services: `subscribe`, `unsubscribe` and `publish`, for every service that is added to the gateway.

use std::{collections::HashMap, sync::Arc};

use realtime_gateway_protocol::{
    ClientMessageId, ErrorCode, MessageId, MessageSent, Publish, RawJson, RequestId, ServiceName, Subscribe, Timestamp,
    TopicName, Unsubscribe, UserId,
};
use serde::Serialize;

use super::{
    Subscribing,
    entry::entry_body,
    reports::{About, TopicReport},
};
use crate::{
    auth::Action,
    command_error::CommandError,
    node::{Node, new_id},
    service::Service,
    session::Session,
    store::{Append, Idempotency, IdempotencyKey},
    topic::Topic,
};

/// The services that were added.
#[derive(Default)]
pub struct Topics {
    services: HashMap<ServiceName, Arc<dyn Service>>,
}

/// What the log keeps of an event.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventBody<'a> {
    r#type: &'static str,
    data: &'a RawJson,
    published_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_message_id: Option<&'a ClientMessageId>,
}

/// An event on its way into the log.
struct NewEvent<'a> {
    data: &'a RawJson,
    /// Who publishes it; none for a backend service.
    user: Option<&'a UserId>,
    client_message_id: Option<&'a ClientMessageId>,
    key: Option<Idempotency>,
}

impl Topics {
    /// Takes the services, by their names.
    pub fn new(services: Vec<Arc<dyn Service>>) -> Self {
        Self { services: services.into_iter().map(|service| (service.name(), service)).collect() }
    }

    /// The names of the services.
    pub fn names(&self) -> Vec<ServiceName> {
        let mut names: Vec<_> = self.services.keys().cloned().collect();
        names.sort();
        names
    }

    fn find(&self, service: &ServiceName, topic: &TopicName) -> Result<Arc<dyn Service>, CommandError> {
        let Some(found) = self.services.get(service) else { return Err(unknown_service()) };
        if !found.has_topic(topic) {
            return Err(CommandError::new(ErrorCode::UnknownService, "the service has no such topic"));
        }
        Ok(found.clone())
    }

    /// Checks that this gateway has a service of this name and, where one is named, the topic. The topics of the
    /// services that come with the gateway are users and clans, of which any may exist.
    ///
    /// # Errors
    /// `unknown_service`.
    pub(crate) fn check(&self, service: &ServiceName, topic: Option<&TopicName>) -> Result<(), CommandError> {
        if [ServiceName::notifications(), ServiceName::clan_chat()].contains(service) {
            return Ok(());
        }
        match topic {
            Some(topic) => self.find(service, topic).map(drop),
            None if self.services.contains_key(service) => Ok(()),
            None => Err(unknown_service()),
        }
    }

    /// `subscribe`
    pub(crate) async fn subscribe(
        node: &Arc<Node>,
        session: &Arc<Session>,
        request_id: Option<RequestId>,
        asked: Subscribe,
    ) -> Result<(), CommandError> {
        node.topics.find(&asked.service, &asked.topic)?;
        let what = Subscribing { recover: asked.recover, history: asked.history.unwrap_or(0) };
        node.subscribe(session, request_id, Topic::Service(asked.service, asked.topic), what).await?;
        Ok(())
    }

    /// `unsubscribe`
    pub(crate) fn unsubscribe(
        node: &Arc<Node>,
        session: &Session,
        request_id: Option<RequestId>,
        asked: Unsubscribe,
    ) -> Result<(), CommandError> {
        node.topics.find(&asked.service, &asked.topic)?;
        node.unsubscribe_and_confirm(session, request_id, &Topic::Service(asked.service, asked.topic));
        Ok(())
    }

    /// `publish`
    pub(crate) async fn publish(
        node: &Arc<Node>,
        session: &Session,
        asked: Publish,
    ) -> Result<MessageSent, CommandError> {
        let service = node.topics.find(&asked.service, &asked.topic)?;
        let topic = Topic::Service(asked.service.clone(), asked.topic.clone());
        node.permissions.check(&session.identity(), Action::Publish, &topic).await?;
        let id = asked.client_message_id.as_ref();
        let key = id.map(|id| IdempotencyKey::User(session.user.clone(), id.clone()));
        // Of what the client has sent: what a service makes of it may differ each time.
        let key = key.map(|key| Idempotency::new(key, &asked.data)).transpose().map_err(CommandError::internal)?;
        let data = service.publish(&session.user, &asked.topic, asked.data).await?;
        let event = NewEvent { data: &data, user: Some(&session.user), client_message_id: id, key };
        let sent = Self::append(node, asked.service, asked.topic, event).await;
        sent.map_err(|error| error.about_command_with(id))
    }

    /// Publishes on behalf of a backend service.
    ///
    /// # Errors
    /// `unknown_service` (also for a topic that the service does not have), `message_too_large`, `conflict`,
    /// `unavailable`.
    pub async fn post(
        node: &Arc<Node>,
        service: ServiceName,
        topic: TopicName,
        data: RawJson,
        id: Option<ClientMessageId>,
    ) -> Result<MessageSent, CommandError> {
        node.topics.find(&service, &topic)?;
        let key = id.clone().map(|id| Idempotency::new(IdempotencyKey::Backend(id), &data));
        let key = key.transpose().map_err(CommandError::internal)?;
        let event = NewEvent { data: &data, user: None, client_message_id: id.as_ref(), key };
        Self::append(node, service, topic, event).await
    }

    async fn append(
        node: &Arc<Node>,
        service: ServiceName,
        name: TopicName,
        NewEvent { data, user, client_message_id, key }: NewEvent<'_>,
    ) -> Result<MessageSent, CommandError> {
        let id: MessageId = new_id()?;
        let at = node.now();
        let body = entry_body(&EventBody { r#type: "event", data, published_at: at, user_id: user, client_message_id });
        let body = node.checked_body(body)?;
        let topic = Topic::Service(service.clone(), name.clone());
        let retention = node.history_retention();
        let report = TopicReport { user_id: user, data };
        let event = node.report(id.as_str(), &About::Topic(&service, &name), &report)?;
        let appended = node.append(Append { topic, id, key, at, body, retention, redaction: None, event }).await?;
        Ok(MessageSent {
            message_id: appended.id,
            clan_id: None,
            service: Some(service),
            topic: Some(name),
            offset: appended.offset,
            client_message_id: client_message_id.cloned(),
            duplicate: appended.duplicate.then_some(true),
        })
    }
}

fn unknown_service() -> CommandError {
    CommandError::new(ErrorCode::UnknownService, "this gateway has no service of that name")
}
