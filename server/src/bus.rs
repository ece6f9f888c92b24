//! What nodes tell each other, and what a broker carries between them and backend services.
//!
//! Between nodes everything may be lost, repeated or reordered: a doorbell says that a topic has grown, a whisper is
//! ephemeral, and a note lies in the inbox of the store as well.

mod embedded;
mod envelope;
pub mod open;
mod rabbitmq;
pub mod routing;

pub use embedded::EmbeddedBus;
pub use rabbitmq::RabbitError;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use realtime_gateway_protocol::{ServerMessage, Timestamp};
use tokio::sync::{mpsc, oneshot};

use crate::{
    store::{Entry, Epoch, Note},
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

/// Something ephemeral for a topic's subscribers on other nodes: typing, or who came and went.
#[derive(Debug, Clone)]
pub struct Whisper {
    /// The topic.
    pub topic: Topic,
    /// `typing` or `presence_changed`.
    pub message: ServerMessage,
}

/// What a node hears from the others.
#[derive(Debug, Clone)]
pub enum Heard {
    /// A topic has grown.
    Doorbell(Doorbell),
    /// Something ephemeral.
    Whisper(Whisper),
    /// Something for this node alone, which lies in its inbox as well.
    Note(Note),
    /// The bus was away, and is back: ephemeral things were missed.
    Back,
}

/// An event that a backend service has published for clients.
#[derive(Debug)]
pub struct Arrival {
    /// The routing key: says what the event is, and for whom.
    pub key: String,
    /// The message's own name, when the body has none.
    pub id: Option<String>,
    /// JSON.
    pub body: Bytes,
    /// Where to say what became of it. Dropping it without a word means that it is to be given again.
    pub verdict: oneshot::Sender<Verdict>,
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The store holds it, also when it held it before.
    Stored,
    /// It can never be accepted, for this reason; it goes to the dead letters.
    Refused {
        /// A label of the metric `dead_lettered_total`.
        reason: &'static str,
        /// A sentence for people, without content.
        detail: String,
    },
    /// The store is away: it is to be given again once the store is back.
    NotNow,
}

/// How the bus is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusStatus {
    /// Nothing between nodes can be lost, because there is one process.
    Embedded,
    /// The broker is there.
    Connected,
    /// The broker takes nothing now (an alarm), and says why; the outbox waits.
    Blocked {
        /// What the broker says.
        reason: Arc<str>,
        /// Since when.
        since: Timestamp,
    },
    /// The broker is away; delivery between nodes goes on from the store.
    Reconnecting {
        /// Since when.
        since: Timestamp,
        /// How long until the next try, when one is not under way.
        next_try: Option<Duration>,
        /// What went wrong last, without secrets.
        last_error: Arc<str>,
    },
}

impl BusStatus {
    /// Whether all that the bus does is being done.
    pub fn is_well(&self) -> bool {
        matches!(self, Self::Embedded | Self::Connected)
    }
}

/// Something about the bus that an operator should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusWarning {
    /// A sentence, without secrets.
    pub text: String,
    /// Whether events do not get where they should, so that the node is degraded.
    pub degrades: bool,
}

/// A node's end of the bus. What others say comes out of the receivers that were made with it.
#[async_trait]
pub trait Bus: Send + Sync + 'static {
    /// Tells the other nodes that a topic has grown. Never waits; a doorbell that cannot be sent is lost, which costs
    /// the others at most a pulse.
    fn ring(&self, doorbell: &Doorbell);

    /// Passes something ephemeral on to the other nodes that are bound to its topic's shard. Never waits.
    fn whisper(&self, whisper: &Whisper);

    /// Tells one node something, sooner than its next pulse does. Never waits.
    fn tell(&self, node: &str, note: &Note);

    /// Asks to be told of a shard's doorbells, because a local subscriber is in it now. Resolves once that holds, or
    /// at once while the broker is away.
    async fn bind(&self, shard: Shard);

    /// Nobody here is in the shard any more. It may be let go of later.
    fn release(&self, shard: Shard);

    /// How the bus is.
    fn status(&self) -> BusStatus;

    /// What an operator should look at while the broker is there.
    fn warnings(&self) -> Vec<BusWarning> {
        Vec::new()
    }

    /// Takes no more events from backend services, because this node is going; what is under way is finished. Another
    /// node takes them.
    fn stop_taking(&self) {}

    /// Says goodbye to the broker, once everything else has ended.
    async fn close(&self);
}

/// What the other nodes say to this one.
pub type Hearing = mpsc::Receiver<Heard>;

/// What backend services publish for clients. Those of one topic come one after the other: the next comes when there is
/// a verdict on the last.
pub type Arrivals = mpsc::Receiver<Arrival>;
