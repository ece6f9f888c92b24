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
    commands::Follower,
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
    /// Messages, events and notifications of all nodes as lines of JSON (`application/x-ndjson`), without an end. A line
    /// has `at`, `topic`, `offset`, `type`, `bytes` and, if it has an author, `userId`; with `content` also `message`. A
    /// line `{"dropped": n}` says that the reader was too slow for n entries. Empty lines keep the connection. 409
    /// (`tail_limit`) when the node has 8 tails.
    #[oai(path = "/tail", method = "get", operation_id = "tail")]
    #[expect(clippy::too_many_arguments, reason = "poem-openapi takes each parameter of the route as an argument")]
    async fn tail(
        &self,
        _key: Key<Admin>,
        /// Only what concerns this user: their notifications, and what they have published.
        user: Optional<UserId>,
        /// Only this service: `notifications`, `clan_chat` or a declared service.
        service: Optional<ServiceName>,
        /// Only this topic of the service. For `clan_chat` it is the clan.
        topic: Optional<TopicName>,
        /// Begin with the entries of the log since this long ago, such as `10m`. Needs `topic`, or `user` alone.
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
        let from = match since.0 {
            None => None,
            Some(Ago(ago)) => {
                let of_user = || user.0.clone().filter(|_| service.0.is_none()).map(Topic::User);
                let topic = only.clone().or_else(of_user);
                let topic = topic.ok_or_else(|| Problem::field("since", "name a service and a topic, or a user"))?;
                let at = follower.now().millis().saturating_sub(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX));
                Some((topic, Timestamp::from_millis(at)))
            }
        };
        let shows = if content.0.unwrap_or(false) { Show::Content } else { Show::Outline };
        let filter = TailFilter { topic: only, service: service.0 };
        let tail = follower.open(filter).await?;
        let past = match from {
            Some((topic, since)) => follower.past(&topic, since).await?,
            None => Vec::new(),
        };
        let lines = Lines::new(shows, user.0);
        let (reader, mut writer) = tokio::io::duplex(BUFFERED_BYTES);
        follower.spawn(async move {
            let mut lines = lines;
            for entry in past {
                let Some(line) = lines.of_entry(&entry) else { continue };
                if writer.write_all(line.as_bytes()).await.is_err() {
                    return;
                }
            }
            lines.begin_live();
            loop {
                let line = match tokio::time::timeout(EMPTY_LINES, tail.next()).await {
                    Ok(next) => lines.of(&next),
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
