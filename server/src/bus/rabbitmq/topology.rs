//! The exchanges and queues of the gateway by name. They are declared on every connection and again from time to time,
//! which changes nothing where they exist.

use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, ShortString},
};

use super::{
    error::AmqpError,
    link::{Link, declared},
};

/// How often the broker delivers an inbound event before it moves it to the dead letters: practically never. It counts
/// every event in flight on a connection that is lost, so a lower limit removes good events. It has to be a number,
/// because RabbitMQ 4 has a default of 20, and versions before that refuse -1.
const DELIVERY_LIMIT: i64 = i32::MAX as i64;
/// The limit that gateways declared before. The arguments of a queue cannot be changed.
const OLD_DELIVERY_LIMIT: i64 = 20;

/// The names, with `bus.prefix` in front.
#[derive(Debug, Clone)]
pub(super) struct Names {
    /// Exchange and queue of what backend services publish.
    pub(super) inbound: String,
    /// Exchange of what the gateway publishes for backend services.
    pub(super) outbound: String,
    /// Exchange of requests to the backends of declared services.
    pub(super) calls: String,
    /// Exchange and queue of the dead letters.
    pub(super) dead_letter: String,
    /// Exclusive queue that proves that a node with a store of its own is the only one.
    pub(super) single: String,
}

impl Names {
    /// Returns the names for a prefix.
    pub(super) fn new(prefix: &str) -> Self {
        let name = |what: &str| format!("{prefix}.{what}");
        Self {
            inbound: name("inbound"),
            outbound: name("outbound"),
            calls: name("calls"),
            dead_letter: name("dead_letter"),
            single: name("single"),
        }
    }
}

/// Declares what is published to.
pub(super) async fn declare_outbound(channel: &Channel, names: &Names) -> Result<(), AmqpError> {
    exchange(channel, &names.outbound, ExchangeKind::Topic).await
}

/// Declares what requests to backends are published to.
pub(super) async fn declare_calls(channel: &Channel, names: &Names) -> Result<(), AmqpError> {
    exchange(channel, &names.calls, ExchangeKind::Topic).await
}

/// Declares the exchange and the queue of the dead letters.
pub(super) async fn declare_dead_letters(channel: &Channel, names: &Names) -> Result<(), AmqpError> {
    exchange(channel, &names.dead_letter, ExchangeKind::Fanout).await?;
    let arguments = table([("x-queue-type", text("quorum"))]);
    queue(channel, &names.dead_letter, DURABLE, arguments).await?;
    bind(channel, &names.dead_letter, &names.dead_letter, "").await
}

/// The queue of inbound events, as it is on the broker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum InboundQueue {
    /// As this version declares it.
    #[default]
    Current,
    /// As earlier versions declared it, with a delivery limit that moves good events to the dead letters.
    OldLimit,
}

/// Declares the exchange and the queue of inbound events. A queue of an earlier version is used as it is.
pub(super) async fn declare_inbound(link: &Link, names: &Names) -> Result<InboundQueue, AmqpError> {
    let mut refused = None;
    for queue in [InboundQueue::Current, InboundQueue::OldLimit] {
        // A declaration that is refused closes its channel.
        let channel = link.channel().await?;
        match declare_inbound_as(&channel, names, queue).await {
            Ok(()) => {
                close(&channel).await;
                return Ok(queue);
            }
            Err(AmqpError::Mismatch(text)) if text.contains("x-delivery-limit") => {
                refused.get_or_insert(AmqpError::Mismatch(text));
            }
            // A queue with another difference is reported as what this version declares.
            Err(error) => return Err(error),
        }
    }
    Err(refused.unwrap_or_else(|| AmqpError::of("the queue of inbound events cannot be declared")))
}

/// Declares the exchange and the binding of inbound events where the queue is of an earlier version. Only the queue itself is not
/// declared: that would be refused, or bring a queue with the old limit back after it was deleted.
pub(super) async fn declare_around_old_queue(channel: &Channel, names: &Names) -> Result<(), AmqpError> {
    exchange(channel, &names.inbound, ExchangeKind::Topic).await?;
    let passive = QueueDeclareOptions { passive: true, ..DURABLE };
    queue(channel, &names.inbound, passive, FieldTable::default()).await?;
    bind(channel, &names.inbound, &names.inbound, "#").await
}

async fn declare_inbound_as(channel: &Channel, names: &Names, inbound: InboundQueue) -> Result<(), AmqpError> {
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

/// Declares the queue that only one connection may have.
pub(super) async fn declare_single(channel: &Channel, names: &Names) -> Result<(), AmqpError> {
    let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    queue(channel, &names.single, options, FieldTable::default()).await
}

const DURABLE: QueueDeclareOptions =
    QueueDeclareOptions { passive: false, durable: true, exclusive: false, auto_delete: false, nowait: false };

async fn exchange(channel: &Channel, name: &str, kind: ExchangeKind) -> Result<(), AmqpError> {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    declared(channel.exchange_declare(name.into(), kind, options, FieldTable::default())).await
}

async fn queue(
    channel: &Channel,
    name: &str,
    options: QueueDeclareOptions,
    arguments: FieldTable,
) -> Result<(), AmqpError> {
    declared(channel.queue_declare(name.into(), options, arguments)).await.map(drop)
}

async fn bind(channel: &Channel, queue: &str, exchange: &str, key: &str) -> Result<(), AmqpError> {
    let options = QueueBindOptions::default();
    declared(channel.queue_bind(queue.into(), exchange.into(), key.into(), options, FieldTable::default())).await
}

/// Returns a text as a value of a table.
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
