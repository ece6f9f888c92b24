//! Looks at users' sessions, and ends sessions and subscriptions.

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::OpenApi;
use realtime_gateway_protocol::{CloseCode, DeviceId, ErrorCode, ServiceName, SessionId, Timestamp, TopicName, UserId};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    command_error::CommandError,
    http::{
        body::Answer,
        key::{Admin, Key, Read},
        parameter::{Optional, Path, Query},
        problem::Problem,
        tags::Tag,
    },
    node::{Node, in_time},
    services::end_subscription,
    store::SessionRecord,
    topic::Topic,
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
    /// How many subscriptions.
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
#[expect(clippy::unused_async, reason = "poem-openapi takes asynchronous handlers only")]
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
    ) -> Answer<Disconnected> {
        let (code, reason) = if reconnect.0.unwrap_or(false) {
            (CloseCode::RECONNECT_REQUESTED, "an operator asks you to reconnect")
        } else {
            (CloseCode::DISCONNECTED, "disconnected by an operator")
        };
        let sessions = node.sessions.of_user(&user.0);
        for session in &sessions {
            session.outbound.close(code, reason);
        }
        Answer(Disconnected { sessions: sessions.len() })
    }

    /// End a user's subscriptions.
    ///
    /// Clients get `subscription_ended`. Without `topic` all subscriptions to the service end.
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
    ) -> Answer<Unsubscribed> {
        let ended = CommandError::new(ErrorCode::Forbidden, "ended by an operator");
        let mut subscriptions = 0;
        for session in node.sessions.of_user(&user.0) {
            for subscription in session.subscriptions() {
                if is_meant(subscription.topic(), &service.0, topic.0.as_ref()) {
                    end_subscription(&node, &subscription, &ended);
                    subscriptions += 1;
                }
            }
        }
        Answer(Unsubscribed { subscriptions })
    }
}

/// Whether a service, and a topic of it, stand for this topic.
fn is_meant(topic: &Topic, service: &ServiceName, name: Option<&TopicName>) -> bool {
    let is_named = name.is_none_or(|name| match topic {
        Topic::User(user) => user.as_str() == name.as_str(),
        Topic::Clan(clan) => clan.as_str() == name.as_str(),
        Topic::Service(_, topic) => topic == name,
    });
    topic.service() == *service && is_named
}
