//! Follows what goes through the gateway, live and from the log, as lines of JSON.

mod lines;

use std::{sync::Arc, time::Duration};

use http::{StatusCode, header};
use poem::{Body, IntoResponse, Response, web::Data};
use poem_openapi::{
    ApiResponse, OpenApi,
    registry::{MetaResponse, MetaResponses, Registry},
};
use realtime_gateway_protocol::{ClanId, IdError, ServiceName, Timestamp, TopicName, UserId};
use tokio::io::AsyncWriteExt;

use self::lines::{Lines, Show};
use crate::{
    commands::{Follower, Past, PastSelection},
    delivery::tail::TailFilter,
    http::{
        NDJSON,
        key::{Admin, Key},
        parameter::{Ago, Optional},
        problem::Problem,
        tags::Tag,
    },
    topic::Topic,
};

/// The number of bytes that are on their way to the reader. Further lines wait in the tail, which drops entries.
const BUFFERED_BYTES: usize = 64 * 1024;
/// The interval of empty lines, by which a reader that is gone is noticed and proxies keep the connection.
const EMPTY_LINES: Duration = Duration::from_secs(10);

/// A response of lines of JSON without an end.
struct LinesOfJson(Body);

impl IntoResponse for LinesOfJson {
    fn into_response(self) -> Response {
        Response::builder().status(StatusCode::OK).header(header::CONTENT_TYPE, NDJSON).body(self.0)
    }
}

impl ApiResponse for LinesOfJson {
    fn meta() -> MetaResponses {
        let lines =
            MetaResponse { description: "", status: Some(200), status_range: None, content: vec![], headers: vec![] };
        MetaResponses { responses: vec![lines] }
    }

    fn register(_: &mut Registry) {}
}

/// The route of tails.
pub(in crate::http) struct Tails;

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Inspection")]
impl Tails {
    /// Follow what goes through.
    ///
    /// What goes through all nodes as lines of JSON (`application/x-ndjson`), without an end. The line of a message, an
    /// event or a notification has `at`, `topic`, `offset`, `type`, `bytes` and, if it has an author, `userId`; with
    /// `content` also `message`. Typing and changes of presence have `status` instead of `offset`; events of topics without
    /// history have neither. What sessions do is shown without `topic`: `session_opened`, `session_ended` with `code`,
    /// `reason` and `durationMs`, and `call` with `service`, `method`, `outcome` and `durationMs`; each with `at`, `node`,
    /// `userId` and `sessionId`. `notification_escalated` has `at`, `node`, `userId`, `notificationId` and `offset`. A line `{"dropped": n}` says that the reader was too slow for n lines, and `{"cut": true}` in
    /// front that `since` reaches further back than what is shown. Empty lines keep the connection. 409 (`tail_limit`) when
    /// the node has 8 tails.
    #[oai(path = "/tail", method = "get", operation_id = "tail")]
    #[expect(clippy::too_many_arguments, reason = "poem-openapi takes each parameter of the route as an argument")]
    async fn tail(
        &self,
        _key: Key<Admin>,
        /// Only what concerns this user: their notifications, sessions, calls and presence, and what they have published.
        user: Optional<UserId>,
        /// Only this service: `notifications`, `clan_chat` or a declared service.
        service: Optional<ServiceName>,
        /// Only this topic of the service. For `clan_chat` it is the clan.
        topic: Optional<TopicName>,
        /// Begin with the entries of the logs since this long ago, such as `10m`: the newest 10,000, and 8 MiB at most.
        /// Of pending notifications those of `user`, or of `topic`.
        since: Optional<Ago>,
        /// Whether to show the content.
        content: Optional<bool>,
        follower: Data<&Arc<Follower>>,
    ) -> Result<LinesOfJson, Problem> {
        let only = match (&service.0, &topic.0) {
            (Some(service), Some(topic)) => Some(named(service, topic)?),
            (None, Some(_)) => return Err(Problem::field("topic", "name its service, too")),
            (_, None) => None,
        };
        let shows = if content.0.unwrap_or(false) { Show::Content } else { Show::Outline };
        let filter = TailFilter { topic: only, service: service.0 };
        let lines = Lines::new(shows, user.0.clone());
        let tail = follower.open(filter.clone()).await?;
        let past = match since.0 {
            Some(Ago(ago)) => {
                let at = follower.now().millis().saturating_sub(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX));
                let notifications = user.0.map(Topic::User).filter(|topic| filter.selects(topic));
                let also = notifications.filter(|topic| filter.topic.as_ref() != Some(topic));
                let selection = PastSelection { filter: &filter, also, since: Timestamp::from_millis(at) };
                follower.past(selection, |topic, entry| lines.shows(topic, entry)).await?
            }
            None => Past::default(),
        };
        let (reader, mut writer) = tokio::io::duplex(BUFFERED_BYTES);
        let clock = Arc::clone(follower.0);
        follower.spawn(async move {
            let mut lines = lines;
            let cut = past.is_cut.then(|| lines.of_cut()).flatten();
            if let Some(line) = cut
                && writer.write_all(line.as_bytes()).await.is_err()
            {
                return;
            }
            for entry in past.entries {
                let Some(line) = lines.of_entry(&entry) else { continue };
                if writer.write_all(line.as_bytes()).await.is_err() {
                    return;
                }
            }
            lines.begin_live();
            loop {
                let line = match tokio::time::timeout(EMPTY_LINES, tail.next()).await {
                    Ok(next) => lines.of(&next, clock.now()),
                    Err(_) => Some("\n".to_owned()),
                };
                // The reader is gone when a line cannot be written.
                if let Some(line) = line
                    && writer.write_all(line.as_bytes()).await.is_err()
                {
                    return;
                }
            }
        });
        Ok(LinesOfJson(Body::from_async_read(reader)))
    }
}

fn named(service: &ServiceName, topic: &TopicName) -> Result<Topic, Problem> {
    let invalid = |error: IdError| Problem::field("topic", &error.to_string());
    Ok(if *service == ServiceName::notifications() {
        Topic::User(UserId::new(topic.as_str()).map_err(invalid)?)
    } else if *service == ServiceName::clan_chat() {
        Topic::Clan(ClanId::new(topic.as_str()).map_err(invalid)?)
    } else {
        Topic::Service(service.clone(), topic.clone())
    })
}
