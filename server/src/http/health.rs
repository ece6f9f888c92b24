//! `/health…`: the state of the node, for operators, dashboards and orchestrators.

mod clock;
mod cluster;

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use poem::web::Data;
use poem_openapi::OpenApi;
use realtime_gateway_protocol::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use self::{clock::ClockHealth, cluster::ClusterHealth};
use super::{
    NodeView,
    body::{HealthResponse, JsonResponse},
    tags::Tag,
};
use crate::{
    bus::BrokerStatus,
    cluster::{Status, is_overflowing},
    store::OutboxStatus,
};

/// The status as a single word.
#[derive(Debug, Serialize, JsonSchema)]
struct StatusWord {
    status: Status,
}

/// The health of the node.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Health {
    status: Status,
    /// The gateway's version.
    version: &'static str,
    /// The id of the node.
    node_id: String,
    /// How long the process has been running, in seconds.
    uptime_seconds: u64,
    cluster: ClusterHealth,
    bus: BusHealth,
    store: StoreHealth,
    clock: ClockHealth,
    /// The status of each service, by its name.
    services: BTreeMap<String, Status>,
    /// Problems that an operator should look into.
    warnings: Vec<String>,
}

/// The health of the broker of backend services.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct BusHealth {
    status: Status,
    /// `rabbitmq`, or `embedded` when no broker is configured.
    kind: &'static str,
    /// `connected`, `reconnecting`, or `blocked` while the broker accepts nothing.
    state: &'static str,
    /// Since when the broker has been disconnected or blocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    /// The time until the next connection attempt, in milliseconds; absent while one is in progress.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_try_ms: Option<u64>,
    /// The most recent error.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    /// Why the broker accepts nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked_reason: Option<String>,
    /// Events of all nodes for backend services that wait for the broker.
    #[serde(skip_serializing_if = "Option::is_none")]
    outbox: Option<OutboxHealth>,
}

/// The state of the outbox.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct OutboxHealth {
    /// The number of waiting events.
    entries: u64,
    /// When the oldest waiting event occurred.
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest: Option<Timestamp>,
    /// Events of this process that were dropped because `outbox.max_entries` events were waiting.
    overflowed: u64,
}

impl BusHealth {
    fn of(broker: Option<BrokerStatus>, status: Status, outbox: Option<OutboxStatus>) -> Self {
        let kind = if broker.is_some() { "rabbitmq" } else { "embedded" };
        let outbox =
            outbox.map(|OutboxStatus { entries, oldest, overflowed }| OutboxHealth { entries, oldest, overflowed });
        let connected = Self {
            status,
            kind,
            state: "connected",
            since: None,
            next_try_ms: None,
            last_error: None,
            blocked_reason: None,
            outbox,
        };
        match broker {
            None | Some(BrokerStatus::Connected) => connected,
            Some(BrokerStatus::Blocked { reason, since }) => {
                Self { state: "blocked", since: Some(since), blocked_reason: Some(reason.to_string()), ..connected }
            }
            Some(BrokerStatus::Reconnecting { since, next_try, last_error }) => Self {
                state: "reconnecting",
                since: Some(since),
                next_try_ms: next_try.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
                last_error: Some(last_error.to_string()),
                ..connected
            },
        }
    }
}

/// The health of the store.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct StoreHealth {
    status: Status,
    /// Identifies the history of the store. Changes when confirmed entries may have been lost.
    epoch: String,
    /// The size on disk or in memory, in bytes, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// Notifications that have not been acknowledged.
    pending_notifications: u64,
    /// Why the store does not accept writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    /// Stored rows (entries, notifications, …) that were found damaged or missing since the start.
    damaged: u64,
    /// Bytes that count against `store.max_bytes`, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    used_bytes: Option<u64>,
    /// `store.max_bytes`, if set.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_bytes: Option<u64>,
    /// The free share of the file system of the data file, or of Redis's `maxmemory`.
    #[serde(skip_serializing_if = "Option::is_none")]
    free_ratio: Option<f64>,
    /// Why new messages and notifications are refused. Absent while they are accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    refusing_writes: Option<String>,
    /// Idempotency keys and notification ids that are stored. With Redis, all keys that have an expiry.
    idempotency_keys: u64,
    /// How often the data file was compacted since the start.
    compactions: u64,
}

/// The WebSocket activity of this node.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct WebSocketHealth {
    /// Connections that were opened since the start.
    total_connections: u64,
    /// Connections that are open now.
    active_connections: i64,
    /// Users with a session on this node.
    connected_users: usize,
    /// Active subscriptions, by service.
    subscriptions: BTreeMap<String, i64>,
    /// Messages received from clients since the start.
    messages_received: u64,
    /// Messages sent to clients since the start.
    messages_sent: u64,
    /// Errors sent to clients since the start, by code.
    errors: BTreeMap<String, u64>,
    rates: Rates,
}

/// Averages over the last minute.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct Rates {
    messages_received_per_second: f64,
    messages_sent_per_second: f64,
}

/// The health routes of the client port when operators have a separate port.
pub(super) struct PublicHealth;

#[OpenApi]
#[expect(clippy::unused_async, reason = "poem-openapi takes asynchronous handlers only")]
impl PublicHealth {
    /// The status as a single word.
    #[oai(path = "/health", method = "get", tag = "Tag::Health")]
    async fn health(&self, view: Data<&Arc<NodeView>>) -> HealthResponse<StatusWord> {
        let status = view.parts.condition.status();
        HealthResponse { is_serving: status.serves(), body: StatusWord { status } }
    }
}

/// The health routes for operators.
pub(super) struct FullHealth;

#[OpenApi]
#[expect(clippy::unused_async, reason = "poem-openapi takes asynchronous handlers only")]
impl FullHealth {
    /// The health of the node.
    ///
    /// 200 while the node is serving, even if degraded. 503 when it cannot serve or is shutting down.
    #[oai(path = "/health", method = "get", tag = "Tag::Health")]
    async fn health(&self, view: Data<&Arc<NodeView>>) -> HealthResponse<Health> {
        let status = view.parts.condition.status();
        HealthResponse { is_serving: status.serves(), body: health_of(&view, status) }
    }

    /// The WebSocket activity of this node.
    #[oai(path = "/health/websocket", method = "get", tag = "Tag::Health")]
    async fn websocket(&self, view: Data<&Arc<NodeView>>) -> JsonResponse<WebSocketHealth> {
        JsonResponse(websocket_of(&view))
    }
}

/// The probes for orchestrators.
pub(super) struct Probes;

#[OpenApi]
#[expect(clippy::unused_async, reason = "poem-openapi takes asynchronous handlers only")]
impl Probes {
    /// Whether the process is alive.
    ///
    /// 503 when the node's housekeeping has not run for a minute, so that the process should be restarted.
    #[oai(path = "/health/live", method = "get", tag = "Tag::Health")]
    async fn live(&self, view: Data<&Arc<NodeView>>) -> HealthResponse<StatusWord> {
        let status = view.parts.condition.liveness();
        HealthResponse { is_serving: status.serves(), body: StatusWord { status } }
    }

    /// Whether the node accepts new connections.
    ///
    /// 503 while the node drains, after one of its parts has failed, and when a store of its own is broken or its data
    /// file was removed or replaced. An unavailable shared store does not make the node unready. The store is checked
    /// at most once a second.
    #[oai(path = "/health/ready", method = "get", tag = "Tag::Health")]
    async fn ready(&self, view: Data<&Arc<NodeView>>) -> HealthResponse<StatusWord> {
        let status = view.parts.condition.status();
        HealthResponse { is_serving: view.parts.condition.is_ready(), body: StatusWord { status } }
    }
}

fn health_of(view: &NodeView, status: Status) -> Health {
    let parts = &view.parts;
    let config = view.config();
    let store = parts.store.status();
    // What a shared store has lost cannot be repaired, and clients are notified. A data file can be repaired, so it
    // stays degraded until then.
    let is_sound = store.damaged == 0 || config.store.is_shared();
    let refusing_writes = store.space.refusing.map(|reason| reason.to_string());
    let store_status =
        if store.writable && is_sound && refusing_writes.is_none() { Status::Ok } else { Status::Degraded };
    let last_error = store.last_error.filter(|_| !store.writable).map(|error| error.to_string());
    let clock = parts.clock.status();
    let mut warnings = view.edge_warnings();
    warnings.extend(parts.supervisor.failure().map(|failure| failure.to_string()));
    warnings.extend(clock::warnings(&clock));
    warnings.extend(store.warnings.iter().map(ToString::to_string));
    if let Some(error) = &last_error {
        warnings.push(format!("the store does not accept writes: {error}"));
    }
    if store.damaged > 0 {
        let repair = if config.store.is_shared() { "docs/redis.md" } else { "docs/operations.md, \"Damaged data\"" };
        warnings.push(format!("{} stored rows are damaged or missing; for what to do, see {repair}", store.damaged));
    }
    warnings.extend(refusing_writes.clone());
    warnings.extend(config.keys_without_scopes());
    let cluster = ClusterHealth::of(parts.bus.status());
    warnings.extend(cluster.warning());
    warnings.extend(parts.agreement.warning(Instant::now()));
    let (broker, outbox) = (parts.broker.as_ref(), parts.condition.outbox());
    let broker_status = broker.map(|broker| broker.status());
    warnings.extend(broker.into_iter().flat_map(|broker| broker.warnings()).map(|warning| warning.text));
    match &broker_status {
        None | Some(BrokerStatus::Connected) => {}
        Some(BrokerStatus::Blocked { reason, .. }) => {
            warnings.push(format!("the broker accepts nothing ({reason}); events wait in the outbox"));
        }
        Some(BrokerStatus::Reconnecting { last_error, .. }) => {
            warnings.push(format!("the broker is unavailable ({last_error}); events wait in the outbox"));
        }
    }
    if parts.node.lease.is_lost() {
        warnings
            .push("this node could not renew its lease: its sessions are suspended until the store is back".to_owned());
    }
    if let Some(outbox) = outbox.filter(|outbox| is_overflowing(Some(*outbox))) {
        warnings.push(format!(
            "outbox.max_entries events waited for the broker: {} events were dropped since the start",
            outbox.overflowed
        ));
    }
    let is_bus_healthy = broker.is_none_or(|broker| broker.is_healthy()) && !is_overflowing(outbox);
    let bus_status = if is_bus_healthy { Status::Ok } else { Status::Degraded };
    if config.dev {
        warnings.push("this gateway runs with --dev: everyone on this machine can get a token from it".to_owned());
    }
    Health {
        status,
        version: env!("CARGO_PKG_VERSION"),
        node_id: config.node_id.clone(),
        uptime_seconds: parts.node.started.elapsed().as_secs(),
        cluster,
        bus: BusHealth::of(broker_status, bus_status, outbox),
        store: StoreHealth {
            status: store_status,
            epoch: parts.store.epoch().to_string(),
            bytes: store.bytes,
            pending_notifications: store.pending_notifications,
            last_error,
            damaged: store.damaged,
            used_bytes: store.space.used,
            limit_bytes: store.space.limit,
            free_ratio: store.space.free_ratio,
            refusing_writes,
            idempotency_keys: store.idempotency_keys,
            compactions: store.compactions,
        },
        clock: ClockHealth::of(&clock),
        services: parts.services.names().into_iter().map(|name| (name.to_string(), store_status)).collect(),
        warnings,
    }
}

fn websocket_of(view: &NodeView) -> WebSocketHealth {
    let parts = &view.parts;
    let metrics = &parts.metrics;
    let subscriptions = |name: &str| metrics.subscriptions_active.with_label_values(&[name]).get();
    let (received, sent) = metrics.rates.last_minute();
    WebSocketHealth {
        total_connections: metrics.connections_total.with_label_values(&["upgraded"]).get(),
        active_connections: metrics.connections_active.get(),
        connected_users: parts.sessions.table().user_count(),
        subscriptions: parts
            .services
            .names()
            .into_iter()
            .map(|name| (name.to_string(), subscriptions(name.as_str())))
            .collect(),
        messages_received: metrics.messages_received_total.sum(),
        messages_sent: metrics.messages_sent_total.sum(),
        errors: metrics.errors_total.nonzero().into_iter().map(|(code, count)| (code.to_owned(), count)).collect(),
        rates: Rates {
            messages_received_per_second: received as f64 / 60.0,
            messages_sent_per_second: sent as f64 / 60.0,
        },
    }
}
