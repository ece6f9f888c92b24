//! `/metrics`: the metrics in the Prometheus text format.

use std::sync::Arc;

use http::{HeaderValue, StatusCode, header};
use poem::{IntoResponse, Request, Response, web::Data};
use poem_openapi::{
    ApiResponse, OpenApi,
    registry::{MetaMediaType, MetaResponse, MetaResponses, Registry},
};
use realtime_gateway_protocol::ErrorCode;
use serde_json::json;

use super::{NodeView, key::bearer, problem::Problem, schema, tags::Tag};
use crate::bus::BrokerStatus;

/// The media type of the Prometheus text format.
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
    /// Requires `metrics.token` as a bearer token if it is set. If it is not set, a port that is reachable from other
    /// machines refuses with 403.
    #[oai(path = "/metrics", method = "get", tag = "Tag::Operation")]
    async fn metrics(&self, request: &Request, view: Data<&Arc<NodeView>>) -> Result<Exposition, Problem> {
        if view.config().refuses_metrics() {
            let detail = "metrics are not public: set metrics.token and send it as Authorization: Bearer, or give \
                          operators a separate port with internal.listen";
            return Err(Problem::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, detail));
        }
        if let Some(token) = &view.config().metrics_token
            && !bearer(request).is_some_and(|presented| same(presented.as_bytes(), token.0.as_bytes()))
        {
            return Err(Problem::unauthorized("send Authorization: Bearer <metrics.token>"));
        }
        set_gauges(&view);
        Ok(Exposition(view.parts.metrics.render()))
    }
}

/// Compares in constant time, regardless of the position of the first difference. Only the length is not secret.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && std::hint::black_box(a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b))) == 0
}

/// Sets the gauges that are measured at scrape time.
fn set_gauges(view: &NodeView) {
    let parts = &view.parts;
    let saturating = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let store = parts.store.status();
    let metrics = &parts.metrics;
    metrics.store_up.set(i64::from(store.writable));
    metrics.damaged_rows(store.damaged);
    metrics.store_bytes.set(saturating(store.bytes.unwrap_or(0)));
    metrics.store_used_bytes.set(saturating(store.space.used.unwrap_or(0)));
    metrics.store_limit_bytes.set(saturating(store.space.limit.unwrap_or(0)));
    metrics.store_free_ratio.set(store.space.free_ratio.unwrap_or(1.0));
    metrics.store_refusing_writes.set(i64::from(store.space.refusing.is_some()));
    metrics.store_idempotency_keys.set(saturating(store.idempotency_keys));
    metrics.compactions(store.compactions);
    metrics.pending_notifications.set(saturating(store.pending_notifications));
    let is_away = |status| matches!(status, BrokerStatus::Reconnecting { .. });
    metrics.bus_connected.set(i64::from(!parts.broker.as_ref().is_some_and(|broker| is_away(broker.status()))));
    let cluster = parts.bus.status();
    let is_connected = cluster.as_ref().is_none_or(|status| status.connection.is_connected());
    metrics.cluster_connected.set(i64::from(is_connected));
    metrics.cluster_reconnects(cluster.map_or(0, |status| status.reconnects));
    if let Some(outbox) = parts.condition.outbox() {
        let age = outbox.oldest.map_or(0, |oldest| parts.clock.now().millis().saturating_sub(oldest.millis()));
        metrics.outbox_entries.set(saturating(outbox.entries));
        metrics.outbox_oldest_seconds.set(saturating(age / 1_000));
        metrics.outbox_overflowed(outbox.overflowed);
    }
    metrics.memory_budget_bytes.set(saturating(parts.memory.limit() as u64));
    metrics.memory_used_bytes.set(saturating(parts.memory.used() as u64));
    metrics.connections_limit.set(saturating(parts.config.get().limits.connections as u64));
    let waiting: usize = parts.sessions.table().all().iter().map(|session| session.outbound().bytes()).sum();
    metrics.outbound_queue_bytes.set(saturating(waiting as u64));
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
