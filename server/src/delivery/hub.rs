//! The hub: tracks which local sessions subscribe to which topics, and fans out entries in log order.

mod local_topic;
mod reader;
mod reconcile;
mod shards;
mod subscription;
#[cfg(test)]
mod tests;

pub use subscription::Subscription;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Instant,
};

use parking_lot::Mutex;
use realtime_gateway_protocol::{EphemeralEvent, UserId, stored::Delivery};

use self::{local_topic::LocalTopic, shards::Shards};
use crate::{
    bus::{Bus, EphemeralBroadcast},
    delivery::{frame::Frame, outbound::Pushed, recipient::Recipient, tail::Tails, tailed_bus::TailedBus, turn},
    metrics::Metrics,
    node::Lease,
    runtime::tasks::Tasks,
    store::{AppendNotice, Entry, Epoch, Heads, LogBounds, Store, StoreError},
    topic::{SHARDS, Shard, Topic},
};

/// Encodes the frame of an entry. The hub itself is independent of the content of entries and frames.
pub type EncodeEntry = fn(&Topic, &Epoch, &Entry, Delivery) -> Frame;

/// The position at which a subscription starts.
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
    bus: Arc<TailedBus>,
    encode: EncodeEntry,
    metrics: Arc<Metrics>,
    tasks: Tasks,
    /// One table for each shard.
    tables: Vec<Mutex<HashMap<Topic, Arc<LocalTopic>>>>,
    shards: Shards,
    lease: Arc<Lease>,
}

impl Hub {
    /// Creates a hub without subscribers. The caller has to pass it the store's shard counters regularly with
    /// [`Hub::compare`]. While the node's lease is lost, the hub delivers nothing.
    pub fn new(
        store: Arc<dyn Store>,
        bus: Arc<TailedBus>,
        encode: EncodeEntry,
        metrics: Arc<Metrics>,
        tasks: Tasks,
        lease: Arc<Lease>,
    ) -> Arc<Self> {
        let tables = (0..SHARDS).map(|_| Mutex::default()).collect();
        Arc::new(Self { store, bus, encode, metrics, tasks, tables, shards: Shards::default(), lease })
    }

    /// Publishes an appended entry: to the subscribers on this node immediately, to other nodes through the bus.
    pub fn publish(self: &Arc<Self>, notice: AppendNotice) {
        self.bus.notify_nodes(&notice);
        self.receive_notice(notice);
    }

    /// Handles an append notice, which may be late, repeated, or the first after lost ones.
    pub fn receive_notice(self: &Arc<Self>, notice: AppendNotice) {
        self.tails().offer(&notice);
        if self.lease.is_lost() {
            // Do not record the notice as received, so that reconciliation finds the gap once the lease is held again.
            return;
        }
        self.shards.received(notice.topic.shard(), notice.shard_count);
        turn::count_message();
        if let Some(local) = self.local(&notice.topic) {
            local.receive(self, &notice.epoch, notice.entry);
        }
    }

    /// Registers this node's interest in a topic, so that it receives every later notice, and reads the bounds of its log.
    ///
    /// # Errors
    /// When the store does not answer. The interest is released then.
    pub async fn register_interest(
        self: &Arc<Self>,
        topic: &Topic,
    ) -> Result<(TopicInterest, LogBounds, Epoch), StoreError> {
        let shard = topic.shard();
        let (local, first) = {
            let mut table = self.table(topic).lock();
            let known = table.len();
            let local = table.entry(topic.clone()).or_insert_with(|| Arc::new(LocalTopic::new(topic.clone()))).clone();
            local.acquire();
            (local, table.len() > known && self.shards.bind(shard))
        };
        let interest = TopicInterest { hub: self.clone(), local };
        if first {
            self.bus.bind(shard).await;
        }
        let started = Instant::now();
        let bounds = self.store.heads(std::slice::from_ref(topic)).await?;
        self.metrics.store_took("heads", started.elapsed());
        let Heads { epoch, bounds } = bounds;
        let bounds = bounds.first().copied().unwrap_or(LogBounds { head: 0, floor: 1 });
        interest.local.begin_at(self, &epoch, bounds.head);
        Ok((interest, bounds, epoch))
    }

    /// Ends a subscription. Nothing is delivered to it afterwards.
    pub fn leave(&self, subscription: &Arc<Subscription>) {
        if subscription.end() {
            let local = subscription.local();
            local.remove(subscription);
            self.metrics.subscription_ended(subscription.topic());
            self.release(local);
        }
    }

    /// Sends an event that is stored nowhere to the topic's live subscribers on all nodes. Never waits.
    pub fn broadcast(&self, topic: Topic, event: EphemeralEvent, frame: &Frame) {
        self.send_ephemeral(&topic, frame, |_| true);
        self.bus.broadcast_ephemeral(&EphemeralBroadcast { topic, message: event.into() });
    }

    /// Sends an event that is stored nowhere, and was broadcast by another node, to the live subscribers on this node.
    pub fn receive_broadcast(&self, topic: &Topic, event: EphemeralEvent) {
        if self.local(topic).is_some() {
            self.send_ephemeral(topic, &Frame::encode_push(event.into()), |_| true);
        }
    }

    /// Pushes an ephemeral frame to the topic's live subscribers on this node, except to sessions of the user `about`.
    pub fn send_about(&self, topic: &Topic, frame: &Frame, about: &UserId) {
        self.send_ephemeral(topic, frame, |recipient| recipient.user != *about);
    }

    /// Pushes an ephemeral frame to live subscribers. A session whose queue is under pressure misses the frame.
    fn send_ephemeral(&self, topic: &Topic, frame: &Frame, selects: impl Fn(&Recipient) -> bool) {
        let Some(local) = self.local(topic).filter(|_| !self.lease.is_lost()) else { return };
        turn::count_message();
        for subscription in local.live() {
            let recipient = subscription.recipient();
            if selects(recipient) && recipient.outbound.push_ephemeral(frame.clone()) == Pushed::Dropped {
                self.metrics.ephemeral_dropped_total.inc();
            }
        }
    }

    /// Returns the offset up to which the topic's live subscribers on this node were sent entries, if there are any.
    pub fn cursor(&self, topic: &Topic) -> Option<u64> {
        self.local(topic)?.served()
    }

    /// Returns the tails, which show the entries that go through this node.
    pub(crate) fn tails(&self) -> &Arc<Tails> {
        self.bus.tails()
    }

    /// Makes other nodes send the notices of a shard to this node, until the result is dropped.
    pub(crate) async fn bind_shard(self: &Arc<Self>, shard: Shard) -> ShardInterest {
        let is_first = self.shards.bind(shard);
        let interest = ShardInterest { hub: self.clone(), shard };
        if is_first {
            self.bus.bind(shard).await;
        }
        interest
    }

    /// Returns the first topics after one that have live subscribers on this node, in the order of their names, with the
    /// number of these. The notifications of users are not among them.
    pub(crate) fn subscribed_topics(&self, after: Option<&str>, at_most: usize) -> Vec<(String, u64)> {
        let mut first = BTreeMap::new();
        for table in &self.tables {
            for (topic, local) in table.lock().iter().filter(|(topic, _)| !matches!(topic, Topic::User(_))) {
                let name = topic.to_string();
                if after.is_none_or(|after| *name > *after) {
                    first.insert(name, local.clone());
                    if first.len() > at_most {
                        first.pop_last();
                    }
                }
            }
        }
        let counted = first.into_iter().map(|(name, local)| (name, local.live().len() as u64));
        counted.filter(|(_, count)| *count > 0).collect()
    }

    /// Returns the user of each live subscription to a topic on this node.
    pub(crate) fn subscribers(&self, topic: &Topic) -> Vec<UserId> {
        let Some(local) = self.local(topic) else { return Vec::new() };
        local.live().iter().map(|subscription| subscription.recipient().user.clone()).collect()
    }

    /// Returns the number of topics with a subscriber on this node.
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

    /// Releases a reference to a topic. The last release removes the topic from its table.
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

/// The interest of this node in the notices of a shard. Dropping it releases the shard.
pub(crate) struct ShardInterest {
    hub: Arc<Hub>,
    shard: Shard,
}

impl Drop for ShardInterest {
    fn drop(&mut self) {
        if self.hub.shards.release(self.shard) {
            self.hub.bus.release(self.shard);
        }
    }
}

/// Keeps a topic in the table of the hub while a subscription to it is being created. Dropping it releases the topic.
pub struct TopicInterest {
    hub: Arc<Hub>,
    local: Arc<LocalTopic>,
}

impl TopicInterest {
    /// Creates a subscription that is not live yet, so that the confirmation can be sent before any entry.
    pub fn subscribe(&self, recipient: &Arc<Recipient>) -> Arc<Subscription> {
        self.local.acquire();
        self.hub.metrics.subscription_began(&self.local.topic);
        Arc::new(Subscription::new(recipient.clone(), self.local.clone()))
    }

    /// Makes a subscription live from a position: immediately when there is nothing to replay, otherwise after a paced
    /// replay of the log.
    pub fn start(&self, subscription: &Arc<Subscription>, start: Start) {
        let Some(generation) = subscription.next_generation() else { return };
        if !self.local.go_live(subscription, generation, start.position) {
            let replay = reader::replay(self.hub.clone(), subscription.clone(), generation, start);
            let tasks = &self.hub.tasks;
            tasks.spawn_until_stopped(tasks.supervisor().watch_panics("replay", replay));
        }
    }
}

impl Drop for TopicInterest {
    fn drop(&mut self) {
        self.hub.release(&self.local);
    }
}
