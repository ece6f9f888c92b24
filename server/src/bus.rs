//! What nodes tell each other: doorbells, which say that a topic has grown, and which may be lost.

mod embedded;

pub use embedded::EmbeddedBus;

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::{
    store::{Entry, Epoch},
    topic::{Shard, Topic},
};

/// Says that a topic has grown, and carries the entry along so that usually nothing has to be read.
#[derive(Debug, Clone)]
pub struct Doorbell {
    /// The topic.
    pub topic: Topic,
    /// The epoch that the entry belongs to.
    pub epoch: Epoch,
    /// The counter of the topic's shard with this entry.
    pub shard_count: u64,
    /// The entry.
    pub entry: Arc<Entry>,
}

/// How the bus is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BusStatus {
    /// Nothing between nodes can be lost, because there is one process.
    Embedded,
    /// The broker is there.
    Connected,
    /// The broker is away; delivery between nodes goes on from the store.
    Reconnecting,
}

/// A node's end of the bus. What others say comes out of the receiver that was made with it.
pub trait Bus: Send + Sync + 'static {
    /// Tells the other nodes that a topic has grown. Never waits; a doorbell that cannot be sent is lost, which costs
    /// the others at most a pulse.
    fn ring(&self, doorbell: &Doorbell);

    /// Asks to be told of a shard's doorbells, because a local subscriber is in it now.
    fn bind(&self, shard: Shard);

    /// How the bus is.
    fn status(&self) -> BusStatus;
}

/// What the other nodes say to this one.
pub type Doorbells = mpsc::Receiver<Doorbell>;
