//! The bus of one process: a single node has nobody to tell, and several (in tests) share memory.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::{Bus, BusStatus, Doorbell, Doorbells};
use crate::topic::Shard;

/// How many doorbells may wait for a node before the next ones are lost.
const WAITING_DOORBELLS: usize = 4_096;

/// A node's end of the bus of this process.
#[derive(Debug)]
pub struct EmbeddedBus {
    members: Arc<Mutex<Vec<mpsc::Sender<Doorbell>>>>,
    own: mpsc::Sender<Doorbell>,
}

impl EmbeddedBus {
    /// A bus with one node on it.
    pub fn new() -> (Self, Doorbells) {
        Self::with_members(Arc::default())
    }

    /// One more node on the same bus.
    pub fn join(&self) -> (Self, Doorbells) {
        Self::with_members(self.members.clone())
    }

    fn with_members(members: Arc<Mutex<Vec<mpsc::Sender<Doorbell>>>>) -> (Self, Doorbells) {
        let (own, doorbells) = mpsc::channel(WAITING_DOORBELLS);
        members.lock().push(own.clone());
        (Self { members, own }, doorbells)
    }
}

impl Bus for EmbeddedBus {
    fn ring(&self, doorbell: &Doorbell) {
        for member in self.members.lock().iter().filter(|member| !member.same_channel(&self.own)) {
            if member.try_send(doorbell.clone()).is_err() {
                tracing::debug!(topic = %doorbell.topic.service(), "a doorbell was lost; the pulse will notice");
            }
        }
    }

    fn bind(&self, _shard: Shard) {}

    fn status(&self) -> BusStatus {
        BusStatus::Embedded
    }
}
