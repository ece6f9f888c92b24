//! The bus of one process: a single node has no others to send to, and several nodes (in tests) share a store in memory.
//!
//! It carries append notices and ephemeral messages. A node finds control messages in its mailbox, with its next
//! reconciliation.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::{Activity, Bus, BusEvent, BusEvents, EphemeralBroadcast};
use crate::{
    store::{AppendNotice, ClusterStatus},
    topic::Shard,
};

/// How many messages may wait for a node before further ones are lost.
const WAITING: usize = 4_096;

/// A node's end of the bus of this process.
#[derive(Debug)]
pub struct EmbeddedBus {
    members: Arc<Mutex<Vec<mpsc::Sender<BusEvent>>>>,
    own: mpsc::Sender<BusEvent>,
}

impl EmbeddedBus {
    /// Returns a bus with one node on it.
    pub fn new() -> (Self, BusEvents) {
        Self::with_members(Arc::default())
    }

    /// Adds a node to the same bus.
    pub fn join(&self) -> (Self, BusEvents) {
        Self::with_members(self.members.clone())
    }

    fn with_members(members: Arc<Mutex<Vec<mpsc::Sender<BusEvent>>>>) -> (Self, BusEvents) {
        let (own, events) = mpsc::channel(WAITING);
        members.lock().push(own.clone());
        (Self { members, own }, BusEvents::of_process(events))
    }

    fn send(&self, event: impl Fn() -> BusEvent) {
        for member in self.members.lock().iter().filter(|member| !member.same_channel(&self.own)) {
            if member.try_send(event()).is_err() {
                tracing::debug!("a message for another node was lost; its reconciliation finds what it was about");
            }
        }
    }
}

#[async_trait]
impl Bus for EmbeddedBus {
    fn notify_nodes(&self, notice: &AppendNotice) {
        self.send(|| BusEvent::AppendNotice(notice.clone()));
    }

    fn broadcast_ephemeral(&self, broadcast: &EphemeralBroadcast) {
        self.send(|| BusEvent::EphemeralBroadcast(broadcast.clone()));
    }

    fn broadcast_activity(&self, activity: &Activity) {
        self.send(|| BusEvent::Activity(Box::new(activity.clone())));
    }

    async fn bind(&self, _shard: Shard) {}

    fn release(&self, _shard: Shard) {}

    fn status(&self) -> Option<ClusterStatus> {
        None
    }

    async fn close(&self) {}
}
