//! What a bus may do to doorbells without a subscriber noticing: lose, repeat and reorder them.

use std::{collections::VecDeque, future::poll_fn, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use realtime_gateway_protocol::{ClanId, MessageId, SessionId, Timestamp, UserId};
use serde_json::{Value, json};

use super::{Hub, Start};
use crate::{
    auth::Identity,
    bus::{Bus, BusStatus, Doorbell, EmbeddedBus, Heard, Hearing, Whisper},
    drain::Tasks,
    frame::Frame,
    metrics::Metrics,
    outbound::{Outbound, Waiting},
    services::entry_frame,
    session::{Comer, Session},
    store::{
        Append, Note, Retention, Store, TokenClaims,
        clock::Clock,
        conformance::{counts, options},
        memory::MemoryStore,
    },
    topic::{Shard, Topic},
};

/// What becomes of each doorbell on its way.
type Fault = fn(&mut Vec<Doorbell>, Doorbell) -> Vec<Doorbell>;

/// A bus that does something to what it carries.
struct FaultyBus {
    below: EmbeddedBus,
    kept: Mutex<Vec<Doorbell>>,
    fault: Fault,
}

#[async_trait]
impl Bus for FaultyBus {
    fn ring(&self, doorbell: &Doorbell) {
        let carried = (self.fault)(&mut self.kept.lock(), doorbell.clone());
        carried.iter().for_each(|doorbell| self.below.ring(doorbell));
    }

    fn whisper(&self, whisper: &Whisper) {
        self.below.whisper(whisper);
    }

    fn tell(&self, node: &str, note: &Note) {
        self.below.tell(node, note);
    }

    async fn bind(&self, shard: Shard) {
        self.below.bind(shard).await;
    }

    fn release(&self, shard: Shard) {
        self.below.release(shard);
    }

    fn status(&self) -> BusStatus {
        self.below.status()
    }

    async fn close(&self) {}
}

fn store() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(options(), Clock::system()))
}

fn node(store: &Arc<dyn Store>, bus: impl Bus) -> Arc<Hub> {
    Hub::new(
        store.clone(),
        Arc::new(bus),
        entry_frame,
        Arc::new(Metrics::new().unwrap()),
        Tasks::default(),
        Arc::default(),
    )
}

fn clan() -> Topic {
    Topic::Clan(ClanId::new("c").unwrap())
}

async fn say(hub: &Arc<Hub>, n: u64) {
    say_keeping(hub, n, 10_000).await;
}

/// Says something in a log that keeps only so many entries.
async fn say_keeping(hub: &Arc<Hub>, n: u64, max_entries: u64) {
    let body = Bytes::from(format!(r#"{{"type":"chat","content":"{n}""#) + "}");
    let retention = Retention { max_entries, max_age: Duration::from_secs(3600) };
    let (id, at) = (MessageId::new(format!("m{n}")).unwrap(), Timestamp::from(std::time::SystemTime::now()));
    let append =
        Append { topic: clan(), id, key: None, at, body: body.clone(), retention, redaction: None, event: None };
    let appended = hub.store.append(append).await.unwrap();
    let entry = Arc::new(crate::store::Entry { offset: appended.offset, at, body });
    let epoch = appended.epoch;
    hub.publish(Doorbell { topic: clan(), epoch, shard_count: appended.shard_count, entry });
}

async fn subscriber(hub: &Arc<Hub>) -> Arc<Session> {
    let user = UserId::new("reader").unwrap();
    let (grants, token) = (Arc::default(), TokenClaims::default());
    let identity = Identity { user, device: None, expires_at: Timestamp::from_millis(0), grants, token };
    let outbound = Arc::new(Outbound::new(1 << 20));
    let id = SessionId::new("s").unwrap();
    let session = Arc::new(Session::new(id, Comer::default(), identity, outbound, Timestamp::from_millis(0)));
    let (entered, ends, epoch) = hub.enter(&clan()).await.unwrap();
    let subscription = entered.subscribe(&session);
    session.add(subscription.clone());
    entered.start(&subscription, Start { epoch, position: ends.head, delivered: 0 });
    session
}

/// The next messages, as they come.
async fn messages(session: &Session, count: usize) -> Vec<Value> {
    let mut messages = Vec::new();
    while messages.len() < count {
        let mut batch: VecDeque<Frame> = VecDeque::new();
        let waiting = poll_fn(|context| session.outbound.poll_take(context, &mut batch));
        let waiting = tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("a frame");
        assert_eq!(waiting, Waiting::Frames);
        for frame in &batch {
            session.outbound.written(frame.len());
            messages.push(serde_json::from_str(frame.payload()).unwrap());
        }
    }
    messages
}

/// The offsets of the next frames, as they come.
async fn offsets(session: &Session, count: usize) -> Vec<u64> {
    messages(session, count).await.iter().map(|message| message["offset"].as_u64().unwrap()).collect()
}

fn listen(hub: &Arc<Hub>, mut hearing: Hearing) {
    let (tasks, hub) = (hub.tasks.clone(), hub.clone());
    tasks.spawn_until_stopped(async move {
        while let Some(heard) = hearing.recv().await {
            if let Heard::Doorbell(doorbell) = heard {
                hub.ring(doorbell);
            }
        }
    });
}

/// Compares counters, as a node's pulse does.
async fn compare(hub: &Arc<Hub>) {
    let shards = hub.bound_shards();
    let counts = counts(&*hub.store, &shards).await;
    hub.compare(&shards, &counts).await.unwrap();
}

async fn pulse(hub: Arc<Hub>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        ticks.tick().await;
        compare(&hub).await;
    }
}

/// Says a hundred things on one node and listens on another, behind a bus with a fault.
async fn everything_arrives(fault: Fault) {
    let store = store();
    let (far_bus, doorbells) = EmbeddedBus::new("far");
    let (near_bus, _near_doorbells) = far_bus.join("near");
    let near = node(&store, FaultyBus { below: near_bus, kept: Mutex::default(), fault });
    let far = node(&store, far_bus);
    listen(&far, doorbells);
    far.tasks.spawn_until_stopped(pulse(far.clone()));
    let session = subscriber(&far).await;
    for n in 0..100 {
        say(&near, n).await;
        if n % 10 == 0 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(offsets(&session, 100).await, (1..=100).collect::<Vec<_>>());
    far.tasks.stop(Duration::from_secs(1)).await;
    near.tasks.stop(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn all_doorbells_lost() {
    everything_arrives(|_, _| Vec::new()).await;
}

#[tokio::test]
async fn every_third_doorbell_lost_and_the_last() {
    everything_arrives(|kept, doorbell| {
        kept.push(doorbell.clone());
        if kept.len() % 3 == 0 || doorbell.entry.offset == 100 { Vec::new() } else { vec![doorbell] }
    })
    .await;
}

#[tokio::test]
async fn every_doorbell_repeated_with_all_before() {
    everything_arrives(|kept, doorbell| {
        kept.push(doorbell);
        kept.clone()
    })
    .await;
}

#[tokio::test]
async fn doorbells_in_reverse_by_sevens() {
    everything_arrives(|kept, doorbell| {
        kept.push(doorbell);
        if kept.len() < 7 {
            return Vec::new();
        }
        let mut carried = std::mem::take(kept);
        carried.reverse();
        carried
    })
    .await;
}

#[tokio::test]
async fn a_subscriber_whose_next_entry_is_gone_is_told_and_goes_on() {
    let store = store();
    let (far_bus, _doorbells) = EmbeddedBus::new("far");
    let (near_bus, _near_doorbells) = far_bus.join("near");
    let near = node(&store, near_bus);
    let far = node(&store, far_bus);
    let session = subscriber(&far).await;
    session.extend();
    // Nobody listens to the doorbells of the far node, and the log keeps only the last five entries.
    for n in 0..20 {
        say_keeping(&near, n, 5).await;
    }
    compare(&far).await;
    let told = messages(&session, 6).await;
    let (reset, entries) = told.split_first().unwrap();
    assert_eq!((&reset["type"], &reset["reason"]), (&json!("subscription_reset"), &json!("trimmed")));
    assert_eq!((&reset["clanId"], &reset["offset"]), (&json!("c"), &json!(15)));
    let offsets: Vec<_> = entries.iter().map(|entry| entry["offset"].clone()).collect();
    assert_eq!(offsets, [16, 17, 18, 19, 20]);
    far.tasks.stop(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_topic_is_forgotten_with_its_last_subscriber() {
    let store = store();
    let (bus, _doorbells) = EmbeddedBus::new("far");
    let hub = node(&store, bus);
    let sessions = [subscriber(&hub).await, subscriber(&hub).await];
    assert_eq!((hub.topic_count(), hub.bound_shards()), (1, vec![clan().shard()]));
    for subscription in sessions.iter().flat_map(|session| session.remove_all()) {
        hub.leave(&subscription);
    }
    assert_eq!(hub.topic_count(), 0);
    assert!(hub.bound_shards().is_empty(), "and its shard is let go of");
}
