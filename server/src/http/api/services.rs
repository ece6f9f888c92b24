//! Publishes events to the topics of declared services.

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::OpenApi;
use realtime_gateway_protocol::{ClientMessageId, RawJson, ServiceName, TopicName};
use schemars::JsonSchema;
use serde::Deserialize;

use super::MessageAccepted;
use crate::{
    commands,
    http::{
        body::{Accepted, Body, JsonResponse},
        key::{Key, Publish},
        parameter::Path,
        problem::Problem,
        tags::Tag,
    },
};

/// An event for the subscribers of a topic.
#[derive(Deserialize, JsonSchema)]
struct PublishEvent {
    /// The content, which is passed on to clients unchanged.
    data: RawJson,
    /// An idempotency key: a repeated request with the same id is stored once. With other content it is refused with
    /// `conflict`.
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
        request: Body<PublishEvent>,
        services: Data<&Arc<commands::Services>>,
    ) -> Result<Accepted<MessageAccepted>, Problem> {
        let sent = services.post(service.0, topic.0, request.0.data, request.0.id).await?;
        Ok(JsonResponse(sent.into()))
    }
}
