//! Implements the interface that the edge uses to hand connections to the gateway.

use std::{net::IpAddr, sync::Arc};

use http::StatusCode;

use crate::{
    auth::{ApiKeys, AuthError, Identity},
    cluster::Condition,
    commands::router::{Router, RouterParts},
    config::{Config, LiveConfig},
    delivery::outbound::Outbound,
    edge::{
        context::EdgeContext,
        probe::{Probe, Probed},
    },
    metrics::Metrics,
    runtime::{memory::MemoryBudget, tasks::Tasks},
    session::{TokenVerifier, UpgradeInfo},
};

/// Creates a router for each client connection.
pub(crate) struct GatewayEdgeContext {
    pub(super) router: Arc<RouterParts>,
    pub(super) tokens: Arc<TokenVerifier>,
    pub(super) api_keys: Arc<ApiKeys>,
    pub(super) condition: Arc<Condition>,
    pub(super) memory: Arc<MemoryBudget>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) config: LiveConfig,
    pub(super) tasks: Tasks,
}

impl EdgeContext for GatewayEdgeContext {
    type Handler = Router;

    fn config(&self) -> Arc<Config> {
        self.config.get()
    }

    fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    fn memory(&self) -> &Arc<MemoryBudget> {
        &self.memory
    }

    fn probed(&self, probe: Probe) -> Probed {
        let (status, serves) = match probe {
            Probe::Live => (self.condition.liveness(), self.condition.liveness().serves()),
            Probe::Ready => (self.condition.status(), self.condition.is_ready()),
        };
        let code = if serves { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        Probed { status: code, word: status.word() }
    }

    async fn verify(&self, token: &str, from: IpAddr) -> Result<Identity, AuthError> {
        self.tokens.verify(token, from).await
    }

    fn api_key(&self, key: &str) -> Option<String> {
        self.api_keys.check(key).map(|key| key.name)
    }

    fn new_handler(self: &Arc<Self>, outbound: Arc<Outbound>, upgrade: UpgradeInfo) -> Router {
        Router::new(self.router.clone(), outbound, upgrade)
    }
}
