//! From `bus.url` to a bus.

use std::sync::Arc;

use super::{
    Arrivals, Bus, EmbeddedBus, Hearing,
    rabbitmq::{self, Parts, Peers, RabbitBus, RabbitError},
};
use crate::{
    config::Config,
    metrics::Metrics,
    store::{NodeName, Store},
    supervision::Supervisor,
};

pub use super::rabbitmq::Topology;

/// Why there is no bus.
pub type OpenError = RabbitError;

/// A node's end of a bus, and what comes out of it.
pub struct Opened {
    /// The bus.
    pub bus: Arc<dyn Bus>,
    /// What other nodes say.
    pub hearing: Hearing,
    /// What backend services publish, when there is a broker.
    pub arrivals: Option<Arrivals>,
}

/// Opens the bus that is configured. A broker that is away is no error: the bus goes on trying.
///
/// # Errors
/// [`OpenError`] says what is wrong with the configuration, or that another gateway stands in the way.
pub async fn open(
    config: &Config,
    name: &NodeName,
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    supervisor: &Supervisor,
) -> Result<Opened, OpenError> {
    if config.bus.is_embedded() {
        let (bus, hearing) = EmbeddedBus::new(&name.id);
        return Ok(Opened { bus: Arc::new(bus), hearing, arrivals: None });
    }
    let parts = Parts { config: &config.bus, node: name.id.clone(), peers: peers(config), store, metrics, supervisor };
    let (bus, hearing, arrivals) = RabbitBus::open(parts).await?;
    Ok(Opened { bus: Arc::new(bus), hearing, arrivals: Some(arrivals) })
}

/// Tells whether the broker that is configured can be used, and what it has of what the gateway declares.
///
/// # Errors
/// [`OpenError`] says why not.
pub async fn probe(config: &Config) -> Result<Topology, OpenError> {
    rabbitmq::probe(&config.bus, &config.node_id, peers(config)).await
}

fn peers(config: &Config) -> Peers {
    if config.store.is_shared() { Peers::Some } else { Peers::None }
}
