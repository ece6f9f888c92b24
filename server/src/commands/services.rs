//! The registry of services, and the generic commands `subscribe`, `unsubscribe` and `publish`.

use std::sync::Arc;

use realtime_gateway_protocol::{
    ClientMessageId, ErrorCode, GetTopicHistory, GetTopicPresence, Publish, RawJson, ServiceName, Subscribe,
    TopicHistory, TopicName, TopicPresence, UserId,
};

use super::{
    ServiceTable,
    calls::caller_of,
    history::{HistoryPage, PageOf, read_page},
    service::{Commands, HistoryKind, NewSubscription, PresenceKind, Service, ServicePublication},
    topic_events::{NewEvent, Published, TopicEvents, repeat_key},
};
use crate::{
    auth::{Action, Permissions},
    command_error::CommandError,
    delivery::{
        log::TopicLog,
        presence::{Joining, Presence},
    },
    session::Session,
    store::{Idempotency, IdempotencyKey},
    topic::Topic,
};

/// The error code when the server should subscribe a user to the topic of another user.
pub(crate) const OTHER_USERS_TOPIC: &str = "other_users_topic";
/// The maximum size of `presenceData`, in bytes as written.
const MAX_PRESENCE_DATA_BYTES: usize = 1024;

/// The services of this gateway.
pub struct Services {
    table: Arc<ServiceTable>,
    events: TopicEvents,
    permissions: Arc<Permissions>,
    presence: Arc<Presence>,
}

impl Services {
    /// Creates the registry. `log` is the log of the topics of services with generic commands.
    pub(crate) fn new(
        table: Arc<ServiceTable>,
        log: TopicLog,
        permissions: Arc<Permissions>,
        presence: Arc<Presence>,
    ) -> Self {
        Self { table, events: TopicEvents::new(log), permissions, presence }
    }

    /// Returns all services.
    pub fn table(&self) -> &Arc<ServiceTable> {
        &self.table
    }

    /// Returns the names of the services: the built-in ones first, then the others in alphabetical order.
    pub fn names(&self) -> Vec<ServiceName> {
        let mut names = vec![ServiceName::notifications(), ServiceName::clan_chat()];
        names.extend(self.table.names());
        names
    }

    /// Checks that a service exists and, if a topic is given, that the service has it.
    ///
    /// # Errors
    /// `unknown_service` when the service or the topic does not exist.
    pub(crate) fn check(&self, service: &ServiceName, topic: Option<&TopicName>) -> Result<(), CommandError> {
        let found = self.table.get(service).ok_or_else(unknown_service)?;
        if topic.is_some_and(|topic| !found.has_topic(topic)) {
            return Err(unknown_topic());
        }
        Ok(())
    }

    /// Returns the topic that a generic command names.
    ///
    /// # Errors
    /// `unknown_service` when no service accepts generic commands for the topic.
    pub(crate) fn topic(&self, service: ServiceName, topic: TopicName) -> Result<Topic, CommandError> {
        self.find(&service, &topic)?;
        Ok(Topic::Service(service, topic))
    }

    /// Counts a subscription that has begun towards the presence of its topic, and lets the service act on it.
    pub(crate) async fn subscribed(&self, new: &NewSubscription) {
        let Some(service) = self.table.of(new.topic()) else { return };
        if service.presence(&new.topic().name()) != PresenceKind::Off {
            self.presence.joined(&new.subscription, new.joining.clone()).await;
        }
        service.subscribed(new).await;
    }

    /// Returns how a client that subscribes takes part in the presence of the topic.
    ///
    /// # Errors
    /// `unknown_service` when no service accepts generic commands for the topic; `invalid_message` for presence that the
    /// topic does not have, and for data that is invalid or over 1 KiB.
    pub(crate) fn joining(&self, subscribe: &Subscribe) -> Result<Joining, CommandError> {
        let service = self.find(&subscribe.service, &subscribe.topic)?;
        let kind = service.presence(&subscribe.topic);
        let watches = subscribe.presence.unwrap_or(false);
        if watches && kind == PresenceKind::Off {
            return Err(CommandError::field("presence", "this topic has no presence"));
        }
        if let Some(data) = &subscribe.presence_data {
            if kind != PresenceKind::UsersWithData {
                return Err(CommandError::field("presenceData", "this topic has no presence data"));
            }
            if data.as_str().len() > MAX_PRESENCE_DATA_BYTES {
                return Err(CommandError::field("presenceData", "presence data has at most 1024 bytes"));
            }
            service.check_presence_data(&subscribe.topic, data)?;
        }
        Ok(Joining { watches, data: subscribe.presence_data.clone() })
    }

    /// Returns the users who are present in a topic to a client (`topic_presence`).
    ///
    /// # Errors
    /// `unknown_service`, `forbidden`, and the errors of [`Services::topic_presence`].
    pub(crate) async fn read_presence(
        &self,
        session: &Session,
        get: &GetTopicPresence,
    ) -> Result<TopicPresence, CommandError> {
        self.find(&get.service, &get.topic)?;
        let topic = Topic::Service(get.service.clone(), get.topic.clone());
        self.permissions.check(session.requester(&session.identity()), Action::Read, &topic).await?;
        self.topic_presence(&get.service, &get.topic).await
    }

    /// Returns the users who are present in a topic, on all nodes.
    ///
    /// # Errors
    /// `unknown_service` (also for a topic that the service does not have), `invalid_message` for a topic without
    /// presence, `unavailable` when the store does not answer in time.
    pub async fn topic_presence(
        &self,
        service: &ServiceName,
        topic: &TopicName,
    ) -> Result<TopicPresence, CommandError> {
        if self.find(service, topic)?.presence(topic) == PresenceKind::Off {
            return Err(CommandError::field("topic", "this topic has no presence"));
        }
        self.presence.topic_roster(service, topic).await
    }

    /// Checks that the server may subscribe a user to a topic.
    ///
    /// # Errors
    /// `unknown_service` when no service with generic commands has the topic, [`OTHER_USERS_TOPIC`] when it belongs to
    /// another user.
    pub(super) fn check_server_side(
        &self,
        user: &UserId,
        service: &ServiceName,
        topic: &TopicName,
    ) -> Result<(), CommandError> {
        match self.find(service, topic)?.owner(topic)? {
            Some(owner) if owner != *user => {
                Err(CommandError::new(OTHER_USERS_TOPIC.into(), "the topic belongs to another user"))
            }
            _ => Ok(()),
        }
    }

    /// Returns a service that may have calls.
    ///
    /// # Errors
    /// `unknown_service` when no service with generic commands has this name.
    pub(super) fn with_calls(&self, service: &ServiceName) -> Result<Arc<dyn Service>, CommandError> {
        let found = self.table.get(service).filter(|service| service.commands() == Commands::Generic);
        found.ok_or_else(unknown_service)
    }

    fn find(&self, service: &ServiceName, topic: &TopicName) -> Result<Arc<dyn Service>, CommandError> {
        let found = self.table.get(service).filter(|service| service.commands() == Commands::Generic);
        let found = found.ok_or_else(unknown_service)?;
        if found.has_topic(topic) { Ok(found) } else { Err(unknown_topic()) }
    }

    /// Returns the service of a publication.
    ///
    /// # Errors
    /// `unknown_service`.
    pub(super) fn of_publication(&self, publish: &Publish) -> Result<Arc<dyn Service>, CommandError> {
        self.find(&publish.service, &publish.topic)
    }

    /// Checks whether a client may publish to a topic, or may ask the backend of the service whether it may.
    ///
    /// # Errors
    /// `forbidden`, `unavailable`.
    pub(super) async fn check_publisher(&self, session: &Session, publish: &Publish) -> Result<(), CommandError> {
        let topic = Topic::Service(publish.service.clone(), publish.topic.clone());
        self.permissions.check(session.requester(&session.identity()), Action::Publish, &topic).await.map(|_| ())
    }

    /// Asks the backend of the service about a publication whose client may ask it, and publishes what it returns. A
    /// publication that is stored already is not asked about again.
    ///
    /// # Errors
    /// The errors of the service, and the errors of [`Services::post`].
    pub(super) async fn ask_and_publish(&self, session: &Session, publish: Publish) -> Result<Published, CommandError> {
        let Publish { service: name, topic, data, client_message_id } = publish;
        let service = self.find(&name, &topic)?;
        let (history, id) = (service.history(&topic), client_message_id.as_ref());
        let key = key_of(session, history, id, &data)?;
        if let Some(published) = self.events.published_before(name.clone(), topic.clone(), key.as_ref(), id).await? {
            return Ok(published);
        }
        let claims = session.claims();
        let (caller, kept_claims) = (caller_of(session), claims.as_deref());
        let publication = ServicePublication { caller, kept_claims, topic: &topic, data, client_message_id: id };
        let data = service.ask_about_publication(publication).await?;
        let event = NewEvent { data: &data, user: Some(session.user()), client_message_id: id, key, history };
        self.events.publish(name, topic, event).await
    }

    /// Publishes the event of a client (`publish`). `service` is that of the publication.
    ///
    /// # Errors
    /// `forbidden`, the errors of the service, and the errors of [`Services::post`].
    pub(super) async fn publish(
        &self,
        service: &dyn Service,
        session: &Session,
        publish: Publish,
    ) -> Result<Published, CommandError> {
        self.check_publisher(session, &publish).await?;
        let (history, id) = (service.history(&publish.topic), publish.client_message_id.as_ref());
        let key = key_of(session, history, id, &publish.data)?;
        let data = match service.publish(session.user(), &publish.topic, publish.data).await {
            Ok(data) => data,
            Err(error) => {
                let before = self.events.published_before(publish.service, publish.topic, key.as_ref(), id);
                return before.await?.ok_or(error);
            }
        };
        let event = NewEvent { data: &data, user: Some(session.user()), client_message_id: id, key, history };
        let published = self.events.publish(publish.service, publish.topic, event).await;
        published.map_err(|error| error.for_command_with_id(id))
    }

    /// Publishes the event of a backend service.
    ///
    /// # Errors
    /// `unknown_service` (also for a topic that the service does not have), `invalid_message` for data that the service
    /// does not accept, `message_too_large`, `conflict`, `unavailable`.
    pub async fn post(
        &self,
        service: ServiceName,
        topic: TopicName,
        data: RawJson,
        id: Option<ClientMessageId>,
    ) -> Result<Published, CommandError> {
        let found = self.find(&service, &topic)?;
        let history = found.history(&topic);
        let key = repeat_key(history, id.clone().map(IdempotencyKey::Backend), &data)?;
        if let Err(error) = found.validate_event(&topic, &data) {
            return self.events.published_before(service, topic, key.as_ref(), id.as_ref()).await?.ok_or(error);
        }
        let event = NewEvent { data: &data, user: None, client_message_id: id.as_ref(), key, history };
        self.events.publish(service, topic, event).await
    }

    /// Returns a page of a topic's history to a client (`topic_history`).
    ///
    /// # Errors
    /// `unknown_service`, `forbidden`, and the errors of [`Services::history`].
    pub(crate) async fn read(&self, session: &Session, get: GetTopicHistory) -> Result<TopicHistory, CommandError> {
        self.find(&get.service, &get.topic)?;
        let topic = Topic::Service(get.service.clone(), get.topic.clone());
        self.permissions.check(session.requester(&session.identity()), Action::Read, &topic).await?;
        self.history(get).await
    }

    /// Returns a page of a topic's history.
    ///
    /// # Errors
    /// `unknown_service` (also for a topic that the service does not have), `invalid_message` for a topic without history,
    /// `unavailable` when the store does not answer in time.
    pub async fn history(&self, get: GetTopicHistory) -> Result<TopicHistory, CommandError> {
        if self.find(&get.service, &get.topic)?.history(&get.topic) == HistoryKind::Off {
            return Err(CommandError::field("topic", "this topic has no history"));
        }
        let topic = Topic::Service(get.service.clone(), get.topic.clone());
        let page = PageOf::requested(get.before, get.after);
        let page = read_page(self.events.log(), &topic, page, get.limit, |entry| entry.event()).await?;
        let HistoryPage { epoch, messages: events, has_more, trimmed } = page;
        Ok(TopicHistory { service: get.service, topic: get.topic, epoch, events, has_more, trimmed })
    }
}

/// Returns the key of a client's publication. The digest is that of the client's data, because a service may transform the
/// same data differently each time.
fn key_of(
    session: &Session,
    history: HistoryKind,
    id: Option<&ClientMessageId>,
    data: &RawJson,
) -> Result<Option<Idempotency>, CommandError> {
    repeat_key(history, id.map(|id| IdempotencyKey::User(session.user().clone(), id.clone())), data)
}

pub(super) fn unknown_service() -> CommandError {
    CommandError::new(ErrorCode::UnknownService, "this gateway has no service of that name")
}

pub(super) fn unknown_topic() -> CommandError {
    CommandError::new(ErrorCode::UnknownService, "the service has no such topic")
}
