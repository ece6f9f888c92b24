//! Exchanges and queues by their names, declared on every connection and again from time to time, which changes nothing
//! where they are there.

use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, ShortString},
};

use super::{
    fault::Fault,
    link::{Link, declared},
};
use crate::{bus::routing::encode_word, topic::Shard};

/// How often the broker gives an inbound event before it moves it to the dead letters: practically never. It counts
/// every event in flight on a connection that falls, so a lower limit removes good events. It has to be a number,
/// because RabbitMQ 4 has a default of 20, and versions before that refuse -1.
const DELIVERY_LIMIT: i64 = i32::MAX as i64;
/// The limit that gateways declared before. The arguments of a queue cannot be changed.
const OLD_DELIVERY_LIMIT: i64 = 20;
/// How long a node's queue outlives its node, in milliseconds.
pub(super) const NODE_EXPIRES: i64 = 60_000;
/// How many doorbells wait for a node, before the oldest are dropped.
pub(super) const NODE_LENGTH: i64 = 10_000;

/// Names, with `bus.prefix` in front.
#[derive(Debug, Clone)]
pub(super) struct Names {
    /// Exchange and queue of what backend services publish.
    pub(super) inbound: String,
    /// Exchange of what the gateway publishes for them.
    pub(super) outbound: String,
    /// Exchange between nodes.
    pub(super) nodes: String,
    /// Exchange and queue of what could not be accepted.
    pub(super) dead_letter: String,
    /// Queue that says that a node with a store of its own is the only one.
    pub(super) single: String,
    /// Queue of this node.
    pub(super) node: String,
    /// What this node is told alone.
    pub(super) node_key: String,
}

impl Names {
    /// The names of a node.
    pub(super) fn new(prefix: &str, node: &str) -> Self {
        let name = |what: &str| format!("{prefix}.{what}");
        Self {
            inbound: name("inbound"),
            outbound: name("outbound"),
            nodes: name("nodes"),
            dead_letter: name("dead_letter"),
            single: name("single"),
            node: format!("{prefix}.nodes.{node}"),
            node_key: node_key(node),
        }
    }
}

/// The routing key of a node.
pub(super) fn node_key(node: &str) -> String {
    format!("node.{}", encode_word(node))
}

/// The routing key of a shard.
pub(super) fn shard_key(shard: Shard) -> String {
    format!("shard.{}", shard.0)
}

/// Declares what is published to.
pub(super) async fn declare_outbound(channel: &Channel, names: &Names) -> Result<(), Fault> {
    exchange(channel, &names.outbound, ExchangeKind::Topic).await
}

/// Declares where events go that cannot be accepted.
pub(super) async fn declare_dead_letters(channel: &Channel, names: &Names) -> Result<(), Fault> {
    exchange(channel, &names.dead_letter, ExchangeKind::Fanout).await?;
    let arguments = table([("x-queue-type", text("quorum"))]);
    queue(channel, &names.dead_letter, DURABLE, arguments).await?;
    bind(channel, &names.dead_letter, &names.dead_letter, "").await
}

/// Declares the exchange between nodes.
pub(super) async fn declare_nodes(channel: &Channel, names: &Names) -> Result<(), Fault> {
    exchange(channel, &names.nodes, ExchangeKind::Topic).await
}

/// The queue of inbound events, as it is on the broker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum InboundQueue {
    /// As this version declares it.
    #[default]
    Current,
    /// As earlier versions did, with a delivery limit that moves good events to the dead letters.
    OldLimit,
}

/// Declares what inbound events come from. A queue of an earlier version is taken as it is.
pub(super) async fn declare_inbound(link: &Link, names: &Names) -> Result<InboundQueue, Fault> {
    let mut refused = None;
    for queue in [InboundQueue::Current, InboundQueue::OldLimit] {
        // A declaration that is refused closes its channel.
        let channel = link.channel().await?;
        match declare_inbound_as(&channel, names, queue).await {
            Ok(()) => {
                close(&channel).await;
                return Ok(queue);
            }
            Err(Fault::Mismatch(text)) if text.contains("x-delivery-limit") => {
                refused.get_or_insert(Fault::Mismatch(text));
            }
            // A queue with another difference is reported as what this version declares.
            Err(fault) => return Err(fault),
        }
    }
    Err(refused.unwrap_or_else(|| Fault::of("the queue of inbound events cannot be declared")))
}

/// Declares what inbound events come from where the queue is of an earlier version. Only the queue itself is not
/// declared: that would be refused, or bring a queue with the old limit back after it was deleted.
pub(super) async fn declare_around_old_queue(channel: &Channel, names: &Names) -> Result<(), Fault> {
    exchange(channel, &names.inbound, ExchangeKind::Topic).await?;
    let passive = QueueDeclareOptions { passive: true, ..DURABLE };
    queue(channel, &names.inbound, passive, FieldTable::default()).await?;
    bind(channel, &names.inbound, &names.inbound, "#").await
}

async fn declare_inbound_as(channel: &Channel, names: &Names, inbound: InboundQueue) -> Result<(), Fault> {
    exchange(channel, &names.inbound, ExchangeKind::Topic).await?;
    let limit = match inbound {
        InboundQueue::Current => DELIVERY_LIMIT,
        InboundQueue::OldLimit => OLD_DELIVERY_LIMIT,
    };
    let arguments = table([
        ("x-queue-type", text("quorum")),
        ("x-single-active-consumer", AMQPValue::Boolean(true)),
        ("x-delivery-limit", AMQPValue::LongLongInt(limit)),
        ("x-dead-letter-exchange", text(&names.dead_letter)),
    ]);
    queue(channel, &names.inbound, DURABLE, arguments).await?;
    bind(channel, &names.inbound, &names.inbound, "#").await
}

/// Closes a channel that is not needed any more.
pub(super) async fn close(channel: &Channel) {
    if let Err(error) = declared(channel.close(200, "OK".into())).await {
        tracing::debug!(%error, "a channel did not close");
    }
}

/// Declares this node's queue, and what it is told alone.
pub(super) async fn declare_node(channel: &Channel, names: &Names) -> Result<(), Fault> {
    declare_nodes(channel, names).await?;
    let arguments = table([
        ("x-expires", AMQPValue::LongLongInt(NODE_EXPIRES)),
        ("x-max-length", AMQPValue::LongLongInt(NODE_LENGTH)),
        ("x-overflow", text("drop-head")),
    ]);
    queue(channel, &names.node, DURABLE, arguments).await?;
    bind(channel, &names.node, &names.nodes, &names.node_key).await
}

/// Takes the queue that only one connection may have.
pub(super) async fn declare_single(channel: &Channel, names: &Names) -> Result<(), Fault> {
    let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    queue(channel, &names.single, options, FieldTable::default()).await
}

const DURABLE: QueueDeclareOptions =
    QueueDeclareOptions { passive: false, durable: true, exclusive: false, auto_delete: false, nowait: false };

async fn exchange(channel: &Channel, name: &str, kind: ExchangeKind) -> Result<(), Fault> {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    declared(channel.exchange_declare(name.into(), kind, options, FieldTable::default())).await
}

async fn queue(
    channel: &Channel,
    name: &str,
    options: QueueDeclareOptions,
    arguments: FieldTable,
) -> Result<(), Fault> {
    declared(channel.queue_declare(name.into(), options, arguments)).await.map(drop)
}

/// Binds a queue to an exchange.
pub(super) async fn bind(channel: &Channel, queue: &str, exchange: &str, key: &str) -> Result<(), Fault> {
    let options = QueueBindOptions::default();
    declared(channel.queue_bind(queue.into(), exchange.into(), key.into(), options, FieldTable::default())).await
}

/// Unbinds a queue from an exchange.
pub(super) async fn unbind(channel: &Channel, queue: &str, exchange: &str, key: &str) -> Result<(), Fault> {
    declared(channel.queue_unbind(queue.into(), exchange.into(), key.into(), FieldTable::default())).await
}

/// A text as a value of a table.
pub(super) fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

pub(super) fn table<const N: usize>(entries: [(&str, AMQPValue); N]) -> FieldTable {
    let mut table = FieldTable::default();
    for (key, value) in entries {
        table.insert(ShortString::from(key), value);
    }
    table
}
