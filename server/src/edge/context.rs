//! The interface through which the edge layer uses the gateway: the configuration, the verification of tokens, and the
//! handler of each connection.

use std::{future::Future, net::IpAddr, sync::Arc};

use http::StatusCode;

use super::probe::{Probe, Probed};
use crate::{
    auth::{AuthError, Identity},
    config::Config,
    delivery::outbound::Outbound,
    metrics::Metrics,
    runtime::{memory::MemoryBudget, tasks::Tasks},
    session::{UpgradeInfo, connection_handler::ConnectionHandler},
};

/// The services that the edge layer needs for the connections that it accepts.
pub trait EdgeContext: Send + Sync + 'static {
    /// The handler that is created for each connection.
    type Handler: ConnectionHandler;

    /// Returns the current configuration.
    fn config(&self) -> Arc<Config>;

    /// Returns the tracker of background tasks.
    fn tasks(&self) -> &Tasks;

    /// Returns the metrics.
    fn metrics(&self) -> &Arc<Metrics>;

    /// Returns the budget for memory that clients make the node hold.
    fn memory(&self) -> &Arc<MemoryBudget>;

    /// Answers a health probe without waiting. The default reports `ok`.
    fn probed(&self, _: Probe) -> Probed {
        Probed { status: StatusCode::OK, word: "ok" }
    }

    /// Verifies a token that was received from this address.
    fn verify(&self, token: &str, from: IpAddr) -> impl Future<Output = Result<Identity, AuthError>> + Send;

    /// Returns the name of an API key, or `None` if it is not valid. The limits per address do not apply to requests
    /// with a valid key.
    fn api_key(&self, _: &str) -> Option<String> {
        None
    }

    /// Creates the handler for a new client. Frames for the client go to `outbound`.
    fn new_handler(self: &Arc<Self>, outbound: Arc<Outbound>, upgrade: UpgradeInfo) -> Self::Handler;
}
