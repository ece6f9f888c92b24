//! The connection that receives what other nodes publish.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use realtime_gateway_protocol::topic::{SHARDS, Shard};
use redis::{
    PushInfo, PushKind, Value,
    aio::{AsyncPushSender, MultiplexedConnection, SendError},
    cmd,
};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use super::{
    super::{
        fault::Fault,
        link::{DEADLINE, Link, with_jitter},
    },
    Membership, mailbox,
    messages::{Channels, Decoder, Message},
    shards::ShardSet,
};
use crate::{ClusterConnection, ClusterEvent, clock::Clock};

/// How long no message may arrive before the connection is checked with a `PING`.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// How long Redis may take to confirm subscriptions. Confirmations arrive after messages that this node has not read
/// yet.
const CONFIRMATION_TIMEOUT: Duration = Duration::from_secs(15);
/// How many messages one read of the connection may return. A read ends when nothing more has arrived, and the runtime
/// ends a long one, after some megabytes.
const MAX_MESSAGES_PER_READ: usize = 65_536;
/// The time between two attempts to connect: the first, and the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Receives the messages of other nodes, and connects again when the connection is lost.
pub(super) struct Subscriber {
    pub(super) link: Arc<Link>,
    pub(super) membership: Arc<Membership>,
    pub(super) channels: Channels,
    pub(super) incarnation: Arc<str>,
    pub(super) events: mpsc::Sender<ClusterEvent>,
    pub(super) clock: Clock,
}

/// Why a connection has ended.
enum ConnectionEnd {
    /// It failed.
    Failed(Fault),
    /// The link has another connection, perhaps to another server.
    Replaced,
}

impl From<Fault> for ConnectionEnd {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}

impl Subscriber {
    /// Receives until the link is closed.
    pub(super) async fn run(self) {
        let mut backoff = BACKOFF.0;
        let mut has_been_connected = false;
        loop {
            // While the link cannot connect, this connection could not either.
            let Some(generation) = self.link.connected_after(0).await else { return };
            let receiving = self.receive(generation, &mut has_been_connected, &mut backoff);
            let ConnectionEnd::Failed(fault) = receiving.await else {
                self.disconnected(&Fault::ConnectionBroken("the other connection to Redis was replaced".into()));
                continue;
            };
            self.disconnected(&fault);
            sleep(with_jitter(backoff)).await;
            backoff = (backoff * 2).min(BACKOFF.1);
        }
    }

    /// Connects, subscribes, and receives until the connection ends.
    async fn receive(&self, generation: u64, has_been_connected: &mut bool, backoff: &mut Duration) -> ConnectionEnd {
        let (sender, pushes) = mpsc::channel(MAX_MESSAGES_PER_READ);
        let overflowed = Arc::new(AtomicBool::new(false));
        let sender = PushSender { sender, overflowed: overflowed.clone() };
        let (mut connection, mut driver) = match self.link.connector().connect_for_messages(sender).await {
            Ok(connected) => connected,
            Err(fault) => return fault.into(),
        };
        let requested = self.membership.shards.requested();
        let subscribing = async {
            ensure_master(&mut connection).await?;
            let own_channel = self.channels.of_node(&self.incarnation);
            let channels = names(&self.channels, &requested).chain([own_channel]);
            connection.subscribe(channels.collect::<Vec<_>>()).await.map_err(Fault::from)
        };
        let subscribed = tokio::select! {
            subscribed = timeout(CONFIRMATION_TIMEOUT, subscribing) => subscribed.unwrap_or(Err(Fault::TimedOut)),
            () = &mut driver => Err(closed()),
        };
        if let Err(fault) = subscribed {
            return fault.into();
        }
        *backoff = BACKOFF.0;
        self.connected(&requested, std::mem::replace(has_been_connected, true));
        let received = Received {
            subscriber: self,
            overflowed,
            is_delivering: AtomicBool::new(false),
            received: AtomicU64::new(0),
        };
        tokio::select! {
            biased;
            // Messages that have arrived are delivered before more are read, so that memory stays bounded.
            fault = received.deliver_all(pushes) => fault.into(),
            () = received.read(driver) => closed().into(),
            Err(fault) = received.maintain(connection, requested) => fault.into(),
            _ = self.link.connected_after(generation) => ConnectionEnd::Replaced,
        }
    }

    fn connected(&self, subscribed: &ShardSet, is_again: bool) {
        let mut status = self.membership.status.lock();
        status.connection = ClusterConnection::Connected;
        if is_again {
            status.reconnects += 1;
            tracing::info!("the connection for messages of other nodes is restored");
        }
        drop(status);
        self.membership.shards.confirm(subscribed);
    }

    fn disconnected(&self, fault: &Fault) {
        self.membership.shards.disconnect();
        let mut status = self.membership.status.lock();
        let last_error: Arc<str> = fault.to_string().into();
        match &mut status.connection {
            ClusterConnection::Disconnected { last_error: known, .. } => *known = last_error,
            connected @ ClusterConnection::Connected => {
                tracing::warn!(error = %fault, "the connection for messages of other nodes is lost; entries are found by reconciliation");
                *connected = ClusterConnection::Disconnected { since: self.clock.now(), last_error };
            }
        }
    }
}

/// Passes messages from the driver of the connection to [`Received::deliver_all`].
struct PushSender {
    sender: mpsc::Sender<PushInfo>,
    /// Whether a message was dropped because the channel was full.
    overflowed: Arc<AtomicBool>,
}

impl AsyncPushSender for PushSender {
    fn send(&self, push: PushInfo) -> Result<(), SendError> {
        self.sender.try_send(push).map_err(|_| {
            self.overflowed.store(true, Ordering::Relaxed);
            SendError
        })
    }
}

/// The messages that arrive on one connection.
struct Received<'a> {
    subscriber: &'a Subscriber,
    /// Whether a message was dropped, so that the connection has to be replaced.
    overflowed: Arc<AtomicBool>,
    /// Whether a message waits for room in the node's queue.
    is_delivering: AtomicBool,
    /// How many messages have arrived, so that silence can be detected.
    received: AtomicU64,
}

impl Received<'_> {
    /// Delivers messages as they arrive, until the connection ends.
    async fn deliver_all(&self, mut pushes: mpsc::Receiver<PushInfo>) -> Fault {
        let mut decoder = Decoder::new(self.subscriber.incarnation.clone());
        self.deliver(ClusterEvent::Restored).await;
        while let Some(push) = pushes.recv().await {
            if self.overflowed.load(Ordering::Relaxed) {
                return Fault::ConnectionBroken("more messages arrived together than this node can queue".into());
            }
            self.received.fetch_add(1, Ordering::Relaxed);
            let Some(payload) = payload(push) else { continue };
            match decoder.decode(&payload) {
                Message::Event(event) => self.deliver(event).await,
                Message::Control { number, message } => {
                    let Subscriber { membership, events, .. } = self.subscriber;
                    self.finish(mailbox::deliver(&membership.mailbox, events, number, message)).await;
                }
                Message::Own => {}
                Message::Unknown => {
                    tracing::debug!("ignored a message of another node that this version does not know")
                }
            }
        }
        closed()
    }

    async fn deliver(&self, event: ClusterEvent) {
        self.finish(self.subscriber.events.send(event)).await;
    }

    /// Waits for a delivery. Nothing is read meanwhile.
    async fn finish<E>(&self, delivery: impl Future<Output = Result<(), E>>) {
        self.is_delivering.store(true, Ordering::Relaxed);
        if delivery.await.is_err() {
            // The receiver was dropped, because the node shuts down. This future is dropped with it.
            std::future::pending::<()>().await;
        }
        self.is_delivering.store(false, Ordering::Relaxed);
    }

    /// Reads from the connection until it ends. While the node has not taken what has arrived, nothing is read:
    /// messages then wait at the server, which ends the connection of a node that is too slow, and memory stays bounded
    /// here.
    async fn read(&self, mut driver: Pin<Box<dyn Future<Output = ()> + Send>>) {
        poll_fn(|context| {
            // Delivery and reading run in one task, so the end of the delivery polls this again.
            if self.is_delivering.load(Ordering::Relaxed) { Poll::Pending } else { driver.as_mut().poll(context) }
        })
        .await;
    }

    /// Updates the subscriptions when the requested shards change, and checks a connection on which nothing arrives.
    async fn maintain(&self, mut connection: MultiplexedConnection, mut active: ShardSet) -> Result<Infallible, Fault> {
        let mut check = interval(CHECK_INTERVAL);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut received = u64::MAX;
        loop {
            tokio::select! {
                () = self.subscriber.membership.shards.changed() => {
                    within_time(CONFIRMATION_TIMEOUT, self.update_subscriptions(&mut connection, &mut active)).await?;
                }
                _ = check.tick() => {
                    let now = self.received.load(Ordering::Relaxed);
                    if now == received && !self.is_delivering.load(Ordering::Relaxed) {
                        within_time(DEADLINE, async { Ok(cmd("PING").query_async::<()>(&mut connection).await?) }).await?;
                    }
                    received = now;
                }
            }
        }
    }

    async fn update_subscriptions(
        &self,
        connection: &mut MultiplexedConnection,
        active: &mut ShardSet,
    ) -> Result<(), Fault> {
        let Subscriber { membership, channels, .. } = self.subscriber;
        let requested = membership.shards.requested();
        let added = difference(&requested, active);
        let removed = difference(active, &requested);
        let (added, removed): (Vec<_>, Vec<_>) =
            (names(channels, &added).collect(), names(channels, &removed).collect());
        if !added.is_empty() {
            connection.subscribe(added).await?;
        }
        if !removed.is_empty() {
            connection.unsubscribe(removed).await?;
        }
        *active = requested;
        membership.shards.confirm(active);
        Ok(())
    }
}

/// Returns the names of the channels of these shards.
fn names<'a>(channels: &'a Channels, shards: &'a ShardSet) -> impl Iterator<Item = String> + 'a {
    let every_shard = (0..SHARDS).map(|shard| Shard(shard as u8));
    every_shard.zip(shards).filter(|(_, is_in)| **is_in).map(|(shard, _)| channels.of_shard(shard))
}

/// Returns the shards that are in the first set only.
fn difference(one: &ShardSet, other: &ShardSet) -> ShardSet {
    let mut both = one.iter().zip(other);
    std::array::from_fn(|_| both.next().is_some_and(|(one, other)| *one && !*other))
}

/// Returns the payload, or `None` if this is no message of a subscription.
fn payload(push: PushInfo) -> Option<Bytes> {
    if push.kind != PushKind::Message {
        return None;
    }
    match push.data.into_iter().nth(1)? {
        Value::BulkString(payload) => Some(payload.into()),
        _ => None,
    }
}

/// Checks that the server is a master: nothing is published on a former master any more.
async fn ensure_master(connection: &mut MultiplexedConnection) -> Result<(), Fault> {
    let role: Vec<Value> = cmd("ROLE").query_async(connection).await?;
    match role.first() {
        Some(Value::BulkString(role)) if role != b"master" => {
            Err(Fault::ConnectionBroken("this Redis is a replica, on which nothing is published".into()))
        }
        _ => Ok(()),
    }
}

async fn within_time<T>(within: Duration, doing: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    timeout(within, doing).await.unwrap_or(Err(Fault::TimedOut))
}

fn closed() -> Fault {
    Fault::ConnectionBroken("Redis closed the connection".into())
}
