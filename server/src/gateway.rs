//! The gateway: its parts built in order, run until a signal, and drained.

mod prepared;

use std::{pin::pin, sync::Arc, time::Duration};

use realtime_gateway_protocol::Timestamp;
use tokio::time::{MissedTickBehavior, interval, timeout};

pub(crate) use self::prepared::Prepared;
use crate::{
    accept::{Listening, ServeError, TlsError},
    auth::{KeyError, PermissionsError},
    bus::{self, open::Opened},
    config::{Config, Loaded},
    descriptors,
    drain::Tasks,
    http,
    hub::Hub,
    node::{Lease, Node, Parts},
    running::{Running, Signals},
    service::Service,
    services::{Topics, entry_frame},
    store::{
        NodeName, Store, StoreError,
        open::{OpenError, open},
    },
    telemetry::Telemetry,
};

/// How often what is beyond its age is removed, and the counters are looked at.
const SWEEP: Duration = Duration::from_secs(1);
/// How long a store may take to be left by a gateway that did not start: Redis may be away.
const RESIGN: Duration = Duration::from_secs(1);
/// How long it may take to be closed: a data file is flushed.
const CLOSE: Duration = Duration::from_secs(5);

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
    /// It was asked to shut down while it started.
    #[error("it was asked to shut down while it started")]
    GivenUp,
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
        match self.start_unless(std::future::pending()).await? {
            Some(running) => Ok(running),
            None => Err(StartError::GivenUp),
        }
    }

    /// The same, unless `given_up` resolves first: then what was opened is closed, and `None` is returned.
    ///
    /// # Errors
    /// As [`Gateway::start`].
    pub async fn start_unless(self, given_up: impl Future<Output = ()>) -> Result<Option<Running>, StartError> {
        let Self { config, services } = self;
        let mut given_up = pin!(given_up);
        let prepared = Prepared::new(&config).map_err(|mut problems| problems.swap_remove(0))?;
        let name = NodeName::new(&config.node_id);
        let store = tokio::select! {
            biased;
            () = &mut given_up => return Ok(None),
            store = open(&config.store, config.store_options(&name)) => store?,
        };
        let built = tokio::select! {
            biased;
            () = &mut given_up => Ok(None),
            built = build(config, name, prepared, store.clone(), services) => built.map(Some),
        };
        if !matches!(built, Ok(Some(_))) {
            // A lease that was begun ends by itself should the store be away.
            let _ = timeout(RESIGN, store.resign()).await;
            let _ = timeout(CLOSE, store.close()).await;
        }
        built
    }
}

/// Puts the parts around a store, and begins to serve.
async fn build(
    config: Config,
    name: NodeName,
    prepared: Prepared,
    store: Arc<dyn Store>,
    services: Vec<Arc<dyn Service>>,
) -> Result<Running, StartError> {
    let Prepared { auth, permissions, api_keys, certificates, metrics } = prepared;
    descriptors::raise(config.limits.connections, config.permissions.max_in_flight);
    let tasks = Tasks::default();
    let given_up = tasks.stop_on_drop();
    let lease = Arc::new(if config.store.is_shared() { Lease::begun() } else { Lease::default() });
    let Opened { bus, hearing, arrivals } = bus::open::open(&config, &name, store.clone(), metrics.clone()).await?;
    let hub = Hub::new(store.clone(), bus.clone(), entry_frame, metrics.clone(), tasks.clone(), lease.clone());
    let topics = Topics::new(services);
    let node =
        Node::new(Parts { config, name, lease, store, bus, hub, auth, permissions, api_keys, metrics, tasks, topics });

    let beat = node.first_beat().await?;
    node.tasks.spawn_until_stopped(node.clone().pulse(beat));
    node.tasks.spawn_until_stopped(sweep(node.clone()));
    node.tasks.spawn_until_stopped(node.clone().keep_memory());
    node.tasks.spawn_until_stopped(node.clone().watch_condition());
    node.tasks.spawn_until_stopped(node.clone().listen(hearing));
    if let Some(arrivals) = arrivals {
        node.tasks.spawn_until_stopped(node.clone().take_arrivals(arrivals));
    }
    node.tasks.spawn_until_stopped(node.clone().keep_presence());
    let listening = Listening::begin(&node, http::routes(&node), certificates.clone())?;
    given_up.disarm();
    node.note_listening(listening.address, listening.forwarding());
    let address = listening.address;
    if let Some(address) = listening.internal {
        tracing::info!(%address, "listening for operators");
    }
    tracing::info!(%address, node = node.config().node_id, "listening");
    Ok(Running { node, listening, certificates })
}

/// Runs a gateway until it is asked to shut down and has done so, also while it starts.
///
/// # Errors
/// [`StartError`] says what kept it from starting.
pub async fn run(
    loaded: Loaded,
    mut signals: Signals,
    telemetry: &Telemetry,
    customise: impl FnOnce(Gateway) -> Gateway,
) -> Result<(), StartError> {
    let gateway = customise(Gateway::new(loaded.config.clone()));
    match gateway.start_unless(signals.shutdown()).await? {
        Some(running) => running.run_until_shutdown(signals, loaded, telemetry).await,
        None => tracing::info!("asked to shut down while starting"),
    }
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
