//! Publishes to the topics of services that were added to the gateway.

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::OpenApi;
use realtime_gateway_protocol::{ClientMessageId, RawJson, ServiceName, TopicName};
use schemars::JsonSchema;
use serde::Deserialize;

use super::MessageAccepted;
use crate::{
    http::{
        body::{Accepted, Answer, Body},
        key::{Key, Publish},
        parameter::Path,
        problem::Problem,
        tags::Tag,
    },
    node::Node,
    services::Topics,
};

/// An event.
#[derive(Deserialize, JsonSchema)]
struct PublishEvent {
    /// What is published; clients get it as it is.
    data: RawJson,
    /// Makes it safe to repeat: the same one is stored once. With other content it is refused with `conflict`.
    id: Option<ClientMessageId>,
}

/// The routes of services.
pub(in crate::http) struct Services;

#[OpenApi(prefix_path = "/api/v1/services", tag = "Tag::Services")]
impl Services {
    /// Publish an event.
    #[oai(path = "/:service/topics/:topic/events", method = "post", operation_id = "publishEvent")]
    async fn publish(
        &self,
        _key: Key<Publish>,
        service: Path<ServiceName>,
        topic: Path<TopicName>,
        asked: Body<PublishEvent>,
        node: Data<&Arc<Node>>,
    ) -> Result<Accepted<MessageAccepted>, Problem> {
        let sent = Topics::post(&node, service.0, topic.0, asked.0.data, asked.0.id).await?;
        Ok(Answer(sent.into()))
    }
}
