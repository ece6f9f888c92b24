//! `/metrics`, for Prometheus.

use std::sync::Arc;

use http::{HeaderValue, StatusCode, header};
use poem::{IntoResponse, Request, Response, web::Data};
use poem_openapi::{
    ApiResponse, OpenApi,
    registry::{MetaMediaType, MetaResponse, MetaResponses, Registry},
};
use realtime_gateway_protocol::ErrorCode;
use serde_json::json;

use super::{key::bearer, problem::Problem, schema, tags::Tag};
use crate::{bus::BusStatus, node::Node};

pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Metrics in the Prometheus text format.
pub(super) struct Exposition(String);

/// The metrics route.
pub(super) struct Scrape;

#[OpenApi]
#[expect(clippy::unused_async, reason = "poem-openapi takes asynchronous handlers only")]
impl Scrape {
    /// Metrics in the Prometheus text format.
    ///
    /// With `metrics.token` it wants that as a bearer token. Without it, a port that is open to other machines refuses it
    /// with 403.
    #[oai(path = "/metrics", method = "get", tag = "Tag::Operation")]
    async fn metrics(&self, request: &Request, node: Data<&Arc<Node>>) -> Result<Exposition, Problem> {
        if node.config().refuses_metrics() {
            let detail = "metrics are not public: set metrics.token and send it as Authorization: Bearer, or give \
                          operators a port of their own with internal.listen";
            return Err(Problem::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, detail));
        }
        if let Some(token) = &node.config().metrics_token
            && !bearer(request).is_some_and(|presented| same(presented.as_bytes(), token.0.as_bytes()))
        {
            return Err(Problem::unauthorized("send Authorization: Bearer <metrics.token>"));
        }
        note_state(&node);
        Ok(Exposition(node.metrics.render()))
    }
}

/// Compares in a time that does not depend on where the first difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && std::hint::black_box(a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b))) == 0
}

/// Sets the gauges of what is not counted but looked at.
fn note_state(node: &Node) {
    let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let store = node.store.status();
    let metrics = &node.metrics;
    metrics.store_up.set(i64::from(store.writable));
    metrics.damaged_rows(store.damaged);
    metrics.store_bytes.set(whole(store.bytes.unwrap_or(0)));
    metrics.store_used_bytes.set(whole(store.space.used.unwrap_or(0)));
    metrics.store_limit_bytes.set(whole(store.space.limit.unwrap_or(0)));
    metrics.store_free_ratio.set(store.space.free_ratio.unwrap_or(1.0));
    metrics.store_refusing_writes.set(i64::from(store.space.refusing.is_some()));
    metrics.store_idempotency_keys.set(whole(store.idempotency_keys));
    metrics.compactions(store.compactions);
    metrics.pending_notifications.set(whole(store.pending_notifications));
    metrics.bus_connected.set(i64::from(!matches!(node.bus.status(), BusStatus::Reconnecting { .. })));
    if let Some(outbox) = node.outbox() {
        let age = outbox.oldest.map_or(0, |oldest| node.now().millis().saturating_sub(oldest.millis()));
        metrics.outbox_entries.set(whole(outbox.entries));
        metrics.outbox_oldest_seconds.set(whole(age / 1_000));
        metrics.outbox_overflowed(outbox.overflowed);
    }
    metrics.memory_budget_bytes.set(whole(node.memory.limit() as u64));
    metrics.memory_used_bytes.set(whole(node.memory.used() as u64));
    metrics.connections_limit.set(whole(node.config().limits.connections as u64));
    let waiting: usize = node.sessions.all().iter().map(|session| session.outbound.bytes()).sum();
    metrics.outbound_queue_bytes.set(whole(waiting as u64));
}

impl IntoResponse for Exposition {
    fn into_response(self) -> Response {
        let mut response = self.0.into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        response
    }
}

impl ApiResponse for Exposition {
    fn meta() -> MetaResponses {
        let content =
            vec![MetaMediaType { content_type: CONTENT_TYPE, schema: schema::inline(json!({ "type": "string" })) }];
        let response =
            MetaResponse { description: "", status: Some(200), status_range: None, content, headers: vec![] };
        MetaResponses { responses: vec![response] }
    }

    fn register(_: &mut Registry) {}
}
