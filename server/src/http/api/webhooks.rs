//! Lists webhooks and their dead letters, and deletes and replays dead letters.

use std::sync::Arc;

use http::StatusCode;
use poem::web::Data;
use poem_openapi::OpenApi;
use realtime_gateway_protocol::{ErrorCode, HistoryLimit, RawJson, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    http::{
        body::{Body, JsonResponse},
        key::{Admin, Key, Read},
        parameter::{EventId, Optional, Path},
        problem::Problem,
        tags::Tag,
    },
    store::{DeadEvent, WebhookName},
    webhooks::{DeadPage, Replayed, Webhooks as WebhookSenders, event_type, webhook_event},
};

/// The most ids of one request.
const MAX_IDS: usize = 1_000;

/// The configured webhooks.
#[derive(Debug, Serialize, JsonSchema)]
struct ConfiguredWebhooks {
    webhooks: Vec<WebhookSeen>,
}

/// A webhook.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct WebhookSeen {
    /// The name in the configuration.
    name: String,
    /// The number of events that wait for the receiver.
    waiting: u64,
    /// The number of dead letters.
    dead: u64,
}

/// A page of dead letters, the oldest first.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct DeadLetters {
    /// The dead letters.
    events: Vec<DeadLetter>,
    /// Whether there are more.
    has_more: bool,
}

/// An event that was given up.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct DeadLetter {
    /// The id of the event.
    id: String,
    /// The type of the event, such as `chat.message`.
    r#type: String,
    /// `refused` by the receiver, `expired` after `retry_for`, or `overflow` beyond `max_waiting`.
    reason: &'static str,
    /// How often it was sent.
    attempts: u32,
    /// When it was given up.
    failed_at: Timestamp,
    /// The event as the receiver got it.
    event: RawJson,
}

/// The result of deleting dead letters.
#[derive(Debug, Serialize, JsonSchema)]
struct DeadLettersDeleted {
    /// The number of dead letters that were deleted.
    deleted: u64,
}

/// Which dead letters are sent again.
#[derive(Debug, Deserialize, JsonSchema)]
struct ReplayDeadLetters {
    /// The ids of their events. Without it, all dead letters are sent again.
    #[schemars(length(max = 1_000))]
    ids: Option<Vec<String>>,
}

/// The result of a replay.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct DeadLettersReplayed {
    /// The number of dead letters that wait for the receiver again.
    replayed: u64,
    /// Whether some were left because `max_waiting` events wait.
    is_full: bool,
}

impl DeadLetter {
    fn of(dead: &DeadEvent) -> Result<Self, Problem> {
        let event = &dead.entry.event;
        let damaged = |_| {
            let detail = "a dead letter cannot be read";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Internal, detail)
        };
        Ok(Self {
            id: event.id.to_string(),
            r#type: event_type(&event.key),
            reason: dead.reason.as_str(),
            attempts: dead.attempts,
            failed_at: dead.failed_at,
            event: RawJson::parse(&webhook_event(&dead.entry)).map_err(damaged)?,
        })
    }
}

/// The routes of webhooks.
pub(in crate::http) struct Webhooks;

#[OpenApi(prefix_path = "/api/v1/webhooks", tag = "Tag::Webhooks")]
impl Webhooks {
    /// List the webhooks.
    #[oai(path = "/", method = "get", operation_id = "getWebhooks")]
    async fn list(
        &self,
        _key: Key<Read>,
        webhooks: Data<&Arc<WebhookSenders>>,
    ) -> Result<JsonResponse<ConfiguredWebhooks>, Problem> {
        let found = webhooks.list().await?.into_iter();
        let seen = found.map(|(name, status)| WebhookSeen {
            name: name.to_string(),
            waiting: status.waiting,
            dead: status.dead,
        });
        Ok(JsonResponse(ConfiguredWebhooks { webhooks: seen.collect() }))
    }

    /// List a webhook's dead letters.
    ///
    /// A dead letter is an event that the receiver has refused, or that could not be sent in time.
    #[oai(path = "/:webhook/dead", method = "get", operation_id = "getDeadLetters")]
    async fn dead(
        &self,
        _key: Key<Read>,
        webhook: Path<WebhookName>,
        /// The page begins after the dead letter with this id, the last one of the page before.
        after: Optional<EventId>,
        /// The maximum number of dead letters.
        limit: Optional<HistoryLimit>,
        webhooks: Data<&Arc<WebhookSenders>>,
    ) -> Result<JsonResponse<DeadLetters>, Problem> {
        let at_most = limit.0.unwrap_or_default().get() as usize;
        let DeadPage { events, has_more } = webhooks.dead(&webhook.0, after.0.map(|id| id.0), at_most).await?;
        let events = events.iter().map(DeadLetter::of).collect::<Result<_, _>>()?;
        Ok(JsonResponse(DeadLetters { events, has_more }))
    }

    /// Delete a webhook's dead letters.
    #[oai(path = "/:webhook/dead", method = "delete", operation_id = "deleteDeadLetters")]
    async fn delete(
        &self,
        _key: Key<Admin>,
        webhook: Path<WebhookName>,
        webhooks: Data<&Arc<WebhookSenders>>,
    ) -> Result<JsonResponse<DeadLettersDeleted>, Problem> {
        let deleted = webhooks.delete_dead(&webhook.0).await?;
        Ok(JsonResponse(DeadLettersDeleted { deleted }))
    }

    /// Send dead letters again.
    ///
    /// They wait after all other events, with the same `id`, and are no dead letters any more.
    #[oai(path = "/:webhook/dead/replay", method = "post", operation_id = "replayDeadLetters")]
    async fn replay(
        &self,
        _key: Key<Admin>,
        webhook: Path<WebhookName>,
        request: Body<ReplayDeadLetters>,
        webhooks: Data<&Arc<WebhookSenders>>,
    ) -> Result<JsonResponse<DeadLettersReplayed>, Problem> {
        let ids = request.0.ids.map(|ids| ids.into_iter().map(Into::into).collect::<Vec<_>>());
        if ids.as_ref().is_some_and(|ids| ids.len() > MAX_IDS) {
            return Err(Problem::field("ids", "at most 1000 in one request"));
        }
        let Replayed { count, is_full } = webhooks.replay_dead(&webhook.0, ids).await?;
        Ok(JsonResponse(DeadLettersReplayed { replayed: count, is_full }))
    }
}
