//! The channel between nodes over Redis Pub/Sub.
//!
//! The scripts that store an entry or a control message publish it in the same step (`lua/announce.lua`,
//! `lua/mailboxes.lua`). Each node has one more connection for what other nodes publish: one channel for each shard in
//! which it has a subscriber, and one for its mailbox.

mod broadcasts;
mod mailbox;
mod messages;
mod shards;
mod subscriber;

use std::{future::Future, sync::Arc, task::Poll};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{FutureExt, Stream, StreamExt, stream::poll_fn};
use parking_lot::Mutex;
use realtime_gateway_protocol::topic::{Shard, Topic};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::{broadcasts::Broadcasts, mailbox::Mailbox, messages::Channels, shards::Shards, subscriber::Subscriber};
use super::{RedisStore, arguments::Announcer};
use crate::{ClusterChannel, ClusterConnection, ClusterEvent, ClusterEvents, ClusterStatus};

/// How many received events may wait for the node. While there are as many, nothing is read from the connection.
const MAX_READY_EVENTS: usize = 64;

/// The state of a node in the channel, which the store and the channel share.
#[derive(Debug)]
pub(super) struct Membership {
    shards: Shards,
    mailbox: Mutex<Mailbox>,
    status: Mutex<ClusterStatus>,
}

impl Membership {
    /// Creates the state of a node that has not joined.
    pub(super) fn new(now: realtime_gateway_protocol::Timestamp) -> Self {
        let connection = ClusterConnection::Disconnected { since: now, last_error: "not connected yet".into() };
        Self {
            shards: Shards::default(),
            mailbox: Mutex::default(),
            status: Mutex::new(ClusterStatus { connection, reconnects: 0 }),
        }
    }

    /// Returns whether this node receives the messages of a shard.
    pub(super) fn is_subscribed(&self, shard: Shard) -> bool {
        self.shards.is_subscribed(shard)
    }

    /// Notes that a reconciliation has read a control message. Returns whether it was not announced before.
    pub(super) fn note_read(&self, number: u64) -> bool {
        self.mailbox.lock().note_read(number)
    }
}

impl RedisStore {
    /// Returns the arguments of a script that announces an entry of this shard.
    pub(super) fn announcer(&self, shard: Shard) -> Announcer<'_> {
        Announcer { incarnation: &self.node.incarnation, is_subscribed: self.membership.is_subscribed(shard) }
    }

    /// Joins the channel.
    pub(super) fn join(&self) -> (RedisCluster, ClusterEvents) {
        let (outgoing, broadcasts) = Broadcasts::new();
        let channels = Channels::new(&self.prefix, &self.database);
        self.link.spawn_part("redis broadcasts", broadcasts::send(self.link.clone(), broadcasts));
        let (events, arrived) = mpsc::channel(MAX_READY_EVENTS);
        let subscriber = Subscriber {
            link: self.link.clone(),
            membership: self.membership.clone(),
            channels: channels.clone(),
            incarnation: self.node.incarnation.clone(),
            events,
            clock: self.clock.clone(),
        };
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let receiving = async move {
            // The subscriber ends with the link; the token stops it earlier, when the channel is closed.
            let _: Option<()> = stopped.run_until_cancelled(subscriber.run()).await;
        };
        let incarnation = self.node.incarnation.clone();
        let channel = RedisCluster { membership: self.membership.clone(), channels, incarnation, outgoing, stop };
        (channel, events_while_polled(receiving, arrived).boxed())
    }
}

/// Returns the events of a receiver. Polling the stream polls the future that sends them, so that an event changes no
/// task. The stream ends with the future.
fn events_while_polled(
    sending: impl Future<Output = ()> + Send + 'static,
    mut arrived: mpsc::Receiver<ClusterEvent>,
) -> impl Stream<Item = ClusterEvent> + Send + 'static {
    let mut sending = Box::pin(sending.fuse());
    poll_fn(move |context| {
        if let Poll::Ready(event) = arrived.poll_recv(context) {
            return Poll::Ready(event);
        }
        // When the future ends, it drops the sender, which ends the receiver. So its result is not needed.
        let _: Poll<()> = sending.as_mut().poll(context);
        arrived.poll_recv(context)
    })
}

/// The channel, as a node uses it.
#[derive(Debug)]
pub(super) struct RedisCluster {
    membership: Arc<Membership>,
    channels: Channels,
    incarnation: Arc<str>,
    outgoing: Broadcasts,
    stop: CancellationToken,
}

#[async_trait]
impl ClusterChannel for RedisCluster {
    async fn subscribe(&self, shard: Shard) {
        self.membership.shards.subscribe(shard).await;
    }

    fn unsubscribe(&self, shard: Shard) {
        self.membership.shards.unsubscribe(shard);
    }

    fn broadcast(&self, topic: &Topic, message: Bytes) {
        let channel = self.channels.of_shard(topic.shard());
        self.outgoing.push(channel, messages::ephemeral(&self.incarnation, topic, &message));
    }

    fn status(&self) -> ClusterStatus {
        self.membership.status.lock().clone()
    }

    async fn close(&self) {
        self.stop.cancel();
    }
}
