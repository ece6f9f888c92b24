//! The channel between nodes, over which the nodes of a shared store send each other messages.
//!
//! The channel is only a hint: its messages are not confirmed, and may be lost, repeated or late. Only latency depends
//! on it, not correctness: entries are found by their offsets and by [`Nodes::reconcile`](super::Nodes::reconcile), and
//! control messages stay in the mailbox of the node until it has read them.

use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use realtime_gateway_protocol::{
    Timestamp,
    topic::{Shard, Topic},
};

use super::{ControlMessage, Entry, Epoch};

/// The message that a topic has a new entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendNotice {
    /// The topic.
    pub topic: Topic,
    /// The epoch that the entry belongs to.
    pub epoch: Epoch,
    /// The counter of the topic's shard with this entry.
    pub shard_count: u64,
    /// The entry.
    pub entry: NoticeEntry,
}

/// The entry of an [`AppendNotice`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoticeEntry {
    /// The notice includes the entry, so that nothing has to be read.
    Included(Arc<Entry>),
    /// The entry with this offset has to be read from the log, because its body is too large for a notice or is shared
    /// by many entries.
    Omitted(u64),
}

impl NoticeEntry {
    /// Returns the offset of the entry.
    pub fn offset(&self) -> u64 {
        match self {
            Self::Included(entry) => entry.offset,
            Self::Omitted(offset) => *offset,
        }
    }
}

/// An event that a node receives over the channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterEvent {
    /// A topic has a new entry.
    AppendNotice(AppendNotice),
    /// A message for the subscribers of a topic that is not stored, such as typing.
    Ephemeral {
        /// The topic.
        topic: Topic,
        /// The message, as it was passed to [`ClusterChannel::broadcast`].
        message: Bytes,
    },
    /// A control message for this node. The store does not return it from a reconciliation as well.
    ControlMessage(ControlMessage),
    /// The channel is connected, for the first time or again: earlier messages may have been missed.
    Restored,
}

/// The state of the channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterStatus {
    /// Whether the channel is connected.
    pub connection: ClusterConnection,
    /// How often the channel was connected again since the start, after it was lost.
    pub reconnects: u64,
}

/// Whether the channel is connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterConnection {
    /// Messages arrive.
    Connected,
    /// No messages arrive; other nodes' entries are found by reconciliation.
    Disconnected {
        /// When the connection was lost.
        since: Timestamp,
        /// The last error, without secrets.
        last_error: Arc<str>,
    },
}

impl ClusterConnection {
    /// Returns whether messages arrive.
    pub fn is_connected(&self) -> bool {
        matches!(self, Self::Connected)
    }
}

/// The channel between nodes, as one node uses it. No method fails.
///
/// The store announces entries, notifications and control messages by itself, in the step that stores them. A node
/// never receives its own messages, and messages of one node about one topic normally arrive in the order in which they
/// were sent.
#[async_trait]
pub trait ClusterChannel: Debug + Send + Sync + 'static {
    /// Requests the messages of a shard, because a local subscriber is in it now. Resolves once they arrive, while the
    /// [`ClusterEvents`] are polled, or immediately while the channel is disconnected.
    async fn subscribe(&self, shard: Shard);

    /// Unsubscribes from a shard, because no local subscriber is in it any more. Some messages may still arrive.
    fn unsubscribe(&self, shard: Shard);

    /// Sends an ephemeral message to the nodes that have subscribed to the shard of its topic. Never waits.
    fn broadcast(&self, topic: &Topic, message: Bytes);

    /// Returns the state of the channel.
    fn status(&self) -> ClusterStatus;

    /// Closes the channel. No event arrives afterwards.
    async fn close(&self);
}

/// The events of other nodes, until the channel is closed. They arrive only while this is polled: polling drives the
/// connection to the channel, so that an event passes through no other task. A node that polls too slowly loses the
/// connection, and gets [`ClusterEvent::Restored`] after it is connected again.
pub type ClusterEvents = BoxStream<'static, ClusterEvent>;
