//! The state of this node: its name, its lease, and whether it is draining. It is passive; other parts read and update
//! it.

mod lease;

use std::{
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use parking_lot::RwLock;
use realtime_gateway_protocol::Timestamp;
use tokio::sync::Notify;

pub use self::lease::Lease;
use crate::{
    config::LiveConfig,
    metrics::Metrics,
    runtime::clock::NodeClock,
    store::{NodeName, NodeRecord},
};

/// The name of the setting with the contracts of declared services, each as `name:fingerprint`.
pub const CONTRACTS: &str = "contracts";

/// One gateway process in the cluster.
pub struct Node {
    /// The id of the node, and of this incarnation of it.
    pub name: NodeName,
    /// The lease, which protects the sessions of this node from being taken over.
    pub lease: Arc<Lease>,
    /// When the process started.
    pub started: Instant,
    started_at: Timestamp,
    config: LiveConfig,
    metrics: Arc<Metrics>,
    draining: AtomicBool,
    store_unavailable: AtomicBool,
    /// The address that clients connect to. It is set when the node listens.
    address: OnceLock<SocketAddr>,
    /// The contracts of declared services, each as `name:fingerprint`.
    contracts: RwLock<Arc<[String]>>,
    /// Requests a reconciliation before the next regular one.
    reconciliation_request: Notify,
}

impl Node {
    /// Creates a node that does not listen yet.
    pub fn new(
        name: NodeName,
        lease: Arc<Lease>,
        clock: &NodeClock,
        config: LiveConfig,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            name,
            lease,
            started: Instant::now(),
            started_at: clock.now(),
            config,
            metrics,
            draining: AtomicBool::new(false),
            store_unavailable: AtomicBool::new(false),
            address: OnceLock::new(),
            contracts: RwLock::new(Arc::new([])),
            reconciliation_request: Notify::new(),
        }
    }

    /// Returns whether the node shuts down gracefully.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Marks the node as draining, which other nodes and load balancers can see. It closes no connection.
    pub fn set_draining(&self) {
        self.draining.store(true, Ordering::Release);
        self.metrics.draining.set(1);
    }

    /// Returns whether the last reconciliation did not reach the store.
    pub(crate) fn is_store_unavailable(&self) -> bool {
        self.store_unavailable.load(Ordering::Acquire)
    }

    /// Records whether the last reconciliation did not reach the store.
    pub(crate) fn set_store_unavailable(&self, unavailable: bool) {
        self.store_unavailable.store(unavailable, Ordering::Release);
    }

    /// Records the address that the node listens on.
    pub(crate) fn set_address(&self, address: SocketAddr) {
        // The address is set only once, because a node listens once.
        let _ = self.address.set(address);
    }

    /// Returns the address that clients connect to. Until the node listens this is the configured address.
    pub fn address(&self) -> SocketAddr {
        self.address.get().copied().unwrap_or_else(|| self.config.get().listen)
    }

    /// Records the contracts of declared services, each as `name:fingerprint`, for other nodes to compare.
    pub(crate) fn set_contracts(&self, contracts: Vec<String>) {
        *self.contracts.write() = contracts.into();
    }

    /// Requests an immediate reconciliation. Several concurrent requests cause one reconciliation.
    pub(crate) fn request_reconciliation(&self) {
        self.reconciliation_request.notify_one();
    }

    /// Resolves when a reconciliation was requested.
    pub(crate) async fn reconciliation_requested(&self) {
        self.reconciliation_request.notified().await;
    }

    /// Returns the record of this node in the store, which other nodes read.
    pub(crate) fn record(&self) -> NodeRecord {
        let mut settings = self.config.get().shared_settings();
        settings.push(format!("{CONTRACTS}={}", self.contracts.read().join(",")));
        NodeRecord {
            id: self.name.id.to_string(),
            incarnation: self.name.incarnation.to_string(),
            address: self.address().to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: self.started_at,
            connections: u64::try_from(self.metrics.connections_active.get()).unwrap_or(0),
            draining: self.is_draining(),
            settings,
        }
    }
}
