//! Shows who is connected, what sessions are subscribed to, and what waits for users, over all nodes.

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::OpenApi;
use realtime_gateway_protocol::{ClanId, HistoryLimit, Notification, ServiceName, Timestamp, TopicName, UserId};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    cluster::{Inspector, Page},
    commands,
    http::{
        body::JsonResponse,
        key::{Key, Read},
        parameter::{Optional, Path, Position},
        problem::Problem,
        tags::Tag,
    },
    session::Sessions,
    store::EscalationState,
    topic::Topic,
};

/// A user with sessions.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct UserSeen {
    /// The id of the user.
    user_id: UserId,
    /// The number of the user's sessions.
    sessions: u64,
}

/// Users with sessions on any node.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ConnectedUsers {
    /// The users, in the order of the bytes of their ids.
    users: Vec<UserSeen>,
    /// Whether there are more. `after` of the next page is the last user of this one.
    has_more: bool,
}

/// A topic with subscribers.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct TopicSeen {
    /// `clan:<clanId>`, or `service:<service>:<topic>`.
    topic: String,
    /// The number of subscribed sessions.
    sessions: u64,
}

/// Topics with subscribers on any node.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SubscribedTopics {
    /// The topics, in the order of the bytes of their names.
    topics: Vec<TopicSeen>,
    /// Whether there are more. `after` of the next page is the last topic of this one.
    has_more: bool,
    /// The nodes that did not answer in time. Their sessions are not counted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<String>,
}

/// The subscribers of a topic on all nodes.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Subscribers {
    /// Users with subscribed sessions, in the order of the bytes of their ids.
    subscribers: Vec<UserSeen>,
    /// The number of all subscribed sessions.
    count: u64,
    /// Whether there are more users. `after` of the next page is the last user of this one.
    has_more: bool,
    /// The nodes that did not answer in time. Their sessions are not counted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<String>,
}

/// A notification that is pending.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct PendingNotification {
    #[serde(flatten)]
    notification: Notification,
    /// Given if the notification is reported to backend services when it is not acknowledged in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    escalation: Option<EscalationSeen>,
}

/// The escalation of a pending notification.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct EscalationSeen {
    /// When the notification is due for escalation, or was.
    due_at: Timestamp,
    /// Whether the event `notification.unacked` was made for backend services. It may still be on its way to them.
    reported: bool,
}

impl From<EscalationState> for EscalationSeen {
    fn from(state: EscalationState) -> Self {
        match state {
            EscalationState::Due(due_at) => Self { due_at, reported: false },
            EscalationState::Reported(due_at) => Self { due_at, reported: true },
        }
    }
}

impl From<(Notification, Option<EscalationState>)> for PendingNotification {
    fn from((notification, escalation): (Notification, Option<EscalationState>)) -> Self {
        Self { notification, escalation: escalation.map(Into::into) }
    }
}

/// Notifications that a user has not acknowledged.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct PendingNotifications {
    /// The notifications, in the order of their offsets.
    notifications: Vec<PendingNotification>,
    /// The number of all pending notifications of the user.
    count: u64,
    /// Whether there are more. `after` of the next page is the last offset of this one.
    has_more: bool,
}

fn at_most(limit: Option<HistoryLimit>) -> usize {
    usize::try_from(limit.unwrap_or_default().get()).unwrap_or(1)
}

fn seen((user_id, sessions): (UserId, u64)) -> UserSeen {
    UserSeen { user_id, sessions }
}

/// The routes of inspection.
pub(in crate::http) struct Inspection;

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Inspection")]
impl Inspection {
    /// List connected users.
    ///
    /// Users with sessions on any node.
    #[oai(path = "/users", method = "get", operation_id = "getUsers")]
    async fn users(
        &self,
        _key: Key<Read>,
        /// The page begins after this user.
        after: Optional<UserId>,
        /// The maximum number of users. Default: 50.
        limit: Optional<HistoryLimit>,
        sessions: Data<&Arc<Sessions>>,
    ) -> Result<JsonResponse<ConnectedUsers>, Problem> {
        let page = sessions.connected_users(after.0, at_most(limit.0)).await?;
        let users = page.users.into_iter().map(|found| seen((found.user, found.sessions))).collect();
        Ok(JsonResponse(ConnectedUsers { users, has_more: page.more }))
    }

    /// List a user's pending notifications.
    ///
    /// What the user has not acknowledged, oldest first, with the state of its escalation.
    #[oai(path = "/users/:userId/notifications", method = "get", operation_id = "getPendingNotifications")]
    async fn notifications(
        &self,
        _key: Key<Read>,
        #[oai(name = "userId")] user: Path<UserId>,
        /// The page begins after this offset.
        after: Optional<Position>,
        /// The maximum number of notifications. Default: 50.
        limit: Optional<HistoryLimit>,
        notifications: Data<&Arc<commands::Notifications>>,
    ) -> Result<JsonResponse<PendingNotifications>, Problem> {
        let (after, limit) = (after.0.map_or(0, |after| after.0), at_most(limit.0));
        let page = notifications.pending(&user.0, after, limit).await?;
        let commands::PendingPage { notifications, count, has_more } = page;
        let notifications = notifications.into_iter().map(Into::into).collect();
        Ok(JsonResponse(PendingNotifications { notifications, count, has_more }))
    }

    /// List topics with subscribers.
    ///
    /// Clan chats and topics of services with subscribed sessions on any node. The notifications of users are not listed.
    #[oai(path = "/topics", method = "get", operation_id = "getTopics")]
    async fn topics(
        &self,
        _key: Key<Read>,
        /// The page begins after this topic.
        after: Optional<Topic>,
        /// The maximum number of topics. Default: 50.
        limit: Optional<HistoryLimit>,
        inspector: Data<&Arc<Inspector>>,
    ) -> Result<JsonResponse<SubscribedTopics>, Problem> {
        let after = after.0.map(|after| after.to_string());
        let Page { items, more, missing } = inspector.topics(after, at_most(limit.0)).await?;
        let topics = items.into_iter().map(|(topic, sessions)| TopicSeen { topic, sessions }).collect();
        Ok(JsonResponse(SubscribedTopics { topics, has_more: more, missing }))
    }

    /// List a topic's subscribers.
    ///
    /// Users with subscribed sessions on any node.
    #[oai(path = "/services/:service/topics/:topic/subscribers", method = "get", operation_id = "getSubscribers")]
    #[expect(clippy::too_many_arguments, reason = "poem-openapi takes each parameter of the route as an argument")]
    async fn subscribers(
        &self,
        _key: Key<Read>,
        service: Path<ServiceName>,
        topic: Path<TopicName>,
        /// The page begins after this user.
        after: Optional<UserId>,
        /// The maximum number of users. Default: 50.
        limit: Optional<HistoryLimit>,
        services: Data<&Arc<commands::Services>>,
        inspector: Data<&Arc<Inspector>>,
    ) -> Result<JsonResponse<Subscribers>, Problem> {
        let topic = services.topic(service.0, topic.0)?;
        subscribers(&inspector, &topic, after.0, at_most(limit.0)).await
    }

    /// List a clan's subscribers.
    ///
    /// Users with sessions on any node that are subscribed to the clan's chat.
    #[oai(path = "/clans/:clanId/subscribers", method = "get", operation_id = "getClanSubscribers")]
    async fn clan_subscribers(
        &self,
        _key: Key<Read>,
        #[oai(name = "clanId")] clan: Path<ClanId>,
        /// The page begins after this user.
        after: Optional<UserId>,
        /// The maximum number of users. Default: 50.
        limit: Optional<HistoryLimit>,
        inspector: Data<&Arc<Inspector>>,
    ) -> Result<JsonResponse<Subscribers>, Problem> {
        subscribers(&inspector, &Topic::Clan(clan.0), after.0, at_most(limit.0)).await
    }
}

async fn subscribers(
    inspector: &Inspector,
    topic: &Topic,
    after: Option<UserId>,
    limit: usize,
) -> Result<JsonResponse<Subscribers>, Problem> {
    let (page, count) = inspector.subscribers(topic, after, limit).await?;
    let Page { items, more, missing } = page;
    let subscribers = items.into_iter().map(seen).collect();
    Ok(JsonResponse(Subscribers { subscribers, count, has_more: more, missing }))
}
