//! Exchanges and queues by their names, declared anew on every connection, which changes nothing where they are there.

use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, ShortString},
};

use super::{fault::Fault, link::in_time};
use crate::{bus::routing::encode_word, topic::Shard};

/// How often the broker gives an inbound event before it goes to the dead letters.
const DELIVERY_LIMIT: i64 = 20;
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
    exchange(channel, &names.outbound, ExchangeKind::Topic).await?;
    exchange(channel, &names.dead_letter, ExchangeKind::Fanout).await?;
    let arguments = table([("x-queue-type", text("quorum"))]);
    queue(channel, &names.dead_letter, DURABLE, arguments).await?;
    bind(channel, &names.dead_letter, &names.dead_letter, "").await
}

/// Declares the exchange between nodes.
pub(super) async fn declare_nodes(channel: &Channel, names: &Names) -> Result<(), Fault> {
    exchange(channel, &names.nodes, ExchangeKind::Topic).await
}

/// Declares what inbound events come from.
pub(super) async fn declare_inbound(channel: &Channel, names: &Names) -> Result<(), Fault> {
    exchange(channel, &names.inbound, ExchangeKind::Topic).await?;
    let arguments = table([
        ("x-queue-type", text("quorum")),
        ("x-single-active-consumer", AMQPValue::Boolean(true)),
        ("x-delivery-limit", AMQPValue::LongLongInt(DELIVERY_LIMIT)),
        ("x-dead-letter-exchange", text(&names.dead_letter)),
    ]);
    queue(channel, &names.inbound, DURABLE, arguments).await?;
    bind(channel, &names.inbound, &names.inbound, "#").await
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
    in_time(channel.exchange_declare(name.into(), kind, options, FieldTable::default())).await
}

async fn queue(
    channel: &Channel,
    name: &str,
    options: QueueDeclareOptions,
    arguments: FieldTable,
) -> Result<(), Fault> {
    in_time(channel.queue_declare(name.into(), options, arguments)).await.map(drop)
}

/// Binds a queue to an exchange.
pub(super) async fn bind(channel: &Channel, queue: &str, exchange: &str, key: &str) -> Result<(), Fault> {
    let options = QueueBindOptions::default();
    in_time(channel.queue_bind(queue.into(), exchange.into(), key.into(), options, FieldTable::default())).await
}

/// Unbinds a queue from an exchange.
pub(super) async fn unbind(channel: &Channel, queue: &str, exchange: &str, key: &str) -> Result<(), Fault> {
    in_time(channel.queue_unbind(queue.into(), exchange.into(), key.into(), FieldTable::default())).await
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
