//! `/dev`: tokens and notifications for local development. Requires `--dev`.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use poem::web::Data;
use poem_openapi::OpenApi;
use realtime_gateway_protocol::{ClanId, DeviceId, MethodName, ServiceName, Timestamp, TopicName, UserId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    NodeView,
    api::{NotificationsAccepted, SendNotification, send},
    body::{Accepted, Body, JsonResponse},
    bounded::BoundedList,
    problem::Problem,
    tags::Tag,
};
use crate::{
    auth::{ClaimedSubscription, Mint, MintError, mint},
    command_error::CommandError,
    commands::Notifications,
};

/// The lifetime of a token.
const TTL: Duration = Duration::from_secs(3_600);

/// The content of the token. Unknown fields are rejected, because a misspelled field would produce a token that allows
/// less than intended.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MakeToken {
    /// The user.
    user_id: UserId,
    /// The clans that the token grants; `*` for all.
    clans: Option<BoundedList<ClanId, 1_000>>,
    /// The topics that the token grants, by service; `*` for all topics of a service.
    topics: Option<BTreeMap<ServiceName, BoundedList<TopicName, 1_000>>>,
    /// The calls that the token grants, by service; `*` for all calls of a service.
    calls: Option<BTreeMap<ServiceName, BoundedList<MethodName, 1_000>>>,
    /// The topics to which the sessions of the token are subscribed without a command.
    subscribe: Option<BoundedList<ClaimedSubscription, 100>>,
    /// The device id in the token.
    device_id: Option<DeviceId>,
}

/// A signed token.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Token {
    /// The token, for the `authenticate` command or `Authorization: Bearer`.
    token: String,
    /// When the token expires.
    expires_at: Timestamp,
}

/// The routes for development.
pub(super) struct Dev;

#[OpenApi(prefix_path = "/dev", tag = "Tag::Development")]
#[expect(clippy::unused_async, reason = "poem-openapi takes asynchronous handlers only")]
impl Dev {
    /// Create a token.
    #[oai(path = "/token", method = "post", operation_id = "makeToken")]
    async fn token(
        &self,
        request: Body<MakeToken>,
        view: Data<&Arc<NodeView>>,
    ) -> Result<JsonResponse<Token>, Problem> {
        let MakeToken { user_id, clans, topics, calls, subscribe, device_id } = request.0;
        let (topics, calls) = (topics.unwrap_or_default().into_iter(), calls.unwrap_or_default().into_iter());
        let content = Mint {
            user: user_id,
            clans: clans.map(|clans| texts(&clans.0)).unwrap_or_default(),
            topics: topics.map(|(service, topics)| (service.to_string(), texts(&topics.0))).collect(),
            calls: calls.map(|(service, calls)| (service.to_string(), texts(&calls.0))).collect(),
            subscribe: subscribe.map(|subscribe| subscribe.0).unwrap_or_default(),
            device: device_id,
            ttl: TTL,
        };
        let minted = mint(&view.config().auth, &content).map_err(|error| match error {
            MintError::System => Problem::field("userId", "no token may carry the user `system`"),
            MintError::NoSecret | MintError::Signing(_) => CommandError::internal(error).into(),
        })?;
        Ok(JsonResponse(Token { token: minted.token, expires_at: minted.expires_at }))
    }

    /// Send a notification without an API key.
    #[oai(path = "/notifications", method = "post", operation_id = "sendNotificationWithoutKey")]
    async fn notify(
        &self,
        request: Body<SendNotification>,
        notifications: Data<&Arc<Notifications>>,
    ) -> Result<Accepted<NotificationsAccepted>, Problem> {
        send(&notifications, request.0).await
    }
}

fn texts(ids: &[impl ToString]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}
