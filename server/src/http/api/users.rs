//! Looks at users' sessions, and ends sessions and subscriptions.

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::OpenApi;
use realtime_gateway_protocol::{CloseCode, DeviceId, ServiceName, SessionId, Timestamp, TopicName, UserId};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    http::{
        body::Answer,
        key::{Admin, Key, Read},
        parameter::{Optional, Path, Query},
        problem::Problem,
        tags::Tag,
    },
    node::{Node, in_time},
    store::SessionRecord,
};

/// A user's live sessions on all nodes, oldest first.
#[derive(Debug, Serialize, JsonSchema)]
struct Sessions {
    sessions: Vec<SessionSeen>,
}

/// A live session.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct SessionSeen {
    /// The session.
    id: SessionId,
    /// Its node.
    node: String,
    /// Its device, when that has a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<DeviceId>,
    /// Since when.
    since: Timestamp,
}

/// Sessions were ended.
#[derive(Debug, Serialize, JsonSchema)]
struct Disconnected {
    /// How many sessions.
    sessions: usize,
}

/// Subscriptions were ended.
#[derive(Debug, Serialize, JsonSchema)]
struct Unsubscribed {
    /// How many subscriptions on the node that was asked; other nodes end theirs within a second.
    subscriptions: usize,
}

impl From<SessionRecord> for SessionSeen {
    fn from(record: SessionRecord) -> Self {
        Self { id: record.id, node: record.node.to_string(), device: record.device, since: record.since }
    }
}

/// The routes of users.
pub(in crate::http) struct Users;

#[OpenApi(prefix_path = "/api/v1/users", tag = "Tag::Users")]
impl Users {
    /// List a user's sessions.
    #[oai(path = "/:userId/sessions", method = "get", operation_id = "getSessions")]
    async fn sessions(
        &self,
        _key: Key<Read>,
        #[oai(name = "userId")] user: Path<UserId>,
        node: Data<&Arc<Node>>,
    ) -> Result<Answer<Sessions>, Problem> {
        let records = in_time(node.store.sessions_of(&user.0)).await?;
        Ok(Answer(Sessions { sessions: records.into_iter().map(Into::into).collect() }))
    }

    /// Disconnect a user.
    ///
    /// Clients do not come back by themselves (4403), unless `reconnect` asks them to (4500).
    #[oai(path = "/:userId/sessions", method = "delete", operation_id = "disconnectUser")]
    async fn disconnect(
        &self,
        _key: Key<Admin>,
        #[oai(name = "userId")] user: Path<UserId>,
        /// Whether clients are asked to come back.
        reconnect: Optional<bool>,
        node: Data<&Arc<Node>>,
    ) -> Result<Answer<Disconnected>, Problem> {
        let again = reconnect.0.unwrap_or(false);
        let code = if again { CloseCode::RECONNECT_REQUESTED } else { CloseCode::DISCONNECTED };
        let sessions = in_time(node.disconnect(&user.0, code)).await?;
        Ok(Answer(Disconnected { sessions }))
    }

    /// End a user's subscriptions.
    ///
    /// Clients get `subscription_ended`. Without `topic` all subscriptions to the service end. 404 (`unknown_service`) when
    /// the gateway has no such service or topic.
    #[oai(path = "/:userId/subscriptions", method = "delete", operation_id = "endSubscriptions")]
    async fn unsubscribe(
        &self,
        _key: Key<Admin>,
        #[oai(name = "userId")] user: Path<UserId>,
        /// `notifications`, `clan_chat` or a declared service.
        service: Query<ServiceName>,
        /// The topic; of `clan_chat` it is the clan.
        topic: Optional<TopicName>,
        node: Data<&Arc<Node>>,
    ) -> Result<Answer<Unsubscribed>, Problem> {
        node.topics.check(&service.0, topic.0.as_ref())?;
        let ended = node.end_subscriptions(&user.0, &service.0, topic.0.as_ref());
        Ok(Answer(Unsubscribed { subscriptions: in_time(ended).await? }))
    }
}
