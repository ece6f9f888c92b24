//! Sends notifications.

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::OpenApi;
use realtime_gateway_protocol::{
    EscalateAfterSeconds, NotificationId, NotificationText, NotificationTitle, RawJson, TtlSeconds, UserId,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    commands::{self, NewNotification},
    http::{
        body::{Accepted, Body, JsonResponse},
        bounded::BoundedList,
        key::{Key, Publish},
        problem::Problem,
        tags::Tag,
    },
};

/// A notification for one user (`userId`) or several (`userIds`). The two cannot be combined.
// A `oneOf` schema would express this, but client generators drop the whole operation for it, or generate code that
// does not compile.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct SendNotification {
    /// The recipient. Required without `userIds`.
    user_id: Option<UserId>,
    /// The recipients. Required without `userId`. The notification has the same id for all of them, and a user who is
    /// listed twice receives it once.
    user_ids: Option<BoundedList<UserId, 1_000>>,
    /// The headline.
    title: NotificationTitle,
    /// The text of the notification.
    message: NotificationText,
    /// Additional data, which is passed on to clients unchanged.
    data: Option<RawJson>,
    /// An idempotency key: a notification with the same id is not sent to the same user twice. With other content it is
    /// refused with `conflict`. By default the gateway generates one id for all users of the request.
    id: Option<NotificationId>,
    /// How long the notification is kept while it is not acknowledged. Default: `notifications.ttl`.
    ttl_seconds: Option<TtlSeconds>,
    /// Backend services get the event `notification.unacked` for each user who has not acknowledged the notification after
    /// this time. Below the time to live. 0: never. Default: `notifications.escalate_after`.
    escalate_after_seconds: Option<EscalateAfterSeconds>,
}

/// The notifications are stored, and are delivered until they are acknowledged.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct NotificationsAccepted {
    /// The id of the notification for each user, in the order of the users.
    ids: Vec<NotificationId>,
}

/// The notification route.
pub(in crate::http) struct Notifications;

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Notifications")]
impl Notifications {
    /// Send a notification.
    ///
    /// 202 means that the notification is stored. Each user receives it, now or after the next connection, until it is
    /// acknowledged.
    #[oai(path = "/notifications", method = "post", operation_id = "sendNotification")]
    async fn send(
        &self,
        _key: Key<Publish>,
        request: Body<SendNotification>,
        notifications: Data<&Arc<commands::Notifications>>,
    ) -> Result<Accepted<NotificationsAccepted>, Problem> {
        send(&notifications, request.0).await
    }
}

/// Sends a notification to each of its recipients.
pub(in crate::http) async fn send(
    notifications: &commands::Notifications,
    request: SendNotification,
) -> Result<Accepted<NotificationsAccepted>, Problem> {
    let new = NewNotification {
        id: request.id,
        title: request.title,
        message: request.message,
        data: request.data,
        ttl: request.ttl_seconds.map(TtlSeconds::duration),
        escalate_after: request.escalate_after_seconds.into(),
    };
    let ids = match (request.user_id, request.user_ids) {
        (Some(user), None) => vec![notifications.send(user, new).await?.id],
        (None, Some(users)) => {
            let sent = notifications.send_all(users.0, new).await?;
            sent.into_iter().map(|sent| sent.id).collect()
        }
        (None, None) => return Err(Problem::field("userId", "missing: give userId, or userIds for several users")),
        (Some(_), Some(_)) => return Err(Problem::field("userIds", "give userId or userIds, not both")),
    };
    Ok(JsonResponse(NotificationsAccepted { ids }))
}
