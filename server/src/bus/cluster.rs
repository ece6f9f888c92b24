//! The bus of nodes that share a store: what they send each other goes over the store's cluster channel.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Activity, Bus, BusEvents, EphemeralBroadcast, activity, ephemeral};
use crate::{
    store::{AppendNotice, ClusterChannel, ClusterStatus, Store},
    topic::{Shard, Topic},
};

/// A node's end of the bus.
#[derive(Debug)]
pub struct ClusterBus(Arc<dyn ClusterChannel>);

impl ClusterBus {
    /// Joins the channel of a store. `None` if this process has the store to itself.
    pub fn join(store: &dyn Store) -> Option<(Self, BusEvents)> {
        let (channel, events) = store.join_cluster()?;
        Some((Self(channel), BusEvents::of_cluster(events)))
    }
}

#[async_trait]
impl Bus for ClusterBus {
    /// Does nothing: the store has notified the other nodes in the step that stored the entry.
    fn notify_nodes(&self, _notice: &AppendNotice) {}

    fn broadcast_ephemeral(&self, broadcast: &EphemeralBroadcast) {
        self.0.broadcast(&broadcast.topic, ephemeral::encode(&broadcast.message));
    }

    fn broadcast_activity(&self, activity: &Activity) {
        self.0.broadcast(&Topic::User(activity.user_id.clone()), activity::encode(activity));
    }

    async fn bind(&self, shard: Shard) {
        self.0.subscribe(shard).await;
    }

    fn release(&self, shard: Shard) {
        self.0.unsubscribe(shard);
    }

    fn status(&self) -> Option<ClusterStatus> {
        Some(self.0.status())
    }

    async fn close(&self) {
        self.0.close().await;
    }
}
