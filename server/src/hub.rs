//! The hub: which local sessions subscribe to which topics, and the fan-out of entries in the order of the log.

mod local_topic;
mod pulse;
mod reader;
mod sessions;
mod shards;
mod subscription;
#[cfg(test)]
mod tests;

pub use sessions::SessionTable;
pub use subscription::Subscription;

use std::{collections::HashMap, sync::Arc, time::Instant};

use parking_lot::Mutex;
use realtime_gateway_protocol::UserId;

use self::{local_topic::LocalTopic, shards::Shards};
use crate::{
    bus::{Bus, Doorbell},
    drain::Tasks,
    frame::Frame,
    metrics::Metrics,
    node::Lease,
    session::Session,
    store::{Entry, Epoch, Head, Heads, Store, StoreError},
    topic::{SHARDS, Topic},
};

/// Whether an entry may have been sent to its reader before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// As far as is known for the first time.
    First,
    /// Not for the first time.
    Again,
}

/// Makes the frame of an entry. The hub does not know what is in either.
pub type EncodeEntry = fn(&Topic, &Entry, Delivery) -> Frame;

/// Where a subscription begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The epoch that the position belongs to.
    pub epoch: Epoch,
    /// Entries after this position are sent.
    pub position: u64,
    /// Entries up to this offset are known to have been sent to the user before.
    pub delivered: u64,
}

/// The topics that have a subscriber on this node.
pub struct Hub {
    pub(crate) store: Arc<dyn Store>,
    bus: Arc<dyn Bus>,
    encode: EncodeEntry,
    metrics: Arc<Metrics>,
    tasks: Tasks,
    /// One table for each shard.
    tables: Vec<Mutex<HashMap<Topic, Arc<LocalTopic>>>>,
    shards: Shards,
    lease: Arc<Lease>,
}

impl Hub {
    /// A hub without subscribers. Somebody has to bring it the counters of its shards, see [`Hub::compare`]. While the
    /// lease is lost it delivers nothing.
    pub fn new(
        store: Arc<dyn Store>,
        bus: Arc<dyn Bus>,
        encode: EncodeEntry,
        metrics: Arc<Metrics>,
        tasks: Tasks,
        lease: Arc<Lease>,
    ) -> Arc<Self> {
        let tables = (0..SHARDS).map(|_| Mutex::default()).collect();
        Arc::new(Self { store, bus, encode, metrics, tasks, tables, shards: Shards::default(), lease })
    }

    /// Tells everybody that a topic has grown: the subscribers on this node at once, the other nodes by the bus.
    pub fn publish(self: &Arc<Self>, doorbell: Doorbell) {
        self.bus.ring(&doorbell);
        self.ring(doorbell);
    }

    /// Takes a doorbell, which may be late, repeated, or the first after lost ones.
    pub fn ring(self: &Arc<Self>, doorbell: Doorbell) {
        if self.lease.is_lost() {
            // Unheard, so that the counters lead here once the lease is back.
            return;
        }
        self.shards.heard(doorbell.topic.shard(), doorbell.shard_count);
        if let Some(local) = self.local(&doorbell.topic) {
            local.ring(self, &doorbell.epoch, doorbell.entry);
        }
    }

    /// Begins to follow a topic, so that no doorbell from here on is missed, and reads its ends.
    ///
    /// # Errors
    /// When the store does not answer; the topic is not followed then.
    pub async fn enter(self: &Arc<Self>, topic: &Topic) -> Result<(Entered, Head, Epoch), StoreError> {
        let shard = topic.shard();
        let (local, first) = {
            let mut table = self.table(topic).lock();
            let known = table.len();
            let local = table.entry(topic.clone()).or_insert_with(|| Arc::new(LocalTopic::new(topic.clone()))).clone();
            local.hold();
            (local, table.len() > known && self.shards.bind(shard))
        };
        let entered = Entered { hub: self.clone(), local };
        if first {
            self.bus.bind(shard).await;
        }
        let started = Instant::now();
        let ends = self.store.heads(std::slice::from_ref(topic)).await?;
        self.metrics.store_took("heads", started.elapsed());
        let Heads { epoch, ends } = ends;
        let ends = ends.first().copied().unwrap_or(Head { head: 0, floor: 1 });
        entered.local.begin_at(self, &epoch, ends.head);
        Ok((entered, ends, epoch))
    }

    /// Ends a subscription: nothing is delivered to it any more.
    pub fn leave(&self, subscription: &Arc<Subscription>) {
        if subscription.end() {
            let local = subscription.local();
            local.remove(subscription);
            self.metrics.subscription_ended(subscription.topic());
            self.release(local);
        }
    }

    /// Passes an ephemeral frame on to the topic's live subscribers on this node, but to no session of the user that it
    /// is about. A session whose queue is full misses it.
    pub fn whisper(&self, topic: &Topic, frame: &Frame, about: &UserId) {
        let Some(local) = self.local(topic).filter(|_| !self.lease.is_lost()) else { return };
        for subscription in local.live() {
            let session = subscription.session();
            if session.user != *about {
                session.outbound.push_ephemeral(frame.clone());
            }
        }
    }

    /// The position up to which the topic's subscribers on this node have been served, if it has any.
    pub fn cursor(&self, topic: &Topic) -> Option<u64> {
        self.local(topic)?.served()
    }

    /// How many topics have a subscriber here.
    pub fn topic_count(&self) -> usize {
        self.tables.iter().map(|table| table.lock().len()).sum()
    }

    fn local(&self, topic: &Topic) -> Option<Arc<LocalTopic>> {
        self.table(topic).lock().get(topic).cloned()
    }

    fn table(&self, topic: &Topic) -> &Mutex<HashMap<Topic, Arc<LocalTopic>>> {
        #[expect(clippy::indexing_slicing, reason = "there are as many tables as shards")]
        &self.tables[usize::from(topic.shard().0)]
    }

    /// Lets go of one hold on a topic; the last one forgets it.
    fn release(&self, local: &Arc<LocalTopic>) {
        let mut table = self.table(&local.topic).lock();
        if local.release() {
            table.remove(&local.topic);
            let shard = local.topic.shard();
            if self.shards.release(shard) {
                self.bus.release(shard);
            }
        }
    }
}

/// A topic that is followed, but has no subscription yet. Dropping it lets go.
pub struct Entered {
    hub: Arc<Hub>,
    local: Arc<LocalTopic>,
}

impl Entered {
    /// Makes the subscription, which is not live yet: so the confirmation can be sent before anything else.
    pub fn subscribe(&self, session: &Arc<Session>) -> Arc<Subscription> {
        self.local.hold();
        self.hub.metrics.subscription_began(&self.local.topic);
        Arc::new(Subscription::new(session.clone(), self.local.clone()))
    }

    /// Goes live from a position: at once when nothing is to be replayed, otherwise after a paced replay of the log.
    pub fn start(&self, subscription: &Arc<Subscription>, start: Start) {
        let Some(turn) = subscription.next_turn() else { return };
        if !self.local.go_live(subscription, turn, start.position) {
            let replay = reader::replay(self.hub.clone(), subscription.clone(), turn, start);
            let tasks = &self.hub.tasks;
            tasks.spawn_until_stopped(tasks.supervisor().watch_panics("replay", replay));
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.hub.release(&self.local);
    }
}
