//! The contract of a bus: what the nodes of a store send each other.

use async_trait::async_trait;
use futures_util::{FutureExt, StreamExt};
use realtime_gateway_protocol::ServerMessage;
use tokio::sync::mpsc;

use super::{Activity, activity, ephemeral};
use crate::{
    store::{AppendNotice, ClusterEvent, ClusterEvents, ClusterStatus, ControlMessage},
    topic::{Shard, Topic},
};

/// An ephemeral message for a topic's subscribers on other nodes: typing, an event of a topic without history, or a change
/// of presence.
#[derive(Debug, Clone, PartialEq)]
pub struct EphemeralBroadcast {
    /// The topic.
    pub topic: Topic,
    /// `typing`, `ephemeral_event`, `presence_changed` or `topic_presence_changed`.
    pub message: ServerMessage,
}

/// What a node receives from the others.
#[derive(Debug, Clone)]
pub enum BusEvent {
    /// A topic has a new entry.
    AppendNotice(AppendNotice),
    /// An ephemeral message.
    EphemeralBroadcast(EphemeralBroadcast),
    /// What a session of another node did.
    Activity(Box<Activity>),
    /// A message for this node alone. The store returns it from a reconciliation if the bus does not deliver it.
    ControlMessage(ControlMessage),
    /// The bus is connected, for the first time or again: earlier messages may have been missed.
    Restored,
}

/// A node's end of the bus. What other nodes send comes out of the [`BusEvents`] that were made with it.
///
/// Nothing here is confirmed: every message may be lost, repeated or reordered, and no method fails. Messages of one node
/// normally arrive in the order in which they were sent, and a node never receives its own.
#[async_trait]
pub trait Bus: Send + Sync + 'static {
    /// Notifies the other nodes that a topic has a new entry, where the store has not done so itself. Never waits.
    fn notify_nodes(&self, notice: &AppendNotice);

    /// Sends an ephemeral message to the other nodes that are bound to its topic's shard. Never waits.
    fn broadcast_ephemeral(&self, broadcast: &EphemeralBroadcast);

    /// Sends what a session did to the other nodes that are bound to the shard of its user. Never waits.
    fn broadcast_activity(&self, activity: &Activity);

    /// Binds this node to a shard, because a local subscriber is in it now. Resolves once its messages arrive, which
    /// requires that the node receives its [`BusEvents`] meanwhile, or immediately while the bus is disconnected.
    async fn bind(&self, shard: Shard);

    /// Releases a shard, because no local subscriber is in it any more. The bus may keep the binding for a while.
    fn release(&self, shard: Shard);

    /// Returns the state of the connection to the other nodes. `None` where one process has the store to itself.
    fn status(&self) -> Option<ClusterStatus>;

    /// Closes the bus, once everything that uses it has ended.
    async fn close(&self);
}

/// What the other nodes send to this one.
pub struct BusEvents(Source);

enum Source {
    /// The nodes of this process.
    Process(mpsc::Receiver<BusEvent>),
    /// The cluster channel of the store.
    Cluster(ClusterEvents),
}

impl BusEvents {
    /// Returns the events of nodes in this process.
    pub(super) fn of_process(events: mpsc::Receiver<BusEvent>) -> Self {
        Self(Source::Process(events))
    }

    /// Returns the events of the store's cluster channel. They are decoded where they are read, without a task between.
    pub(super) fn of_cluster(events: ClusterEvents) -> Self {
        Self(Source::Cluster(events))
    }

    /// Returns the next event, or `None` once the bus is closed. It can be cancelled without losing an event.
    pub async fn recv(&mut self) -> Option<BusEvent> {
        match &mut self.0 {
            Source::Process(events) => events.recv().await,
            Source::Cluster(events) => loop {
                if let Some(event) = decoded(events.next().await?) {
                    return Some(event);
                }
            },
        }
    }

    /// Returns the next event if it has arrived already.
    pub fn try_recv(&mut self) -> Option<BusEvent> {
        match &mut self.0 {
            Source::Process(events) => events.try_recv().ok(),
            Source::Cluster(events) => loop {
                if let Some(event) = decoded(events.next().now_or_never()??) {
                    return Some(event);
                }
            },
        }
    }
}

/// Returns `None` for a message that this version does not know.
fn decoded(event: ClusterEvent) -> Option<BusEvent> {
    Some(match event {
        ClusterEvent::AppendNotice(notice) => BusEvent::AppendNotice(notice),
        ClusterEvent::Ephemeral { topic, message } => match ephemeral::decode(&message) {
            Some(message) => BusEvent::EphemeralBroadcast(EphemeralBroadcast { topic, message }),
            None => BusEvent::Activity(Box::new(activity::decode(&message)?)),
        },
        ClusterEvent::ControlMessage(message) => BusEvent::ControlMessage(message),
        ClusterEvent::Restored => BusEvent::Restored,
    })
}
