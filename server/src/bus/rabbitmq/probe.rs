//! Checks for `gateway check` whether the broker has what the gateway declares, with the same arguments. It creates
//! nothing: a declaration is sent only for what exists, and the broker then only compares it.

use lapin::{
    Channel, ErrorKind, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

use super::{
    StoreUse,
    error::AmqpError,
    link::{ANSWER, Link},
    topology::{Names, table, text},
};

/// AMQP reply codes (AMQP 0-9-1, section 1.2).
const NOT_FOUND: u16 = 404;
const RESOURCE_LOCKED: u16 = 405;
const PRECONDITION_FAILED: u16 = 406;
/// The delivery limits that a queue of inbound events may have: that of this version and those of others.
const DELIVERY_LIMITS: [i64; 2] = [20, i32::MAX as i64];

/// What the broker has of the exchanges and queues that the gateway declares.
#[derive(Debug, Default)]
pub struct Topology {
    /// Exists as the gateway declares it.
    pub same: Vec<String>,
    /// Does not exist; the start declares it.
    pub absent: Vec<String>,
    /// Belongs to another connection.
    pub in_use: Vec<String>,
    /// Exists and cannot be used, with the reason.
    pub refused: Vec<AmqpError>,
}

/// An exchange or a queue that the gateway declares.
enum Entity<'a> {
    Exchange(&'a str, ExchangeKind),
    /// A queue may have one of several sets of arguments.
    Queue(&'a str, QueueDeclareOptions, Vec<FieldTable>),
}

/// Compares what is on the broker with what a node declares.
pub(super) async fn topology(link: &Link, names: &Names, store_use: StoreUse) -> Result<Topology, AmqpError> {
    let mut found = Topology::default();
    for entity in entities(names, store_use) {
        let name = entity.name();
        // An error closes the channel.
        match entity.declare(&link.channel().await?, Mode::Exists).await {
            Ok(()) => {}
            Err((NOT_FOUND, _)) => {
                found.absent.push(name);
                continue;
            }
            Err((RESOURCE_LOCKED, _)) => {
                found.in_use.push(name);
                continue;
            }
            Err((_, error)) => {
                found.refused.push(error);
                continue;
            }
        }
        let mut refusal = None;
        for alternative in 0..entity.alternatives() {
            match entity.declare(&link.channel().await?, Mode::Compare(alternative)).await {
                Ok(()) => {
                    refusal = None;
                    break;
                }
                // The difference to what this version declares is the one to report.
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        match refusal {
            None => found.same.push(name),
            Some((RESOURCE_LOCKED, _)) => found.in_use.push(name),
            Some((_, error)) => found.refused.push(error),
        }
    }
    Ok(found)
}

fn entities(names: &Names, store_use: StoreUse) -> Vec<Entity<'_>> {
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let quorum = || ("x-queue-type", text("quorum"));
    let inbound = |limit| {
        table([
            quorum(),
            ("x-single-active-consumer", AMQPValue::Boolean(true)),
            ("x-delivery-limit", AMQPValue::LongLongInt(limit)),
            ("x-dead-letter-exchange", text(&names.dead_letter)),
        ])
    };
    let mut entities = vec![
        Entity::Exchange(&names.outbound, ExchangeKind::Topic),
        Entity::Exchange(&names.dead_letter, ExchangeKind::Fanout),
        Entity::Queue(&names.dead_letter, durable, vec![table([quorum()])]),
        Entity::Exchange(&names.inbound, ExchangeKind::Topic),
        Entity::Queue(&names.inbound, durable, DELIVERY_LIMITS.map(inbound).to_vec()),
    ];
    if store_use == StoreUse::Own {
        let exclusive = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        entities.push(Entity::Queue(&names.single, exclusive, vec![FieldTable::default()]));
    }
    entities
}

/// How a declaration is sent.
#[derive(Clone, Copy)]
enum Mode {
    /// Passively, to see whether the name exists.
    Exists,
    /// With the arguments of this alternative.
    Compare(usize),
}

impl Entity<'_> {
    /// Returns the kind and the name, because an exchange and a queue may have one name.
    fn name(&self) -> String {
        match self {
            Self::Exchange(name, _) => format!("exchange {name}"),
            Self::Queue(name, ..) => format!("queue {name}"),
        }
    }

    fn alternatives(&self) -> usize {
        match self {
            Self::Exchange(..) => 1,
            Self::Queue(_, _, arguments) => arguments.len(),
        }
    }

    /// Sends a declaration. An error has the reply code of the broker, or 0 when it did not answer.
    async fn declare(&self, channel: &Channel, mode: Mode) -> Result<(), (u16, AmqpError)> {
        let passive = matches!(mode, Mode::Exists);
        let answer = async {
            match self {
                Self::Exchange(name, kind) => {
                    let options = ExchangeDeclareOptions { durable: true, passive, ..Default::default() };
                    channel.exchange_declare((*name).into(), kind.clone(), options, FieldTable::default()).await
                }
                Self::Queue(name, options, arguments) => {
                    let arguments = match mode {
                        Mode::Exists => None,
                        Mode::Compare(alternative) => arguments.get(alternative).cloned(),
                    };
                    let options = QueueDeclareOptions { passive, ..*options };
                    let declared = channel.queue_declare((*name).into(), options, arguments.unwrap_or_default());
                    declared.await.map(drop)
                }
            }
        };
        match tokio::time::timeout(ANSWER, answer).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(refusal(error)),
            Err(_) => Err((0, AmqpError::of("the broker did not answer in time"))),
        }
    }
}

fn refusal(error: lapin::Error) -> (u16, AmqpError) {
    let code = match error.kind() {
        ErrorKind::ProtocolError(answer) => answer.get_id(),
        _ => 0,
    };
    let error = match (code, AmqpError::from(error)) {
        (PRECONDITION_FAILED, AmqpError::Other(text)) => AmqpError::Mismatch(text),
        (_, error) => error,
    };
    (code, error)
}
