//! Tests the hub behind a bus that loses, repeats and reorders notices. Subscribers get every entry once and in order.

mod omitted_entries;

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use realtime_gateway_protocol::{ClanId, Codec, MessageId, SessionId, Timestamp, UserId};
use serde_json::{Value, json};

use super::{Hub, Start, Subscription};
use crate::{
    bus::{Activity, Bus, BusEvent, BusEvents, EmbeddedBus, EphemeralBroadcast},
    delivery::{
        entry::entry_frame,
        frame::Frame,
        outbound::{Outbound, Waiting},
        recipient::Recipient,
        tailed_bus::TailedBus,
    },
    metrics::Metrics,
    runtime::tasks::Tasks,
    store::{
        Append, AppendNotice, ClusterStatus, NoticeEntry, Retention, Store,
        clock::Clock,
        memory::MemoryStore,
        testing::conformance::{counts, options},
    },
    topic::{Shard, Topic},
};

/// Maps a published notice to the notices that the bus delivers.
type Fault = fn(&mut Vec<AppendNotice>, AppendNotice) -> Vec<AppendNotice>;

/// A bus that applies a fault to append notices.
struct FaultyBus {
    inner: EmbeddedBus,
    kept: Mutex<Vec<AppendNotice>>,
    fault: Fault,
}

#[async_trait]
impl Bus for FaultyBus {
    fn notify_nodes(&self, notice: &AppendNotice) {
        let delivered = (self.fault)(&mut self.kept.lock(), notice.clone());
        delivered.iter().for_each(|notice| self.inner.notify_nodes(notice));
    }

    fn broadcast_ephemeral(&self, broadcast: &EphemeralBroadcast) {
        self.inner.broadcast_ephemeral(broadcast);
    }

    fn broadcast_activity(&self, activity: &Activity) {
        self.inner.broadcast_activity(activity);
    }

    async fn bind(&self, shard: Shard) {
        self.inner.bind(shard).await;
    }

    fn release(&self, shard: Shard) {
        self.inner.release(shard);
    }

    fn status(&self) -> Option<ClusterStatus> {
        self.inner.status()
    }

    async fn close(&self) {}
}

fn store() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(options(), Clock::system()))
}

fn node(store: &Arc<dyn Store>, bus: impl Bus) -> Arc<Hub> {
    Hub::new(
        store.clone(),
        Arc::new(TailedBus::new(Arc::new(bus))),
        entry_frame,
        Arc::new(Metrics::new().unwrap()),
        Tasks::default(),
        Arc::default(),
    )
}

fn clan() -> Topic {
    Topic::Clan(ClanId::new("c").unwrap())
}

async fn append(hub: &Arc<Hub>, n: u64) {
    append_keeping(hub, n, 10_000).await;
}

/// Appends an entry to a log that keeps at most `max_entries`.
async fn append_keeping(hub: &Arc<Hub>, n: u64, max_entries: u64) {
    let notice = store_entry(hub, n, max_entries).await;
    hub.publish(notice);
}

/// Appends an entry to a log that keeps at most `max_entries`, and returns the notice instead of publishing it.
async fn store_entry(hub: &Arc<Hub>, n: u64, max_entries: u64) -> AppendNotice {
    let body = Bytes::from(format!(r#"{{"type":"chat","content":"{n}""#) + "}");
    let retention = Retention { max_entries, max_age: Duration::from_secs(3600) };
    let (id, at) = (MessageId::new(format!("m{n}")).unwrap(), Timestamp::from(std::time::SystemTime::now()));
    let append =
        Append { topic: clan(), id, key: None, at, body: body.clone(), retention, redaction: None, event: None };
    let appended = hub.store.append(append).await.unwrap();
    let entry = NoticeEntry::Included(Arc::new(crate::store::Entry { offset: appended.offset, at, body }));
    AppendNotice { topic: clan(), epoch: appended.epoch, shard_count: appended.shard_count, entry }
}

/// A recipient and its subscription.
struct Subscriber {
    recipient: Arc<Recipient>,
    subscription: Arc<Subscription>,
}

async fn subscriber(hub: &Arc<Hub>) -> Subscriber {
    let user = UserId::new("reader").unwrap();
    let recipient = Arc::new(Recipient::new(
        SessionId::new("s").unwrap(),
        user,
        Arc::new(Outbound::new(1 << 20)),
        Codec::default(),
    ));
    let (interest, bounds, epoch) = hub.register_interest(&clan()).await.unwrap();
    let subscription = interest.subscribe(&recipient);
    interest.start(&subscription, Start { epoch, position: bounds.head, delivered: 0 });
    Subscriber { recipient, subscription }
}

/// Returns the next `count` messages in the order of arrival.
async fn messages(subscriber: &Subscriber, count: usize) -> Vec<Value> {
    let mut messages = Vec::new();
    while messages.len() < count {
        let mut batch: VecDeque<Frame> = VecDeque::new();
        let waiting = poll_fn(|context| subscriber.recipient.outbound.poll_take(context, &mut batch));
        let waiting = tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("a frame");
        assert_eq!(waiting, Waiting::Frames);
        for frame in &batch {
            subscriber.recipient.outbound.written(frame.len());
            messages.push(serde_json::from_str(frame.payload()).unwrap());
        }
    }
    messages
}

/// Returns the offsets of the next `count` messages in the order of arrival.
async fn offsets(subscriber: &Subscriber, count: usize) -> Vec<u64> {
    messages(subscriber, count).await.iter().map(|message| message["offset"].as_u64().unwrap()).collect()
}

fn listen(hub: &Arc<Hub>, mut bus_events: BusEvents) {
    let (tasks, hub) = (hub.tasks.clone(), hub.clone());
    tasks.spawn_until_stopped(async move {
        while let Some(event) = bus_events.recv().await {
            if let BusEvent::AppendNotice(notice) = event {
                hub.receive_notice(notice);
            }
        }
    });
}

/// Compares the shard counters, as a node's reconciliation does.
async fn compare(hub: &Arc<Hub>) {
    let shards = hub.bound_shards();
    let counts = counts(&*hub.store, &shards).await;
    hub.compare(&shards, &counts).await.unwrap();
}

async fn reconcile(hub: Arc<Hub>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        ticks.tick().await;
        compare(&hub).await;
    }
}

/// Appends a hundred entries on one node behind a faulty bus, and asserts that a subscriber on another node gets all of
/// them in order.
async fn delivers_all_entries(fault: Fault) {
    let store = store();
    let (far_bus, notices) = EmbeddedBus::new();
    let (near_bus, _near_notices) = far_bus.join();
    let near = node(&store, FaultyBus { inner: near_bus, kept: Mutex::default(), fault });
    let far = node(&store, far_bus);
    listen(&far, notices);
    far.tasks.spawn_until_stopped(reconcile(far.clone()));
    let subscriber = subscriber(&far).await;
    for n in 0..100 {
        append(&near, n).await;
        if n % 10 == 0 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(offsets(&subscriber, 100).await, (1..=100).collect::<Vec<_>>());
    far.tasks.stop(Duration::from_secs(1)).await;
    near.tasks.stop(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn delivers_when_every_notice_is_lost() {
    delivers_all_entries(|_, _| Vec::new()).await;
}

#[tokio::test]
async fn delivers_when_every_third_notice_and_the_last_are_lost() {
    delivers_all_entries(|kept, notice| {
        kept.push(notice.clone());
        if kept.len() % 3 == 0 || notice.entry.offset() == 100 { Vec::new() } else { vec![notice] }
    })
    .await;
}

#[tokio::test]
async fn delivers_once_when_every_notice_is_repeated_with_all_before_it() {
    delivers_all_entries(|kept, notice| {
        kept.push(notice);
        kept.clone()
    })
    .await;
}

#[tokio::test]
async fn delivers_in_order_when_notices_are_reversed_in_groups_of_seven() {
    delivers_all_entries(|kept, notice| {
        kept.push(notice);
        if kept.len() < 7 {
            return Vec::new();
        }
        let mut delivered = std::mem::take(kept);
        delivered.reverse();
        delivered
    })
    .await;
}

#[tokio::test]
async fn sends_a_reset_when_the_next_entry_was_trimmed() {
    let store = store();
    let (far_bus, _notices) = EmbeddedBus::new();
    let (near_bus, _near_notices) = far_bus.join();
    let near = node(&store, near_bus);
    let far = node(&store, far_bus);
    let subscriber = subscriber(&far).await;
    subscriber.recipient.enable_extensions();
    // Nothing handles the notices of the far node, and the log keeps only the last five entries.
    for n in 0..20 {
        append_keeping(&near, n, 5).await;
    }
    compare(&far).await;
    let received = messages(&subscriber, 6).await;
    let (reset, entries) = received.split_first().unwrap();
    assert_eq!((&reset["type"], &reset["reason"]), (&json!("subscription_reset"), &json!("trimmed")));
    assert_eq!((&reset["clanId"], &reset["offset"]), (&json!("c"), &json!(15)));
    let offsets: Vec<_> = entries.iter().map(|entry| entry["offset"].clone()).collect();
    assert_eq!(offsets, [16, 17, 18, 19, 20]);
    far.tasks.stop(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn removes_topic_with_its_last_subscriber() {
    let store = store();
    let (bus, _notices) = EmbeddedBus::new();
    let hub = node(&store, bus);
    let subscribers = [subscriber(&hub).await, subscriber(&hub).await];
    assert_eq!((hub.topic_count(), hub.bound_shards()), (1, vec![clan().shard()]));
    for subscriber in subscribers {
        hub.leave(&subscriber.subscription);
    }
    assert_eq!(hub.topic_count(), 0);
    assert!(hub.bound_shards().is_empty(), "the shard is released");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delivers_entries_without_delay_while_topic_state_is_locked() {
    let store = store();
    let (bus, _notices) = EmbeddedBus::new();
    let hub = node(&store, bus);
    let subscriber = subscriber(&hub).await;
    // Reading the cursor, subscribing and comparing counters lock the topic's state briefly. An entry that arrives
    // meanwhile must not wait until the next entry arrives.
    let over = Arc::new(AtomicBool::new(false));
    let reader = {
        let (hub, over) = (hub.clone(), over.clone());
        std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                hub.cursor(&clan());
            }
        })
    };
    for n in 1..=2_000 {
        append(&hub, n).await;
        assert_eq!(offsets(&subscriber, 1).await, [n]);
    }
    over.store(true, Ordering::Relaxed);
    reader.join().unwrap();
    hub.tasks.stop(Duration::from_secs(1)).await;
}
