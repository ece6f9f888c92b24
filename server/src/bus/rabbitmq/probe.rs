//! Whether the broker has what the gateway declares, with the same arguments, for `gateway check`. It creates nothing: a
//! declaration is sent only for what is there, and then the broker does nothing but compare it.

use lapin::{
    Channel, ErrorKind, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

use super::{
    Peers,
    fault::Fault,
    link::{ANSWER, Link},
    topology::{NODE_EXPIRES, NODE_LENGTH, Names, table, text},
};

/// AMQP reply codes (AMQP 0-9-1, section 1.2).
const NOT_FOUND: u16 = 404;
const RESOURCE_LOCKED: u16 = 405;
const PRECONDITION_FAILED: u16 = 406;
/// The delivery limits that a queue of inbound events may have: that of this version and those of others.
const DELIVERY_LIMITS: [i64; 2] = [20, i32::MAX as i64];

/// What the broker has of the things that the gateway declares.
#[derive(Debug, Default)]
pub struct Topology {
    /// Is there as the gateway declares it.
    pub same: Vec<String>,
    /// Is not there; the start makes it.
    pub absent: Vec<String>,
    /// Belongs to another connection.
    pub in_use: Vec<String>,
    /// Is there and cannot be used, with the reason.
    pub refused: Vec<Fault>,
}

/// Something that the gateway declares.
enum Thing<'a> {
    Exchange(&'a str, ExchangeKind),
    /// A queue may have one of several sets of arguments.
    Queue(&'a str, QueueDeclareOptions, Vec<FieldTable>),
}

/// Compares what is on the broker with what a node with these names declares.
pub(super) async fn topology(link: &Link, names: &Names, peers: Peers) -> Result<Topology, Fault> {
    let mut found = Topology::default();
    for thing in things(names, peers) {
        let name = thing.name();
        // An answer that is no yes closes the channel.
        match thing.declare(&link.channel().await?, Mode::Look).await {
            Ok(()) => {}
            Err((NOT_FOUND, _)) => {
                found.absent.push(name);
                continue;
            }
            Err((RESOURCE_LOCKED, _)) => {
                found.in_use.push(name);
                continue;
            }
            Err((_, fault)) => {
                found.refused.push(fault);
                continue;
            }
        }
        let mut refusal = None;
        for alternative in 0..thing.alternatives() {
            match thing.declare(&link.channel().await?, Mode::Compare(alternative)).await {
                Ok(()) => {
                    refusal = None;
                    break;
                }
                // What this version declares says best what is wrong.
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        match refusal {
            None => found.same.push(name),
            Some((RESOURCE_LOCKED, _)) => found.in_use.push(name),
            Some((_, fault)) => found.refused.push(fault),
        }
    }
    Ok(found)
}

fn things(names: &Names, peers: Peers) -> Vec<Thing<'_>> {
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
    let mut things = vec![
        Thing::Exchange(&names.outbound, ExchangeKind::Topic),
        Thing::Exchange(&names.dead_letter, ExchangeKind::Fanout),
        Thing::Queue(&names.dead_letter, durable, vec![table([quorum()])]),
        Thing::Exchange(&names.inbound, ExchangeKind::Topic),
        Thing::Queue(&names.inbound, durable, DELIVERY_LIMITS.map(inbound).to_vec()),
    ];
    match peers {
        Peers::None => {
            let exclusive = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
            things.push(Thing::Queue(&names.single, exclusive, vec![FieldTable::default()]));
        }
        Peers::Some => {
            things.push(Thing::Exchange(&names.nodes, ExchangeKind::Topic));
            let arguments = table([
                ("x-expires", AMQPValue::LongLongInt(NODE_EXPIRES)),
                ("x-max-length", AMQPValue::LongLongInt(NODE_LENGTH)),
                ("x-overflow", text("drop-head")),
            ]);
            things.push(Thing::Queue(&names.node, durable, vec![arguments]));
        }
    }
    things
}

/// How a declaration is sent.
#[derive(Clone, Copy)]
enum Mode {
    /// Only to see whether something of this name is there.
    Look,
    /// With the arguments, of which this is the alternative.
    Compare(usize),
}

impl Thing<'_> {
    /// Its kind and name, because an exchange and a queue may have one name.
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

    /// Sends a declaration. A refusal has its reply code, or 0 when the broker did not answer.
    async fn declare(&self, channel: &Channel, mode: Mode) -> Result<(), (u16, Fault)> {
        let passive = matches!(mode, Mode::Look);
        let answer = async {
            match self {
                Self::Exchange(name, kind) => {
                    let options = ExchangeDeclareOptions { durable: true, passive, ..Default::default() };
                    channel.exchange_declare((*name).into(), kind.clone(), options, FieldTable::default()).await
                }
                Self::Queue(name, options, arguments) => {
                    let arguments = match mode {
                        Mode::Look => None,
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
            Err(_) => Err((0, Fault::of("the broker did not answer in time"))),
        }
    }
}

fn refusal(error: lapin::Error) -> (u16, Fault) {
    let code = match error.kind() {
        ErrorKind::ProtocolError(said) => said.get_id(),
        _ => 0,
    };
    let fault = match (code, Fault::from(error)) {
        (PRECONDITION_FAILED, Fault::Other(text)) => Fault::Mismatch(text),
        (_, fault) => fault,
    };
    (code, fault)
}
