//! `/health…`: how the node is, for people, dashboards and orchestrators.

use std::{collections::BTreeMap, sync::Arc};

use poem::web::Data;
use poem_openapi::OpenApi;
use realtime_gateway_protocol::ClanId;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    body::{Answer, Serving},
    tags::Tag,
};
use crate::{
    bus::BusStatus,
    node::{Node, in_time},
    topic::Topic,
};

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Status {
    /// All is well.
    Ok,
    /// It serves, but not everything.
    Degraded,
    /// The node is on its way out.
    Draining,
    /// It cannot serve.
    Unavailable,
}

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
    /// Every service by its name.
    services: BTreeMap<String, Status>,
    /// What an operator should look at.
    warnings: Vec<String>,
}

/// How the bus is.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct BusHealth {
    status: Status,
    /// `embedded` or `rabbitmq`.
    kind: &'static str,
}

/// How the store is.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct StoreHealth {
    status: Status,
    /// Changes when confirmed entries may have been lost.
    epoch: String,
    /// Bytes that it holds, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// Notifications that wait for an acknowledgement.
    pending_notifications: u64,
    /// Why it does not serve writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
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
impl PublicHealth {
    /// The status word.
    #[oai(path = "/health", method = "get", tag = "Tag::Health")]
    async fn health(&self, node: Data<&Arc<Node>>) -> Serving<StatusWord> {
        let status = status_of(&node).await;
        Serving { serves: serves(status), body: StatusWord { status } }
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
        let status = status_of(&node).await;
        Serving { serves: serves(status), body: health_of(&node, status) }
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
    #[oai(path = "/health/live", method = "get", tag = "Tag::Health")]
    async fn live(&self) -> Answer<StatusWord> {
        Answer(StatusWord { status: Status::Ok })
    }

    /// Whether the node takes new connections.
    ///
    /// 503 while it drains, and when a store that it has to itself is broken; not for a shared one that is away.
    #[oai(path = "/health/ready", method = "get", tag = "Tag::Health")]
    async fn ready(&self, node: Data<&Arc<Node>>) -> Serving<StatusWord> {
        let status = status_of(&node).await;
        Serving { serves: serves(status), body: StatusWord { status } }
    }
}

/// Degraded is no reason to be taken out: a full disk still lets everybody read.
fn serves(status: Status) -> bool {
    matches!(status, Status::Ok | Status::Degraded)
}

async fn status_of(node: &Node) -> Status {
    if node.is_draining() {
        return Status::Draining;
    }
    // The store is asked for something, because a broken one may not know that it is.
    let Ok(clan) = ClanId::new("health") else { return Status::Unavailable };
    if in_time(node.store.heads(&[Topic::Clan(clan)])).await.is_err() {
        // A shared store that is away is away for every node: nobody gains when all are taken out at once.
        return if node.config().store.is_shared() { Status::Degraded } else { Status::Unavailable };
    }
    if bus_status(node) == Status::Ok && node.store.status().writable { Status::Ok } else { Status::Degraded }
}

fn bus_status(node: &Node) -> Status {
    if node.bus.status().is_well() { Status::Ok } else { Status::Degraded }
}

fn health_of(node: &Node, status: Status) -> Health {
    let config = node.config();
    let store = node.store.status();
    let store_status = if store.writable { Status::Ok } else { Status::Degraded };
    let last_error = store.last_error.filter(|_| !store.writable).map(|error| error.to_string());
    let mut warnings = node.warnings();
    if let Some(error) = &last_error {
        warnings.push(format!("the store takes no writes: {error}"));
    }
    if bus_status(node) != Status::Ok {
        warnings.push("the broker is away; nodes hear of each other once a second".to_owned());
    }
    if node.lease.is_lost() {
        warnings
            .push("this node could not renew its lease: its sessions are frozen until the store is back".to_owned());
    }
    if config.dev {
        warnings.push("this gateway runs with --dev: anybody on this machine gets a token from it".to_owned());
    }
    Health {
        status,
        version: env!("CARGO_PKG_VERSION"),
        node_id: config.node_id.clone(),
        uptime_seconds: node.started.elapsed().as_secs(),
        bus: BusHealth {
            status: bus_status(node),
            kind: if node.bus.status() == BusStatus::Embedded { "embedded" } else { "rabbitmq" },
        },
        store: StoreHealth {
            status: store_status,
            epoch: node.store.epoch().to_string(),
            bytes: store.bytes,
            pending_notifications: store.pending_notifications,
            last_error,
        },
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
