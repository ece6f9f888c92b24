//! A read-only view of the node, for `/health`, `/metrics` and the list of nodes.

use std::sync::{Arc, OnceLock};

use crate::{
    bus::{BackendBroker, Bus},
    cluster::{Condition, ContractAgreement},
    command_error::CommandError,
    commands::Services,
    config::{Config, LiveConfig},
    confirmation::in_time,
    metrics::Metrics,
    node::Node,
    runtime::{clock::NodeClock, memory::MemoryBudget, supervision::Supervisor},
    session::Sessions,
    store::{NodeRecord, Store},
};

/// The parts of the gateway that the view reads.
pub(crate) struct NodeViewParts {
    pub(crate) node: Arc<Node>,
    pub(crate) condition: Arc<Condition>,
    pub(crate) agreement: Arc<ContractAgreement>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) broker: Option<Arc<BackendBroker>>,
    pub(crate) services: Arc<Services>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) config: LiveConfig,
    pub(crate) clock: NodeClock,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) memory: Arc<MemoryBudget>,
    pub(crate) supervisor: Supervisor,
}

/// Returns warnings for operators.
type Warn = Box<dyn Fn() -> Vec<String> + Send + Sync>;

/// A read-only view of the node.
pub(crate) struct NodeView {
    pub(super) parts: NodeViewParts,
    /// Returns the warnings of the accept loop. Set when the node starts to listen.
    edge_warnings: OnceLock<Warn>,
}

impl NodeView {
    /// Creates the view of a node that does not listen yet.
    pub(crate) fn new(parts: NodeViewParts) -> Self {
        Self { parts, edge_warnings: OnceLock::new() }
    }

    /// Includes the warnings of the accept loop in `/health`.
    pub(crate) fn show_warnings_of(&self, warnings: impl Fn() -> Vec<String> + Send + Sync + 'static) {
        // Set only once, because a node starts to listen only once.
        let _ = self.edge_warnings.set(Box::new(warnings));
    }

    /// Returns the warnings of the accept loop.
    pub(super) fn edge_warnings(&self) -> Vec<String> {
        self.edge_warnings.get().map(|warnings| warnings()).unwrap_or_default()
    }

    /// Returns the current configuration.
    pub(super) fn config(&self) -> Arc<Config> {
        self.parts.config.get()
    }

    /// Returns the live nodes.
    ///
    /// # Errors
    /// Returns `unavailable` when the store does not answer in time.
    pub(super) async fn nodes(&self) -> Result<Vec<NodeRecord>, CommandError> {
        let mut records = in_time(self.parts.store.nodes()).await?;
        // The own record is newer than the one from the last reconciliation.
        let own = self.parts.node.record();
        match records.iter_mut().find(|record| record.incarnation == own.incarnation) {
            Some(record) => *record = own,
            None => records.push(own),
        }
        Ok(records)
    }
}
