//! `/dev`: tokens and notifications for a developer's own gateway, with `--dev` only.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use poem::web::Data;
use poem_openapi::OpenApi;
use realtime_gateway_protocol::{ClanId, DeviceId, ServiceName, Timestamp, TopicName, UserId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    api::{NotificationsAccepted, SendNotification, send},
    body::{Accepted, Answer, Body},
    bounded::Some1To,
    problem::Problem,
    tags::Tag,
};
use crate::{
    auth::{Mint, MintError, mint},
    command_error::CommandError,
    node::Node,
};

/// How long a token lives.
const TTL: Duration = Duration::from_secs(3_600);

/// What the token shall say. A misspelt field would give a token that allows less than was meant, so it is refused.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MakeToken {
    /// Who shall be known by it.
    user_id: UserId,
    /// Clans that it allows; `*` for all.
    clans: Option<Some1To<ClanId, 1_000>>,
    /// Topics that it allows, by service; `*` for all topics of a service.
    topics: Option<BTreeMap<ServiceName, Some1To<TopicName, 1_000>>>,
    /// The device that it names.
    device_id: Option<DeviceId>,
}

/// A token.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Token {
    /// For `authenticate`, or `Authorization: Bearer`.
    token: String,
    /// Its end.
    expires_at: Timestamp,
}

/// The routes for developers.
pub(super) struct Dev;

#[OpenApi(prefix_path = "/dev", tag = "Tag::Development")]
#[expect(clippy::unused_async, reason = "poem-openapi takes asynchronous handlers only")]
impl Dev {
    /// Make a token.
    #[oai(path = "/token", method = "post", operation_id = "makeToken")]
    async fn token(&self, asked: Body<MakeToken>, node: Data<&Arc<Node>>) -> Result<Answer<Token>, Problem> {
        let MakeToken { user_id, clans, topics, device_id } = asked.0;
        let topics = topics.unwrap_or_default().into_iter();
        let wish = Mint {
            user: user_id,
            clans: clans.map(|clans| texts(&clans.0)).unwrap_or_default(),
            topics: topics.map(|(service, topics)| (service.to_string(), texts(&topics.0))).collect(),
            device: device_id,
            ttl: TTL,
        };
        let minted = mint(&node.config().auth, &wish).map_err(|error| match error {
            MintError::System => Problem::field("userId", "no token may carry the user `system`"),
            MintError::NoSecret | MintError::Signing(_) => CommandError::internal(error).into(),
        })?;
        Ok(Answer(Token { token: minted.token, expires_at: minted.expires_at }))
    }

    /// Send a notification, without a key.
    #[oai(path = "/notifications", method = "post", operation_id = "sendNotificationWithoutKey")]
    async fn notify(
        &self,
        asked: Body<SendNotification>,
        node: Data<&Arc<Node>>,
    ) -> Result<Accepted<NotificationsAccepted>, Problem> {
        send(&node, asked.0).await
    }
}

fn texts(ids: &[impl ToString]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}
