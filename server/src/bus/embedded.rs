//! The bus of one process: a single node has nobody to tell, and several (in tests) share memory.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::{Bus, BusStatus, Doorbell, Heard, Hearing, Whisper};
use crate::{store::Note, topic::Shard};

/// How much may wait for a node before what comes next is lost.
const WAITING: usize = 4_096;

/// A node's end of the bus of this process.
#[derive(Debug)]
pub struct EmbeddedBus {
    members: Arc<Mutex<Vec<Member>>>,
    own: mpsc::Sender<Heard>,
}

/// A node on the bus.
#[derive(Debug)]
struct Member {
    node: Arc<str>,
    hearing: mpsc::Sender<Heard>,
}

impl EmbeddedBus {
    /// A bus with one node on it.
    pub fn new(node: &str) -> (Self, Hearing) {
        Self::with_members(node, Arc::default())
    }

    /// One more node on the same bus.
    pub fn join(&self, node: &str) -> (Self, Hearing) {
        Self::with_members(node, self.members.clone())
    }

    fn with_members(node: &str, members: Arc<Mutex<Vec<Member>>>) -> (Self, Hearing) {
        let (own, hearing) = mpsc::channel(WAITING);
        members.lock().push(Member { node: node.into(), hearing: own.clone() });
        (Self { members, own }, hearing)
    }

    fn send(&self, heard: impl Fn() -> Heard, to: impl Fn(&Member) -> bool) {
        for member in self.members.lock().iter().filter(|member| !member.hearing.same_channel(&self.own)) {
            if to(member) && member.hearing.try_send(heard()).is_err() {
                tracing::debug!(node = %member.node, "something for another node was lost; its pulse will notice");
            }
        }
    }
}

#[async_trait]
impl Bus for EmbeddedBus {
    fn ring(&self, doorbell: &Doorbell) {
        self.send(|| Heard::Doorbell(doorbell.clone()), |_| true);
    }

    fn whisper(&self, whisper: &Whisper) {
        self.send(|| Heard::Whisper(whisper.clone()), |_| true);
    }

    fn tell(&self, node: &str, note: &Note) {
        self.send(|| Heard::Note(note.clone()), |member| *member.node == *node);
    }

    async fn bind(&self, _shard: Shard) {}

    fn release(&self, _shard: Shard) {}

    fn status(&self) -> BusStatus {
        BusStatus::Embedded
    }

    async fn close(&self) {}
}
