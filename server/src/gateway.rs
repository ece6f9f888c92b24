//! The gateway: builds its parts in order, runs until a signal, and shuts down gracefully.

mod edge_context;
mod prepared;
pub mod running;
mod shutdown;
mod wiring;

use std::{collections::BTreeSet, pin::pin, sync::Arc, time::Duration};

use realtime_gateway_protocol::ServiceName;
use tokio::time::timeout;

#[cfg(test)]
pub(crate) use self::edge_context::GatewayEdgeContext;
pub(crate) use self::prepared::Prepared;
use self::wiring::{Materials, build};
use crate::{
    auth::{KeyError, PermissionsError},
    bus,
    commands::{declared::DeclaredServiceError, service::Service},
    config::{Config, Loaded},
    edge::accept::{ServeError, TlsError},
    gateway::running::{Running, Signals},
    runtime::{
        clock::NodeClock,
        supervision::{PartFailure, Supervisor},
    },
    store::{
        NodeName, Options, StoreError,
        open::{OpenError, open},
    },
    telemetry::Telemetry,
    webhooks::WebhookError,
};

/// The time limit for removing the node's records from the store when the gateway did not start. Redis may be
/// unavailable.
const RESIGN: Duration = Duration::from_secs(1);
/// The time limit for closing the store, which flushes a data file.
const CLOSE: Duration = Duration::from_secs(5);

/// The reason why a gateway did not start. Each text says in one line what is wrong and how to fix it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store could not be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The store was opened and then did not answer.
    #[error("{0}; start again when the store is available")]
    StoreAway(#[from] StoreError),
    /// The broker of backend services could not be opened.
    #[error(transparent)]
    Broker(#[from] bus::open::OpenError),
    /// The keys that verify tokens are invalid.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The gateway cannot listen on its ports.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The source of permissions cannot be used.
    #[error(transparent)]
    Permissions(#[from] PermissionsError),
    /// The TLS certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The metrics could not be registered.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// Two services have the same name, or one has the name of a built-in service.
    #[error("there are two services with the name {0}; give the added service another name")]
    ServiceName(ServiceName),
    /// A declared service cannot be served.
    #[error(transparent)]
    DeclaredService(#[from] DeclaredServiceError),
    /// A webhook cannot be used.
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    /// The gateway was asked to shut down while it started.
    #[error("the gateway was asked to shut down while it started")]
    GivenUp,
}

/// The reason why a gateway ended without having been asked to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The gateway did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A part of the gateway has failed.
    #[error(transparent)]
    Part(#[from] PartFailure),
}

/// A builder of a gateway: a configuration and additional services.
pub struct Gateway {
    config: Config,
    services: Vec<Arc<dyn Service>>,
}

impl Gateway {
    /// Creates a gateway with the built-in services.
    pub fn new(config: Config) -> Self {
        Self { config, services: Vec::new() }
    }

    /// Adds a service.
    #[must_use]
    pub fn service(mut self, service: impl Service) -> Self {
        self.services.push(Arc::new(service));
        self
    }

    /// Builds the parts and starts to serve, on the runtime of the caller.
    ///
    /// # Errors
    /// A [`StartError`] that says in one line what is wrong and how to fix it.
    pub async fn start(self) -> Result<Running, StartError> {
        match self.start_unless(std::future::pending()).await? {
            Some(running) => Ok(running),
            None => Err(StartError::GivenUp),
        }
    }

    /// Starts like [`Gateway::start`], unless `given_up` resolves first. Then it closes what was opened and returns
    /// `None`.
    ///
    /// # Errors
    /// As [`Gateway::start`].
    pub async fn start_unless(self, given_up: impl Future<Output = ()>) -> Result<Option<Running>, StartError> {
        let Self { config, services } = self;
        let mut given_up = pin!(given_up);
        check_names(&services)?;
        let prepared = Prepared::new(&config).map_err(|mut problems| problems.swap_remove(0))?;
        let name = NodeName::new(&config.node_id);
        let (clock, supervisor) = (NodeClock::default(), Supervisor::default());
        let options = Options { supervisor: supervisor.clone(), ..config.store_options(&name) };
        let store = tokio::select! {
            biased;
            () = &mut given_up => return Ok(None),
            store = open(&config.store, options, &clock) => store?,
        };
        let materials = Materials { config, name, services, prepared, store: store.clone(), clock, supervisor };
        let built = tokio::select! {
            biased;
            () = &mut given_up => Ok(None),
            built = build(materials) => built.map(Some),
        };
        if !matches!(built, Ok(Some(_))) {
            // If the store does not answer, the lease of this node expires by itself.
            let _ = timeout(RESIGN, store.resign()).await;
            let _ = timeout(CLOSE, store.close()).await;
        }
        built
    }
}

/// Checks that each service has a name of its own.
fn check_names(added: &[Arc<dyn Service>]) -> Result<(), StartError> {
    let mut names = BTreeSet::from([ServiceName::notifications(), ServiceName::clan_chat()]);
    match added.iter().map(|service| service.name()).find(|name| !names.insert(name.clone())) {
        Some(name) => Err(StartError::ServiceName(name)),
        None => Ok(()),
    }
}

/// Runs a gateway until it has been asked to shut down and has done so. A signal during the start ends it too.
///
/// # Errors
/// A [`RunError`] with the reason why the gateway did not start, or with the part that has failed.
pub async fn run(
    loaded: Loaded,
    mut signals: Signals,
    telemetry: &Telemetry,
    customise: impl FnOnce(Gateway) -> Gateway,
) -> Result<(), RunError> {
    let gateway = customise(Gateway::new(loaded.config.clone()));
    match gateway.start_unless(signals.shutdown()).await? {
        Some(running) => running.run_until_shutdown(signals, loaded, telemetry).await?,
        None => tracing::info!("asked to shut down while starting"),
    }
    Ok(())
}

#[cfg(test)]
mod tests;
