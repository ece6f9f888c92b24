//! The gateway: its parts built in order, run until a signal, and drained.

use std::{sync::Arc, time::Duration};

use realtime_gateway_protocol::Timestamp;
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    accept::{Certificates, Listening, ServeError, TlsError},
    auth::{ApiKeys, Authenticator, KeyError, Permissions, PermissionsError},
    bus::{self, open::Opened},
    config::{Config, Loaded},
    descriptors,
    drain::Tasks,
    http,
    hub::Hub,
    metrics::Metrics,
    node::{Lease, Node, Parts},
    running::{Running, Signals},
    service::Service,
    services::{Topics, entry_frame},
    store::{
        NodeName, StoreError,
        open::{OpenError, open},
    },
    telemetry::Telemetry,
};

/// How often what is beyond its age is removed, and the counters are looked at.
const SWEEP: Duration = Duration::from_secs(1);

/// Why a gateway did not start. Each says in one line what is wrong and how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The store was there, and then did not answer.
    #[error("{0}; start again when it is back")]
    StoreAway(#[from] StoreError),
    /// The bus.
    #[error(transparent)]
    Bus(#[from] bus::open::OpenError),
    /// The keys that tokens are verified with.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The sockets.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// Who decides what somebody may do.
    #[error(transparent)]
    Permissions(#[from] PermissionsError),
    /// The certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The metrics.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// A gateway to be: a configuration and the services that are added to it.
pub struct Gateway {
    config: Config,
    services: Vec<Arc<dyn Service>>,
}

impl Gateway {
    /// A gateway with the services that come with it.
    pub fn new(config: Config) -> Self {
        Self { config, services: Vec::new() }
    }

    /// Adds a service.
    #[must_use]
    pub fn service(mut self, service: impl Service) -> Self {
        self.services.push(Arc::new(service));
        self
    }

    /// Builds the parts and begins to serve, on the runtime that this is called from.
    ///
    /// # Errors
    /// [`StartError`] says in one line what is wrong and how to mend it.
    pub async fn start(self) -> Result<Running, StartError> {
        let Self { config, services } = self;
        descriptors::raise(config.limits.connections);
        let tasks = Tasks::default();
        let metrics = Arc::new(Metrics::new()?);
        let name = NodeName::new(&config.node_id);
        let lease = Arc::new(if config.store.is_shared() { Lease::begun() } else { Lease::default() });
        let store = open(&config.store, config.store_options(&name)).await?;
        let opened = bus::open::open(&config, &name, store.clone(), metrics.clone()).await?;
        let Opened { bus, hearing, arrivals } = opened;
        let hub = Hub::new(store.clone(), bus.clone(), entry_frame, metrics.clone(), tasks.clone(), lease.clone());
        let auth = Authenticator::new(&config.auth)?;
        let permissions = Permissions::new(&config.permissions)?;
        let api_keys = ApiKeys::new(&config.auth.api_keys);
        let certificates = config.tls.as_ref().map(Certificates::read).transpose()?;
        let topics = Topics::new(services);
        let node = Node::new(Parts {
            config,
            name,
            lease,
            store,
            bus,
            hub,
            auth,
            permissions,
            api_keys,
            metrics,
            tasks,
            topics,
        });

        let beat = node.first_beat().await?;
        node.tasks.spawn_until_stopped(node.clone().pulse(beat));
        node.tasks.spawn_until_stopped(sweep(node.clone()));
        node.tasks.spawn_until_stopped(node.clone().listen(hearing));
        if let Some(arrivals) = arrivals {
            node.tasks.spawn_until_stopped(node.clone().take_arrivals(arrivals));
        }
        node.tasks.spawn_until_stopped(node.clone().keep_presence());
        let listening = Listening::begin(&node, http::routes(&node), certificates.clone())?;
        node.note_listening(listening.address, listening.forwarding());
        let address = listening.address;
        if let Some(address) = listening.internal {
            tracing::info!(%address, "listening for operators");
        }
        tracing::info!(%address, node = node.config().node_id, "listening");
        Ok(Running { node, listening, certificates })
    }
}

/// Runs a gateway until it is told to go and has gone.
///
/// # Errors
/// [`StartError`] says what kept it from starting.
pub async fn run(
    loaded: Loaded,
    telemetry: Telemetry,
    customise: impl FnOnce(Gateway) -> Gateway,
) -> Result<(), StartError> {
    // A signal that comes while the parts are built must not be missed.
    let signals = Signals::listen();
    let gateway = customise(Gateway::new(loaded.config.clone()));
    gateway.start().await?.until_told(signals, loaded, &telemetry).await;
    Ok(())
}

/// Removes, for ever, what is beyond its age.
async fn sweep(node: Arc<Node>) {
    let mut ticks = interval(SWEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        node.metrics.look();
        loop {
            let now: Timestamp = node.now();
            match node.store.sweep(now).await {
                Ok(swept) => {
                    node.metrics.notifications_dropped("expired", swept.expired);
                    if !swept.more {
                        break;
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "the sweep waits for the store");
                    break;
                }
            }
        }
    }
}
