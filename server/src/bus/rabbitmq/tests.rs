//! Two nodes at a real broker: what one says the other hears, if it is bound to it, and nobody hears themselves.

use std::{sync::Arc, time::Duration};

use realtime_gateway_brokers::rabbitmq::shared;
use realtime_gateway_protocol::{ClanId, CloseCode, SessionId, Timestamp, Typing, UserId};
use tokio::time::timeout;

use super::{Parts, Peers, RabbitBus, RabbitError};
use crate::{
    bus::{Arrivals, Bus, BusStatus, Doorbell, Heard, Hearing, Whisper},
    config::{self, Secret},
    metrics::Metrics,
    store::{Entry, Note, clock::Clock, conformance::options, memory::MemoryStore},
    supervision::Supervisor,
    topic::{Shard, Topic},
};

const PATIENCE: Duration = Duration::from_secs(20);

struct End {
    bus: RabbitBus,
    hearing: Hearing,
    _arrivals: Arrivals,
}

fn config(prefix: &str) -> config::Bus {
    config::Bus { url: Secret(shared()), prefix: prefix.into(), prefetch: 16, ca: None }
}

fn prefix() -> String {
    format!("unit.{}", uuid::Uuid::now_v7().simple()).chars().take(32).collect()
}

async fn open(prefix: &str, node: &str, peers: Peers) -> Result<End, RabbitError> {
    let store = Arc::new(MemoryStore::new(options(), Clock::system()));
    let metrics = Arc::new(Metrics::new().unwrap());
    let parts =
        Parts { config: &config(prefix), node: node.into(), peers, store, metrics, supervisor: &Supervisor::default() };
    let (bus, hearing, arrivals) = RabbitBus::open(parts).await?;
    Ok(End { bus, hearing, _arrivals: arrivals })
}

async fn join(prefix: &str, node: &str) -> End {
    connected(open(prefix, node, Peers::Some).await.unwrap()).await
}

/// A broker that has much to do may take longer than a start waits.
async fn connected(end: End) -> End {
    let connected = async {
        while end.bus.status() != BusStatus::Connected {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, connected).await.unwrap();
    end
}

async fn heard(end: &mut End) -> Heard {
    timeout(PATIENCE, end.hearing.recv()).await.expect("something is heard").unwrap()
}

fn clan(name: &str) -> Topic {
    Topic::Clan(ClanId::new(name).unwrap())
}

fn doorbell(topic: Topic, offset: u64) -> Doorbell {
    let entry = Arc::new(Entry { offset, at: Timestamp::from_millis(1), body: "{}".into() });
    Doorbell { topic, epoch: "e".into(), shard_count: offset, entry }
}

/// Two clans of different shards.
fn clans() -> (Topic, Topic) {
    let first = clan("a");
    let other = (0..).map(|n| clan(&format!("b{n}"))).find(|topic| topic.shard() != first.shard()).unwrap();
    (first, other)
}

#[tokio::test]
async fn doorbells_reach_those_who_are_bound_in_their_order() {
    let prefix = prefix();
    let (mut near, mut far) = (join(&prefix, "near.1").await, join(&prefix, "far").await);
    let (wanted, other) = clans();
    far.bus.bind(wanted.shard()).await;
    near.bus.bind(wanted.shard()).await;
    for offset in 1..=200 {
        near.bus.ring(&doorbell(other.clone(), offset));
        near.bus.ring(&doorbell(wanted.clone(), offset));
    }
    for offset in 1..=200 {
        match heard(&mut far).await {
            Heard::Doorbell(got) => assert_eq!((got.topic, got.entry.offset), (wanted.clone(), offset)),
            other => panic!("{other:?}"),
        }
    }
    // Bound to its own words, a node hears the other's and not its own.
    far.bus.ring(&doorbell(wanted.clone(), 201));
    assert!(matches!(heard(&mut near).await, Heard::Doorbell(got) if got.entry.offset == 201));
    near.bus.close().await;
    far.bus.close().await;
}

#[tokio::test]
async fn whispers_go_by_shard_and_notes_to_one_node() {
    let prefix = prefix();
    let (near, mut far) = (join(&prefix, "near").await, join(&prefix, "far.away/1").await);
    let topic = clan("a");
    far.bus.bind(topic.shard()).await;
    let (user_id, clan_id) = (UserId::new("u").unwrap(), ClanId::new("a").unwrap());
    let typing = Typing { user_id: user_id.clone(), clan_id, is_typing: true };
    near.bus.whisper(&Whisper { topic: topic.clone(), message: typing.clone().into() });
    assert!(matches!(heard(&mut far).await, Heard::Whisper(got) if got.message == typing.clone().into()));
    let note = Note::Close { user_id, session_id: SessionId::new("s").unwrap(), code: CloseCode::REPLACED.0 };
    near.bus.tell("somebody-else", &note);
    near.bus.tell("far.away/1", &note);
    assert!(matches!(heard(&mut far).await, Heard::Note(got) if got == note));
    assert!(far.hearing.try_recv().is_err());
    near.bus.close().await;
    far.bus.close().await;
}

#[tokio::test]
async fn many_shards_are_bound_at_once() {
    let prefix = prefix();
    let (near, mut far) = (join(&prefix, "near").await, join(&prefix, "far").await);
    let all = (0..=255).map(|shard| far.bus.bind(Shard(shard)));
    timeout(PATIENCE, futures_util::future::join_all(all)).await.unwrap();
    for n in 0..100 {
        near.bus.ring(&doorbell(clan(&n.to_string()), 1));
    }
    for _ in 0..100 {
        assert!(matches!(heard(&mut far).await, Heard::Doorbell(_)));
    }
    near.bus.close().await;
    far.bus.close().await;
}

#[tokio::test]
async fn a_store_of_ones_own_allows_one_node() {
    let prefix = prefix();
    let first = connected(open(&prefix, "first", Peers::None).await.unwrap()).await;
    let second = open(&prefix, "second", Peers::None).await.map(drop);
    assert!(matches!(second, Err(RabbitError::NotAlone(_))));
    first.bus.close().await;
    let third = open(&prefix, "third", Peers::None).await.unwrap();
    third.bus.close().await;
}
