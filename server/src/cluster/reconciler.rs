//! The reconciler: once a second, one round trip to the store renews the node's lease, reads the node's mailbox, and
//! reads the counters of the shards that the hub uses. It recovers every message that the bus has lost.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::{ContractAgreement, ControlMessageHandler, peers::Peers};
use crate::{
    delivery::{hub::Hub, presence::Presence},
    node::Node,
    runtime::clock::NodeClock,
    session::{Blocks, Sessions},
    store::{Epoch, LeaseRenewal, ReconcileRequest, Reconciled, Store, StoreError},
};

/// The time between two reconciliations.
const EVERY: Duration = Duration::from_secs(1);
/// The time after which a reconciliation fails and the store counts as unavailable.
const TIMEOUT: Duration = Duration::from_secs(2);
/// The delay of a requested reconciliation, so that several requests cause only one.
const REQUEST_DELAY: Duration = Duration::from_millis(20);
/// The number of reconciliations after which the node compares itself with the others, and removes the records of dead
/// nodes.
const PEERS_EVERY: u64 = 5;

/// The parts that the reconciler keeps consistent with the store.
pub(crate) struct ReconcilerParts {
    pub(crate) node: Arc<Node>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) control: ControlMessageHandler,
    pub(crate) blocks: Arc<Blocks>,
    pub(crate) presence: Arc<Presence>,
    pub(crate) clock: NodeClock,
    pub(crate) agreement: Arc<ContractAgreement>,
}

/// Keeps a node consistent with the store and the other nodes.
pub(crate) struct Reconciler {
    parts: ReconcilerParts,
    epoch: Epoch,
    /// The position up to which this node has read its mailbox.
    read: u64,
    /// Whether sessions and presence have to be registered again.
    unregistered: bool,
    /// Whether the store may have lost blocks of users that this node knows of.
    blocks_lost: bool,
    /// Whether the last reconciliation reached the store.
    reached: bool,
    count: u64,
    peers: Peers,
}

impl Reconciler {
    /// Runs the first reconciliation. This must happen before the node accepts clients, because other nodes remove the
    /// sessions of a node without a lease.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn begin(parts: ReconcilerParts) -> Result<Self, StoreError> {
        let mut reconciler = Self {
            epoch: parts.store.epoch(),
            parts,
            read: 0,
            unregistered: false,
            blocks_lost: false,
            reached: true,
            count: 0,
            peers: Peers::default(),
        };
        reconciler.reconcile().await?;
        Ok(reconciler)
    }

    /// Reconciles once a second, and when it is requested, until it is dropped.
    pub(crate) async fn run(mut self) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.parts.node.reconciliation_requested() => sleep(REQUEST_DELAY).await,
            }
            let result = self.reconcile().await;
            match &result {
                Ok(()) if !self.reached => tracing::info!("the store is back"),
                Err(error) if self.reached => tracing::warn!(%error, "the store is unavailable"),
                _ => {}
            }
            self.reached = result.is_ok();
            self.parts.node.set_store_unavailable(!self.reached);
        }
    }

    async fn reconcile(&mut self) -> Result<(), StoreError> {
        let (sent, sent_at) = (Instant::now(), self.parts.clock.monotonic());
        let shards = self.parts.hub.bound_shards();
        let request = ReconcileRequest { node: self.parts.node.record(), shards: shards.clone(), read: self.read };
        let reconciled = match timeout(TIMEOUT, self.parts.store.reconcile(request)).await {
            Ok(reconciled) => reconciled?,
            Err(_) => return Err(StoreError::Unavailable("the store did not answer in time".into())),
        };
        if let Some(time) = reconciled.time {
            self.parts.clock.follow(time, sent_at);
            self.parts.store.clock_follows();
        }
        if reconciled.lease == LeaseRenewal::Acquired {
            self.parts.node.lease.acquired(sent);
            self.unregistered = true;
        }
        self.compare_epoch();
        self.register(&reconciled).await?;
        // Renew the lease only after the sessions are registered. Until then this node does not know which of them
        // other nodes have taken over.
        self.parts.node.lease.renewed(sent);
        for message in reconciled.control_messages {
            self.parts.control.handle(message);
        }
        self.read = reconciled.read;
        self.parts.sessions.retry_record_removals().await?;
        self.parts.hub.compare(&shards, &reconciled.counts).await?;
        self.count += 1;
        if self.count.is_multiple_of(PEERS_EVERY) {
            let (own, nodes) = (self.parts.node.record(), self.parts.store.nodes().await?);
            self.peers.compare(&own, &nodes);
            self.parts.agreement.compare(&own, &nodes, Instant::now());
            self.reap().await?;
        }
        Ok(())
    }

    fn compare_epoch(&mut self) {
        let epoch = self.parts.store.epoch();
        if epoch != self.epoch {
            tracing::warn!(%epoch, "the store has a new epoch: confirmed entries may be lost");
            self.epoch = epoch;
            self.unregistered = true;
            self.parts.hub.reset_counts();
            self.blocks_lost = true;
        }
    }

    /// Registers state that the store may have lost, and reads changed blocks. The next reconciliation retries the
    /// steps that failed.
    async fn register(&mut self, reconciled: &Reconciled) -> Result<(), StoreError> {
        if self.blocks_lost {
            // Blocks come before sessions: the store refuses the sessions of blocked users.
            self.parts.blocks.restore().await?;
            self.blocks_lost = false;
        }
        if self.unregistered {
            self.parts.blocks.reset_revision();
            self.parts.sessions.register_again().await?;
            self.parts.presence.store_again();
            // Without its lease this node had no mailbox, so it may have missed changes.
            self.parts.control.server_subscriptions.all_changed();
            self.unregistered = false;
        }
        self.parts.blocks.read_changes(reconciled.block_revision).await
    }

    /// Removes the sessions and presence of nodes whose leases have expired.
    async fn reap(&self) -> Result<(), StoreError> {
        while self.parts.node.lease.may_reap() {
            let reaped = self.parts.store.reap().await?;
            if reaped.sessions > 0 {
                tracing::warn!(sessions = reaped.sessions, "removed the sessions of a dead node");
            }
            for absent in reaped.absent {
                self.parts.presence.broadcast_absent(&absent);
            }
            if !reaped.more {
                break;
            }
        }
        Ok(())
    }
}
