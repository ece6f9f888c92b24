//! Sends notifications.

use std::{sync::Arc, time::Duration};

use poem::web::Data;
use poem_openapi::OpenApi;
use realtime_gateway_protocol::{NotificationId, NotificationText, NotificationTitle, RawJson, TtlSeconds, UserId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    http::{
        body::{Accepted, Answer, Body},
        bounded::Some1To,
        key::{Key, Publish},
        problem::Problem,
        tags::Tag,
    },
    node::Node,
    services::{self, NewNotification},
};

/// A notification for one user (`userId`) or for many (`userIds`): give one of the two, not both.
// No `oneOf` says so: client generators drop the whole operation for it, or write code that does not compile.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct SendNotification {
    /// For whom. Needed without `userIds`.
    user_id: Option<UserId>,
    /// For whom, when they are several. Needed without `userId`. The notification has the same id for all of them, and a
    /// user who is listed twice gets it once.
    user_ids: Option<Some1To<UserId, 1_000>>,
    /// A headline.
    title: NotificationTitle,
    /// The text.
    message: NotificationText,
    /// Whatever you add; clients get it as it is.
    data: Option<RawJson>,
    /// Makes it safe to repeat: the same one is not sent to the same user twice. With other content it is refused with
    /// `conflict`. When absent, the gateway makes one id for all users of the request.
    id: Option<NotificationId>,
    /// How long it is kept unacknowledged; `notifications.ttl` when absent.
    ttl_seconds: Option<TtlSeconds>,
}

/// The notifications are stored, and will be delivered until they are acknowledged.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct NotificationsAccepted {
    /// The id for each user, in the order of the users.
    ids: Vec<NotificationId>,
}

/// The notification route.
pub(in crate::http) struct Notifications;

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Notifications")]
impl Notifications {
    /// Send a notification.
    ///
    /// 202 means that it is stored: each user gets it, now or at the next connection, until it is acknowledged.
    #[oai(path = "/notifications", method = "post", operation_id = "sendNotification")]
    async fn send(
        &self,
        _key: Key<Publish>,
        asked: Body<SendNotification>,
        node: Data<&Arc<Node>>,
    ) -> Result<Accepted<NotificationsAccepted>, Problem> {
        send(&node, asked.0).await
    }
}

/// Sends a notification to every user that it is for.
pub(in crate::http) async fn send(
    node: &Arc<Node>,
    asked: SendNotification,
) -> Result<Accepted<NotificationsAccepted>, Problem> {
    let new = NewNotification {
        id: asked.id,
        title: asked.title,
        message: asked.message,
        data: asked.data,
        ttl: asked.ttl_seconds.map(|seconds| Duration::from_secs(seconds.get())),
    };
    let ids = match (asked.user_id, asked.user_ids) {
        (Some(user), None) => vec![services::Notifications::send(node, user, new).await?.id],
        (None, Some(users)) => {
            let sent = services::Notifications::send_all(node, users.0, new).await?;
            sent.into_iter().map(|sent| sent.id).collect()
        }
        (None, None) => return Err(Problem::field("userId", "missing: give userId, or userIds for several users")),
        (Some(_), Some(_)) => return Err(Problem::field("userIds", "give userId or userIds, not both")),
    };
    Ok(Answer(NotificationsAccepted { ids }))
}
