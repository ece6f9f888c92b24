//! Adds, lists and ends subscriptions of users.

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::OpenApi;
use realtime_gateway_protocol::{ServiceName, Timestamp, TopicName, TtlSeconds, UserId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    commands::{NewServerSubscription, ServerSubscriptions},
    http::{
        body::{Body, JsonResponse, NoContent},
        key::{Admin, Key, Read},
        parameter::{Optional, Path, Query},
        problem::Problem,
        tags::Tag,
    },
    store::{ServerSubscription, SubscriptionFilter},
};

/// A topic to which the sessions of a user are subscribed.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct AddSubscription {
    /// A declared service.
    service: ServiceName,
    /// The topic.
    topic: TopicName,
    /// How long the subscription holds, in seconds. Without it, it holds until it is ended.
    ttl_seconds: Option<TtlSeconds>,
}

/// A topic to which the sessions of a user are subscribed.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct SubscriptionSeen {
    /// The service.
    service: ServiceName,
    /// The topic.
    topic: TopicName,
    /// When the subscription was added.
    since: Timestamp,
    /// When the subscription ends, if it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
}

/// The server-side subscriptions of a user.
#[derive(Debug, Serialize, JsonSchema)]
struct UserSubscriptions {
    /// The subscriptions, in the order in which they were added.
    subscriptions: Vec<SubscriptionSeen>,
}

/// The result of ending subscriptions.
#[derive(Debug, Serialize, JsonSchema)]
struct Unsubscribed {
    /// The number of subscriptions ended on the node that handled the request. Other nodes end theirs within a second.
    subscriptions: usize,
}

impl From<ServerSubscription> for SubscriptionSeen {
    fn from(ServerSubscription { service, topic, since, until }: ServerSubscription) -> Self {
        Self { service, topic, since, until }
    }
}

/// The routes of the subscriptions of users.
pub(in crate::http) struct Subscriptions;

#[OpenApi(prefix_path = "/api/v1/users", tag = "Tag::Users")]
impl Subscriptions {
    /// Subscribe a user.
    ///
    /// Subscribes every session of the user to a topic, on every node: the live ones within a second, and later ones when
    /// they begin. The user needs no grant, and the subscription does not count towards `limits.subscriptions`. It is
    /// stored until it is ended or its time has passed; a repeat replaces it. 404 (`unknown_service`) when there is no
    /// such topic, 422 (`other_users_topic`) for a topic that belongs to another user, 409 (`subscription_limit`) when the
    /// user has 100 others.
    #[oai(path = "/:userId/subscriptions", method = "post", operation_id = "addSubscription")]
    async fn add(
        &self,
        _key: Key<Admin>,
        #[oai(name = "userId")] user: Path<UserId>,
        request: Body<AddSubscription>,
        subscriptions: Data<&Arc<ServerSubscriptions>>,
    ) -> Result<NoContent, Problem> {
        let AddSubscription { service, topic, ttl_seconds: ttl } = request.0;
        subscriptions.add(&user.0, NewServerSubscription { service, topic, ttl }).await?;
        Ok(NoContent)
    }

    /// List a user's server-side subscriptions.
    ///
    /// Those that were added here. Subscriptions of clients, and those of the token's claim `subscribe`, belong to
    /// sessions.
    #[oai(path = "/:userId/subscriptions", method = "get", operation_id = "getSubscriptions")]
    async fn list(
        &self,
        _key: Key<Read>,
        #[oai(name = "userId")] user: Path<UserId>,
        subscriptions: Data<&Arc<ServerSubscriptions>>,
    ) -> Result<JsonResponse<UserSubscriptions>, Problem> {
        let subscriptions = subscriptions.of_user(&user.0).await?.into_iter();
        Ok(JsonResponse(UserSubscriptions { subscriptions: subscriptions.map(Into::into).collect() }))
    }

    /// End a user's subscriptions.
    ///
    /// Ends live subscriptions, whether the client or the server has made them, and removes those that were added here.
    /// Clients receive `subscription_ended`. Without `topic`, all subscriptions to the service end. 404
    /// (`unknown_service`) when the gateway has no such service or topic.
    #[oai(path = "/:userId/subscriptions", method = "delete", operation_id = "endSubscriptions")]
    async fn end(
        &self,
        _key: Key<Admin>,
        #[oai(name = "userId")] user: Path<UserId>,
        /// `notifications`, `clan_chat` or a declared service.
        service: Query<ServiceName>,
        /// The topic. For `clan_chat` it is the clan.
        topic: Optional<TopicName>,
        subscriptions: Data<&Arc<ServerSubscriptions>>,
    ) -> Result<JsonResponse<Unsubscribed>, Problem> {
        let filter = SubscriptionFilter { service: service.0, topic: topic.0 };
        Ok(JsonResponse(Unsubscribed { subscriptions: subscriptions.end(&user.0, &filter).await? }))
    }
}
