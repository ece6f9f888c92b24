//! Presence and the only node of a store in memory.

use async_trait::async_trait;
use realtime_gateway_protocol::{UserId, topic::Topic};

use super::MemoryStore;
use crate::{
    ControlMessage, NodeRecord, Nodes, Presence, PresenceChange, Present, Reaped, ReconcileRequest, Reconciled,
    StoreError, UserPresence, single_node::SingleNode,
};

#[async_trait]
impl Presence for MemoryStore {
    async fn set_present(
        &self,
        topic: &Topic,
        user: &UserId,
        presence: UserPresence,
    ) -> Result<PresenceChange, StoreError> {
        self.while_open(|node| node.set_present(topic, user, presence))
    }

    async fn present(&self, topic: &Topic, at_most: usize) -> Result<Present, StoreError> {
        self.while_open(|node| node.present(topic, at_most))
    }
}

#[async_trait]
impl Nodes for MemoryStore {
    async fn reconcile(&self, request: ReconcileRequest) -> Result<Reconciled, StoreError> {
        self.while_open(|node| node.reconcile(request, &self.shards))
    }

    async fn post(&self, _node: &str, _message: &ControlMessage) -> Result<(), StoreError> {
        Ok(())
    }

    async fn nodes(&self) -> Result<Vec<NodeRecord>, StoreError> {
        self.while_open(SingleNode::nodes)
    }

    async fn reap(&self) -> Result<Reaped, StoreError> {
        Ok(Reaped::default())
    }

    async fn resign(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
