//! The trait of services: a name, topics, and the rules for publishing to them.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use gateway_contracts::CallPolicy;
use realtime_gateway_protocol::{ClientMessageId, ErrorCode, MethodName, RawJson, ServiceName, TopicName, UserId};

use crate::{
    auth::{Action, KeptClaims, TopicAccess},
    backend::{BackendCall, Caller},
    command_error::CommandError,
    delivery::{hub::Subscription, presence::Joining},
    topic::Topic,
};

/// The commands that a service handles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commands {
    /// The generic commands `subscribe`, `unsubscribe` and `publish` with the name of the service.
    Generic,
    /// Specific commands such as `subscribe_clan_chat`. Generic commands for the service fail with `unknown_service`.
    /// Only built-in services have specific commands.
    Specific,
}

/// Whether a topic has presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PresenceKind {
    /// The topic has no presence.
    Off,
    /// Subscribers are present, without data.
    Users,
    /// Subscribers are present, and may show data (`presenceData`).
    UsersWithData,
}

/// Whether the events of a topic are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryKind {
    /// They are entries of a log, from which clients recover.
    Kept(TopicRetention),
    /// They are sent to the current subscribers only.
    Off,
}

/// How long the entries of a topic are kept. A missing bound is that of the gateway (`history.*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TopicRetention {
    /// The maximum number of entries.
    pub max_entries: Option<u64>,
    /// The maximum age of an entry.
    pub max_age: Option<Duration>,
}

/// A call of a client.
#[derive(Debug, Clone, Copy)]
pub struct ServiceCall<'a> {
    /// The client.
    pub caller: Caller<'a>,
    /// The claims of its token that are kept. `None` when the configuration names none.
    pub kept_claims: Option<&'a KeptClaims>,
    /// The method and its data.
    pub request: BackendCall<'a>,
    /// How long the client waits for the result.
    pub time_limit: Duration,
}

/// Who checks the data that clients publish to a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublicationCheck {
    /// The gateway, with [`Service::publish`].
    InProcess,
    /// A backend, with [`Service::ask_about_publication`]. The publications of a session are asked one after another, while
    /// its other commands continue.
    ByBackend,
}

/// A publication of a client, about which a backend decides.
#[derive(Debug, Clone)]
pub struct ServicePublication<'a> {
    /// The client.
    pub caller: Caller<'a>,
    /// The claims of its token that are kept. `None` when the configuration names none.
    pub kept_claims: Option<&'a KeptClaims>,
    /// The topic.
    pub topic: &'a TopicName,
    /// The data of the client.
    pub data: RawJson,
    /// The id that a repeat of the publication has too.
    pub client_message_id: Option<&'a ClientMessageId>,
}

/// Returns the error for a call that a service does not have.
pub fn unknown_method() -> CommandError {
    CommandError::new(ErrorCode::UnknownMethod, "the service has no such call")
}

/// A subscription that has begun.
pub struct NewSubscription {
    pub(crate) subscription: Arc<Subscription>,
    pub(crate) joining: Joining,
}

impl NewSubscription {
    /// Returns the user who has subscribed.
    pub fn user(&self) -> &UserId {
        &self.subscription.recipient().user
    }

    /// Returns the topic.
    pub fn topic(&self) -> &Topic {
        self.subscription.topic()
    }
}

/// A service: built in, added by an application, or declared by a contract. The gateway provides subscriptions, history, recovery,
/// idempotency and fan-out. Permissions come from the token's `topics` claim or from `permissions.url`.
///
/// ```
/// use async_trait::async_trait;
/// use gateway::{command_error::CommandError, service::Service};
/// use realtime_gateway_protocol::{RawJson, ServiceName, TopicName, UserId};
///
/// struct Orders;
///
/// #[async_trait]
/// impl Service for Orders {
///     fn name(&self) -> ServiceName {
///         ServiceName::new("orders").expect("a valid name")
///     }
///
///     fn has_topic(&self, topic: &TopicName) -> bool {
///         topic.as_str().starts_with("order-")
///     }
///
///     async fn publish(&self, _from: &UserId, _topic: &TopicName, data: RawJson) -> Result<RawJson, CommandError> {
///         Ok(data)
///     }
/// }
/// ```
#[async_trait]
pub trait Service: Send + Sync + 'static {
    /// Returns the name that clients use to subscribe.
    fn name(&self) -> ServiceName;

    /// Returns which commands the service handles. By default these are the generic commands.
    fn commands(&self) -> Commands {
        Commands::Generic
    }

    /// Returns whether a topic exists. By default every topic exists.
    fn has_topic(&self, topic: &TopicName) -> bool {
        let _ = topic;
        true
    }

    /// Returns who may perform an action on a topic that exists. By default these are users with a grant.
    ///
    /// # Errors
    /// The error that is sent to the client when no client may perform the action.
    fn access(&self, action: Action, topic: &TopicName) -> Result<TopicAccess, CommandError> {
        let _ = (action, topic);
        Ok(TopicAccess::GRANTS)
    }

    /// Returns the only user to whom a topic that exists belongs, if any. The server can subscribe no other user to it. By
    /// default this is the owner that [`access`](Self::access) returns.
    ///
    /// # Errors
    /// The error of [`access`](Self::access).
    fn owner(&self, topic: &TopicName) -> Result<Option<UserId>, CommandError> {
        Ok(self.access(Action::Subscribe, topic)?.owner)
    }

    /// Returns whether the events of a topic are stored, and for how long. By default this is as long as the gateway keeps
    /// them.
    fn history(&self, topic: &TopicName) -> HistoryKind {
        let _ = topic;
        HistoryKind::Kept(TopicRetention::default())
    }

    /// Validates the data that a backend service publishes, which is stored unchanged. By default all data is valid.
    ///
    /// # Errors
    /// The error that is reported to the backend service, such as [`CommandError::invalid_data`].
    fn validate_event(&self, topic: &TopicName, data: &RawJson) -> Result<(), CommandError> {
        let _ = (topic, data);
        Ok(())
    }

    /// Validates the data that a client publishes and returns the data that subscribers receive. By default clients may
    /// not publish.
    ///
    /// # Errors
    /// The error that is sent to the client. By default `forbidden`.
    async fn publish(&self, from: &UserId, topic: &TopicName, data: RawJson) -> Result<RawJson, CommandError> {
        let _ = (from, topic, data);
        Err(CommandError::new(ErrorCode::Forbidden, "clients may not publish to this service"))
    }

    /// Returns who checks the data that clients publish to a topic. By default this is the gateway.
    fn publication_check(&self, topic: &TopicName) -> PublicationCheck {
        let _ = topic;
        PublicationCheck::InProcess
    }

    /// Asks a backend about a publication and returns the data that subscribers receive. By default this is
    /// [`Service::publish`].
    ///
    /// # Errors
    /// The error that is sent to the client.
    async fn ask_about_publication(&self, publication: ServicePublication<'_>) -> Result<RawJson, CommandError> {
        self.publish(publication.caller.user, publication.topic, publication.data).await
    }

    /// Returns whether a topic has presence. By default it has none.
    fn presence(&self, topic: &TopicName) -> PresenceKind {
        let _ = topic;
        PresenceKind::Off
    }

    /// Validates the data that a user wants to show in a topic with [`PresenceKind::UsersWithData`]. It has at most 1 KiB.
    /// By default all data is valid.
    ///
    /// # Errors
    /// The error that is sent to the client, for the field `presenceData`.
    fn check_presence_data(&self, topic: &TopicName, data: &RawJson) -> Result<(), CommandError> {
        let _ = (topic, data);
        Ok(())
    }

    /// Returns who may use a call. By default a service has no calls.
    ///
    /// # Errors
    /// `unknown_method` when the service has no such call.
    fn call_policy(&self, method: &MethodName) -> Result<CallPolicy, CommandError> {
        let _ = method;
        Err(unknown_method())
    }

    /// Answers a call whose client has the permission. It runs in a task of its own, so that it delays no other command.
    ///
    /// # Errors
    /// The error that is sent to the client.
    async fn call(&self, call: ServiceCall<'_>) -> Result<RawJson, CommandError> {
        let _ = call;
        Err(unknown_method())
    }

    /// Runs after a client has subscribed to a topic of the service, before the client's next command. By default it
    /// does nothing.
    async fn subscribed(&self, new: &NewSubscription) {
        let _ = new;
    }
}
