//! A bus that also shows the ephemeral messages of this node to its tails.

use std::sync::Arc;

use async_trait::async_trait;

use super::tail::Tails;
use crate::{
    bus::{Activity, Bus, EphemeralBroadcast},
    store::{AppendNotice, ClusterStatus},
    topic::Shard,
};

/// A bus, and the tails of its node.
pub struct TailedBus {
    bus: Arc<dyn Bus>,
    tails: Arc<Tails>,
}

impl TailedBus {
    /// Creates a bus without tails.
    pub fn new(bus: Arc<dyn Bus>) -> Self {
        Self { bus, tails: Arc::default() }
    }

    /// Returns the tails of this node.
    pub fn tails(&self) -> &Arc<Tails> {
        &self.tails
    }
}

#[async_trait]
impl Bus for TailedBus {
    fn notify_nodes(&self, notice: &AppendNotice) {
        self.bus.notify_nodes(notice);
    }

    fn broadcast_ephemeral(&self, broadcast: &EphemeralBroadcast) {
        self.tails.offer_message(broadcast);
        self.bus.broadcast_ephemeral(broadcast);
    }

    fn broadcast_activity(&self, activity: &Activity) {
        self.bus.broadcast_activity(activity);
    }

    async fn bind(&self, shard: Shard) {
        self.bus.bind(shard).await;
    }

    fn release(&self, shard: Shard) {
        self.bus.release(shard);
    }

    fn status(&self) -> Option<ClusterStatus> {
        self.bus.status()
    }

    async fn close(&self) {
        self.bus.close().await;
    }
}
