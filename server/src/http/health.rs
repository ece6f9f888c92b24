//! `/health…`: how the node is, for people, dashboards and orchestrators.

mod clock;

use std::{collections::BTreeMap, sync::Arc};

use poem::web::Data;
use poem_openapi::OpenApi;
use realtime_gateway_protocol::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use self::clock::ClockHealth;
use super::{
    body::{Answer, Serving},
    tags::Tag,
};
use crate::{
    bus::BusStatus,
    node::{Node, Status, is_overflowing},
    store::OutboxStatus,
};

/// The status in a word.
#[derive(Debug, Serialize, JsonSchema)]
struct StatusWord {
    status: Status,
}

/// How the node is.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Health {
    status: Status,
    /// The gateway's version.
    version: &'static str,
    /// Names the node.
    node_id: String,
    /// How long the process has been running.
    uptime_seconds: u64,
    bus: BusHealth,
    store: StoreHealth,
    clock: ClockHealth,
    /// Every service by its name.
    services: BTreeMap<String, Status>,
    /// What an operator should look at.
    warnings: Vec<String>,
}

/// How the bus is.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct BusHealth {
    status: Status,
    /// `embedded` or `rabbitmq`.
    kind: &'static str,
    /// `connected`, `reconnecting`, or `blocked` while the broker takes nothing.
    state: &'static str,
    /// Since when it is not connected, or blocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    /// When the next try is, in milliseconds; absent while one is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_try_ms: Option<u64>,
    /// What went wrong last.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    /// Why the broker takes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked_reason: Option<String>,
    /// Events for backend services that wait for the broker, of all nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    outbox: Option<OutboxHealth>,
}

/// How the outbox is.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct OutboxHealth {
    /// How many events wait.
    entries: u64,
    /// When the oldest of them happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest: Option<Timestamp>,
    /// Events of this process that were left out because `outbox.max_entries` waited.
    overflowed: u64,
}

impl BusHealth {
    fn of(bus: &BusStatus, status: Status, outbox: Option<OutboxStatus>) -> Self {
        let kind = if *bus == BusStatus::Embedded { "embedded" } else { "rabbitmq" };
        let outbox =
            outbox.map(|OutboxStatus { entries, oldest, overflowed }| OutboxHealth { entries, oldest, overflowed });
        let well = Self {
            status,
            kind,
            state: "connected",
            since: None,
            next_try_ms: None,
            last_error: None,
            blocked_reason: None,
            outbox,
        };
        match bus {
            BusStatus::Embedded | BusStatus::Connected => well,
            BusStatus::Blocked { reason, since } => {
                Self { state: "blocked", since: Some(*since), blocked_reason: Some(reason.to_string()), ..well }
            }
            BusStatus::Reconnecting { since, next_try, last_error } => Self {
                state: "reconnecting",
                since: Some(*since),
                next_try_ms: next_try.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
                last_error: Some(last_error.to_string()),
                ..well
            },
        }
    }
}

/// How the store is.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct StoreHealth {
    status: Status,
    /// Changes when confirmed entries may have been lost.
    epoch: String,
    /// Bytes that it takes of the disk or of memory, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// Notifications that wait for an acknowledgement.
    pending_notifications: u64,
    /// Why it does not serve writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    /// How many stored rows (entries, notifications, …) were found damaged or missing since the start.
    damaged: u64,
    /// Bytes that count against `store.max_bytes`, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    used_bytes: Option<u64>,
    /// `store.max_bytes`, where it is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_bytes: Option<u64>,
    /// Which share of the file system of the data file, or of the `maxmemory` of Redis, is free.
    #[serde(skip_serializing_if = "Option::is_none")]
    free_ratio: Option<f64>,
    /// Why new messages and notifications are refused, while they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    refusing_writes: Option<String>,
    /// Idempotency keys and notification ids that are remembered; with Redis every key that has an expiry.
    idempotency_keys: u64,
    /// How often the data file was compacted since the start.
    compactions: u64,
}

/// What goes on over WebSockets on this node.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct WebSocketHealth {
    /// Connections since the start.
    total_connections: u64,
    /// Connections that are open.
    active_connections: i64,
    /// Users with a session on this node.
    connected_users: usize,
    /// Live subscriptions by service.
    subscriptions: BTreeMap<String, i64>,
    /// Messages from clients since the start.
    messages_received: u64,
    /// Messages to clients since the start.
    messages_sent: u64,
    /// Errors sent to clients since the start, by code.
    errors: BTreeMap<String, u64>,
    rates: Rates,
}

/// Means of the last minute.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct Rates {
    messages_received_per_second: f64,
    messages_sent_per_second: f64,
}

/// What the client-facing port tells when operators have one of their own.
pub(super) struct PublicHealth;

#[OpenApi]
#[expect(clippy::unused_async, reason = "poem-openapi takes asynchronous handlers only")]
impl PublicHealth {
    /// The status word.
    #[oai(path = "/health", method = "get", tag = "Tag::Health")]
    async fn health(&self, node: Data<&Arc<Node>>) -> Serving<StatusWord> {
        let status = node.status();
        Serving { serves: status.serves(), body: StatusWord { status } }
    }
}

/// What operators see.
pub(super) struct FullHealth;

#[OpenApi]
#[expect(clippy::unused_async, reason = "poem-openapi takes asynchronous handlers only")]
impl FullHealth {
    /// How the node is.
    ///
    /// 200 also when it is degraded, because it serves then; 503 when it cannot serve or is on its way out.
    #[oai(path = "/health", method = "get", tag = "Tag::Health")]
    async fn health(&self, node: Data<&Arc<Node>>) -> Serving<Health> {
        let status = node.status();
        Serving { serves: status.serves(), body: health_of(&node, status) }
    }

    /// What goes on over WebSockets on this node.
    #[oai(path = "/health/websocket", method = "get", tag = "Tag::Health")]
    async fn websocket(&self, node: Data<&Arc<Node>>) -> Answer<WebSocketHealth> {
        Answer(websocket_of(&node))
    }
}

/// What orchestrators ask.
pub(super) struct Probes;

#[OpenApi]
#[expect(clippy::unused_async, reason = "poem-openapi takes asynchronous handlers only")]
impl Probes {
    /// Whether the process is alive.
    ///
    /// 503 when it has not looked after itself for a minute, so that it should be started again.
    #[oai(path = "/health/live", method = "get", tag = "Tag::Health")]
    async fn live(&self, node: Data<&Arc<Node>>) -> Serving<StatusWord> {
        let status = node.liveness();
        Serving { serves: status.serves(), body: StatusWord { status } }
    }

    /// Whether the node takes new connections.
    ///
    /// 503 while it drains, after one of its parts has died, and when a store that it has to itself is broken or its data
    /// file was removed or replaced; not for a shared one that is away. The store is asked to read and to write at most once a second.
    #[oai(path = "/health/ready", method = "get", tag = "Tag::Health")]
    async fn ready(&self, node: Data<&Arc<Node>>) -> Serving<StatusWord> {
        let status = node.status();
        Serving { serves: node.is_ready(), body: StatusWord { status } }
    }
}

fn health_of(node: &Node, status: Status) -> Health {
    let config = node.config();
    let store = node.store.status();
    // What a shared store lost is gone for good, and told to clients; a data file can be repaired.
    let is_sound = store.damaged == 0 || config.store.is_shared();
    let refusing_writes = store.space.refusing.map(|reason| reason.to_string());
    let store_status =
        if store.writable && is_sound && refusing_writes.is_none() { Status::Ok } else { Status::Degraded };
    let last_error = store.last_error.filter(|_| !store.writable).map(|error| error.to_string());
    let clock = node.clock.status();
    let mut warnings = node.warnings();
    warnings.extend(node.tasks.supervisor().failure().map(|failure| failure.to_string()));
    warnings.extend(clock::warnings(&clock));
    warnings.extend(store.warnings.iter().map(ToString::to_string));
    if let Some(error) = &last_error {
        warnings.push(format!("the store takes no writes: {error}"));
    }
    if store.damaged > 0 {
        let repair = if config.store.is_shared() { "docs/redis.md" } else { "docs/operations.md, \"Damaged data\"" };
        warnings.push(format!("{} stored rows are damaged or missing; what to do: {repair}", store.damaged));
    }
    warnings.extend(refusing_writes.clone());
    warnings.extend(config.missing_broker().map(str::to_owned));
    warnings.extend(config.keys_without_scopes());
    let (bus, outbox) = (node.bus.status(), node.outbox());
    let bus_warnings = node.bus.warnings();
    let is_bus_impaired = bus_warnings.iter().any(|warning| warning.degrades);
    warnings.extend(bus_warnings.into_iter().map(|warning| warning.text));
    match &bus {
        BusStatus::Embedded | BusStatus::Connected => {}
        BusStatus::Blocked { reason, .. } => {
            warnings.push(format!("the broker takes nothing now ({reason}); events wait in the outbox"));
        }
        BusStatus::Reconnecting { last_error, .. } => {
            warnings.push(format!("the broker is away ({last_error}); nodes hear of each other once a second"));
        }
    }
    if node.lease.is_lost() {
        warnings
            .push("this node could not renew its lease: its sessions are frozen until the store is back".to_owned());
    }
    if let Some(outbox) = outbox.filter(|outbox| is_overflowing(Some(*outbox))) {
        warnings.push(format!(
            "outbox.max_entries events waited for the broker: {} events were left out since the start",
            outbox.overflowed
        ));
    }
    let bus_status =
        if bus.is_well() && !is_bus_impaired && !is_overflowing(outbox) { Status::Ok } else { Status::Degraded };
    if config.dev {
        warnings.push("this gateway runs with --dev: anybody on this machine gets a token from it".to_owned());
    }
    Health {
        status,
        version: env!("CARGO_PKG_VERSION"),
        node_id: config.node_id.clone(),
        uptime_seconds: node.started.elapsed().as_secs(),
        bus: BusHealth::of(&bus, bus_status, outbox),
        store: StoreHealth {
            status: store_status,
            epoch: node.store.epoch().to_string(),
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
        services: node.service_names().into_iter().map(|name| (name.to_string(), store_status)).collect(),
        warnings,
    }
}

fn websocket_of(node: &Node) -> WebSocketHealth {
    let metrics = &node.metrics;
    let subscriptions = |name: &str| metrics.subscriptions_active.with_label_values(&[name]).get();
    let (received, sent) = metrics.rates.last_minute();
    WebSocketHealth {
        total_connections: metrics.connections_total.with_label_values(&["upgraded"]).get(),
        active_connections: metrics.connections_active.get(),
        connected_users: node.sessions.user_count(),
        subscriptions: node
            .service_names()
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
