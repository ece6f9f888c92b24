//! Joins the bus between nodes, and opens the broker of backend services that `bus.url` names.

use std::sync::Arc;

use super::{
    BackendBroker, Bus, BusEvents, ClusterBus, EmbeddedBus, InboundEvents,
    backend_events::{self, BackendEvents},
    rabbitmq::{self, Connections, RabbitBroker, RabbitError, RabbitRequests, StoreUse},
};
use crate::{
    backend::RequestBroker,
    config::Config,
    metrics::Metrics,
    runtime::{supervision::Supervisor, tasks::Tasks},
    store::{NodeName, Store},
};

pub use super::rabbitmq::Topology;

/// Why there is no broker.
pub type OpenError = RabbitError;

/// The broker of backend services, and what comes out of it.
pub struct Opened {
    /// The broker.
    pub broker: BackendBroker,
    /// What backend services publish.
    pub inbound: InboundEvents,
    /// Requests to the backends of declared services.
    pub requests: Arc<dyn RequestBroker>,
}

/// Joins the bus between the nodes of a store. A store that one process has to itself gets a bus without other nodes.
pub fn join(store: &dyn Store) -> (Arc<dyn Bus>, BusEvents) {
    match ClusterBus::join(store) {
        Some((bus, events)) => (Arc::new(bus), events),
        None => {
            let (bus, events) = EmbeddedBus::new();
            (Arc::new(bus), events)
        }
    }
}

/// Opens the broker of backend services, if one is configured. A broker that cannot be reached is not an error: the
/// gateway connects when it can.
///
/// # Errors
/// [`OpenError`] says what is wrong with the configuration, or that another gateway uses the same broker and prefix.
pub async fn open(
    config: &Config,
    name: &NodeName,
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    supervisor: &Supervisor,
) -> Result<Option<Opened>, OpenError> {
    if config.bus.is_embedded() {
        return Ok(None);
    }
    let tasks = Tasks::supervised_by(supervisor);
    // A start that is given up leaves no task behind.
    let given_up = tasks.stop_on_drop();
    let parts = rabbitmq::Parts {
        config: &config.bus,
        node: name.id.clone(),
        store_use: store_use(config),
        metrics: metrics.clone(),
        tasks: &tasks,
        supervisor,
    };
    let connections = Arc::new(Connections::open(parts).await?);
    let broker = Arc::new(RabbitBroker::new(&connections));
    let parts = backend_events::Parts { broker, store, metrics, tasks: &tasks, supervisor };
    let (events, inbound) = BackendEvents::start(parts);
    let (requests, channel) = RabbitRequests::new(&connections);
    tasks.spawn_until_stopped(supervisor.watch_panics("requests to backends", channel.run()));
    given_up.disarm();
    Ok(Some(Opened { broker: BackendBroker { events, connections, tasks }, inbound, requests: Arc::new(requests) }))
}

/// Checks whether the broker that is configured can be used, and what it has of what the gateway declares.
///
/// # Errors
/// [`OpenError`] says why not.
pub async fn probe(config: &Config) -> Result<Topology, OpenError> {
    rabbitmq::probe(&config.bus, store_use(config)).await
}

fn store_use(config: &Config) -> StoreUse {
    if config.store.is_shared() { StoreUse::Shared } else { StoreUse::Own }
}
