//! Between nodes: doorbells, whispers and notes on their way out and in. Nothing here is confirmed, because all of it
//! may be lost.

use std::{pin::Pin, sync::Arc};

use futures_util::{FutureExt, StreamExt};
use lapin::{
    BasicProperties, Channel,
    options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions},
    types::FieldTable,
};
use tokio::sync::mpsc;

use super::{
    Shared,
    fault::Fault,
    link::{Link, in_time},
    topology::{node_key, shard_key},
};
use crate::{
    bus::envelope::{self, Read, Sender},
    topic::Shard,
};

/// How much may be under way to this node, before the broker keeps it.
const PREFETCH: u16 = 1_024;
/// After so many the broker is told that they have come, or as soon as nothing more waits.
const ACKNOWLEDGED: usize = 256;

/// What goes to other nodes.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) to: Target,
    pub(super) bytes: Vec<u8>,
}

/// To whom.
#[derive(Debug)]
pub(super) enum Target {
    /// All nodes that are bound to the shard.
    Shard(Shard),
    /// One node.
    Node(Arc<str>),
}

/// Sends what goes out, until the connection is lost.
pub(super) async fn send(
    channel: &Channel,
    outgoing: &mut mpsc::Receiver<Outgoing>,
    shared: &Shared,
) -> Result<(), Fault> {
    // What waited for the connection is stale: whoever missed it has asked the store meanwhile.
    while outgoing.try_recv().is_ok() {}
    let blocked = shared.states.watch_blocked();
    while let Some(Outgoing { to, bytes }) = outgoing.recv().await {
        if *blocked.borrow() {
            shared.dropped();
            continue;
        }
        let key = match to {
            Target::Shard(shard) => shard_key(shard),
            Target::Node(node) => node_key(&node),
        };
        let (exchange, options) = (shared.names.nodes.as_str().into(), BasicPublishOptions::default());
        channel.basic_publish(exchange, key.into(), options, &bytes, BasicProperties::default()).await?;
    }
    Ok(())
}

/// Hears what comes in, until the connection is lost.
pub(super) async fn hear(link: &Link, own: Sender, shared: &Shared) -> Result<(), Fault> {
    let channel = link.channel().await?;
    in_time(channel.basic_qos(PREFETCH, BasicQosOptions::default())).await?;
    let (queue, tag) = (shared.names.node.as_str().into(), shared.consumer_tag());
    let consuming = channel.basic_consume(queue, tag.into(), BasicConsumeOptions::default(), FieldTable::default());
    let mut consumer = in_time(consuming).await?.peekable();
    let mut unacknowledged = 0;
    loop {
        let delivery = match consumer.next().await {
            Some(delivery) => delivery?,
            None => return Err(Fault::of("the queue of this node is gone")),
        };
        // Only the body counts here, whatever the properties are.
        drop(link.unreadable(&channel, &delivery));
        match envelope::read(own, &delivery.data) {
            Read::Heard(heard) => {
                if shared.hearing.send(heard).await.is_err() {
                    // Nobody listens any more: the node is going.
                    return std::future::pending().await;
                }
            }
            Read::Own => {}
            Read::Unknown => tracing::debug!("another node said something that this version does not know"),
        }
        unacknowledged += 1;
        let waits = Pin::new(&mut consumer).peek().now_or_never().is_some();
        if unacknowledged >= ACKNOWLEDGED || !waits {
            delivery.ack(BasicAckOptions { multiple: true }).await?;
            unacknowledged = 0;
        }
    }
}
