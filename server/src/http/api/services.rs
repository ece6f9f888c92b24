//! Publishes events to the topics of declared services, and reads their history and presence.

use std::sync::Arc;

use poem::{IntoResponse, Response, web::Data};
use poem_openapi::{
    ApiResponse, OpenApi,
    registry::{MetaResponses, Registry},
};
use realtime_gateway_protocol::{
    ClientMessageId, Event, GetTopicHistory, HistoryLimit, NOT_BEFORE_AND_AFTER, RawJson, ServiceName, TopicHistory,
    TopicName, TopicPresence, TopicUser,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::MessageAccepted;
use crate::{
    commands::{self, Published},
    http::{
        body::{Accepted, Body, JsonResponse, NoContent},
        key::{Key, Publish, Read},
        parameter::{Optional, Path, Position},
        problem::Problem,
        tags::Tag,
    },
};

/// An event for the subscribers of a topic.
#[derive(Deserialize, JsonSchema)]
struct PublishEvent {
    /// The content, which is passed on to clients unchanged.
    data: RawJson,
    /// An idempotency key: a repeated request with the same id is stored once. With other content it is refused with
    /// `conflict`. A topic without history only passes it on.
    id: Option<ClientMessageId>,
}

/// The response to a publication: 202 with its position or, for a topic without history, 204.
enum PublishResponse {
    Stored(Accepted<MessageAccepted>),
    Sent(NoContent),
}

impl From<Published> for PublishResponse {
    fn from(published: Published) -> Self {
        match published {
            Published::Stored(sent) => Self::Stored(JsonResponse(sent.into())),
            Published::Sent(_) => Self::Sent(NoContent),
        }
    }
}

impl IntoResponse for PublishResponse {
    fn into_response(self) -> Response {
        match self {
            Self::Stored(accepted) => accepted.into_response(),
            Self::Sent(no_content) => no_content.into_response(),
        }
    }
}

impl ApiResponse for PublishResponse {
    fn meta() -> MetaResponses {
        let mut responses = Accepted::<MessageAccepted>::meta().responses;
        responses.extend(NoContent::meta().responses);
        MetaResponses { responses }
    }

    fn register(registry: &mut Registry) {
        Accepted::<MessageAccepted>::register(registry);
    }
}

/// A page of a topic's history.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Events {
    /// The store's epoch.
    epoch: String,
    /// Events in ascending order of their offsets.
    events: Vec<Event>,
    /// Whether there are more events in the requested direction.
    has_more: bool,
    /// Present and true when entries after `after` are missing because the log no longer contains them.
    #[serde(skip_serializing_if = "Option::is_none")]
    trimmed: Option<bool>,
}

/// The users who are present in a topic.
#[derive(Debug, Serialize, JsonSchema)]
struct PresentUsers {
    /// The first 200 users in the order of their ids. Fewer if the response would exceed 256 KiB.
    users: Vec<TopicUser>,
    /// The total number of users.
    count: u64,
}

/// The routes of services.
pub(in crate::http) struct Services;

#[OpenApi(prefix_path = "/api/v1/services", tag = "Tag::Services")]
impl Services {
    /// Publish an event.
    ///
    /// 204 for a topic without history: the event was sent to the current subscribers.
    #[oai(path = "/:service/topics/:topic/events", method = "post", operation_id = "publishEvent")]
    async fn publish(
        &self,
        _key: Key<Publish>,
        service: Path<ServiceName>,
        topic: Path<TopicName>,
        request: Body<PublishEvent>,
        services: Data<&Arc<commands::Services>>,
    ) -> Result<PublishResponse, Problem> {
        let published = services.post(service.0, topic.0, request.0.data, request.0.id).await?;
        Ok(published.into())
    }

    /// Read a topic's history.
    ///
    /// Returns the newest page, unless `before` or `after` is given. They cannot be combined. A topic without history is
    /// refused with `invalid_message`.
    #[oai(path = "/:service/topics/:topic/events", method = "get", operation_id = "getEvents")]
    #[expect(clippy::too_many_arguments, reason = "poem-openapi takes each parameter of the route as an argument")]
    async fn read(
        &self,
        _key: Key<Read>,
        service: Path<ServiceName>,
        topic: Path<TopicName>,
        /// The page ends before this offset.
        before: Optional<Position>,
        /// The page begins after this offset.
        after: Optional<Position>,
        /// The maximum number of events.
        limit: Optional<HistoryLimit>,
        services: Data<&Arc<commands::Services>>,
    ) -> Result<JsonResponse<Events>, Problem> {
        let (before, after) = (before.0.map(|position| position.0), after.0.map(|position| position.0));
        if before.is_some() && after.is_some() {
            return Err(Problem::field("before", NOT_BEFORE_AND_AFTER));
        }
        let limit = limit.0.unwrap_or_default();
        let get = GetTopicHistory { service: service.0, topic: topic.0, before, after, limit };
        let TopicHistory { epoch, events, has_more, trimmed, .. } = services.history(get).await?;
        Ok(JsonResponse(Events { epoch, events, has_more, trimmed }))
    }

    /// Read who is present in a topic.
    ///
    /// Returns the users with subscriptions on any node. A topic without presence is refused with `invalid_message`.
    #[oai(path = "/:service/topics/:topic/presence", method = "get", operation_id = "getTopicPresence")]
    async fn presence(
        &self,
        _key: Key<Read>,
        service: Path<ServiceName>,
        topic: Path<TopicName>,
        services: Data<&Arc<commands::Services>>,
    ) -> Result<JsonResponse<PresentUsers>, Problem> {
        let TopicPresence { users, count, .. } = services.topic_presence(&service.0, &topic.0).await?;
        Ok(JsonResponse(PresentUsers { users, count }))
    }
}
