//! Epochs: what may have been lost is never silently missing.

use std::time::Duration;

use realtime_gateway_brokers::{
    free_port,
    redis::{Persistence, RedisServer},
};
use realtime_gateway_protocol::Timestamp;

use super::{ONE, RedisOptions, TestNode, alone, eventually, own};
use crate::store::{
    Append, Beat, LeaseHeld, Log, Nodes, Redaction, Sessions,
    conformance::{ALL, beat, entry_at, key, topic},
};

fn entry(body: &str) -> Append {
    entry_at(Timestamp::from_millis(1_800_000_000_000), "a", body)
}

async fn append(node: &TestNode, body: &str) -> (u64, String) {
    let appended = node.store.append(entry(body)).await.unwrap();
    (appended.offset, appended.epoch.to_string())
}

/// Appends once Redis is back.
async fn append_once_back(node: &TestNode, body: &str) -> (u64, String) {
    eventually("a connection", async || node.store.append(entry("probe")).await.is_ok()).await;
    append(node, body).await
}

#[tokio::test]
async fn with_every_write_on_disk_a_restart_keeps_the_epoch_and_everything() {
    let mut server = RedisServer::start(Persistence::Always);
    let node = TestNode::join(&own(&server), "a").await;
    let (_, epoch) = append(&node, "1").await;
    let keyed = || Append { key: key("u", "k"), ..entry("2") };
    node.store.append(keyed()).await.unwrap();
    for _ in 0..2 {
        server.process().kill();
        server.restart();
        let (_, again) = append_once_back(&node, "x").await;
        assert_eq!(again, epoch);
    }
    assert!(node.store.append(keyed()).await.unwrap().duplicate);
    let bodies: Vec<_> = node.store.read(&topic("a"), 0, ALL).await.unwrap().entries;
    assert_eq!((&bodies[0].body[..], &bodies[1].body[..]), (&b"1"[..], &b"2"[..]));
    // Whoever comes later finds the same.
    assert_eq!(*TestNode::join(&own(&server), "b").await.store.epoch(), *epoch);
}

#[tokio::test]
async fn without_it_every_restart_begins_a_new_epoch() {
    let everysec = [("save", ""), ("appendonly", "yes"), ("appendfsync", "everysec")];
    for settings in [&everysec[..], &[("save", ""), ("appendonly", "no")]] {
        let mut server = RedisServer::with(settings);
        let mut node = TestNode::join(&own(&server), "a").await;
        let (_, epoch) = append(&node, "1").await;
        assert_eq!(node.pulse().await.lease, LeaseHeld::Held);
        server.process().terminate();
        server.restart();
        let (_, again) = append_once_back(&node, "2").await;
        assert_ne!(again, epoch);
        assert_eq!(*node.store.epoch(), *again);
        assert_eq!(node.pulse().await.lease, LeaseHeld::Anew);
        assert_eq!(node.pulse().await.lease, LeaseHeld::Held);
        // The same life of the server is no reason for another.
        assert_eq!(*TestNode::join(&own(&server), "b").await.store.epoch(), *again);
    }
}

#[tokio::test]
async fn what_was_not_on_disk_once_is_not_trusted_later() {
    let mut server = RedisServer::with(&[("save", ""), ("appendonly", "yes"), ("appendfsync", "everysec")]);
    let node = TestNode::join(&own(&server), "a").await;
    let (_, epoch) = append(&node, "1").await;
    server.process().kill();
    // Whoever sets it right before the restart has not saved what was lost before.
    server.set("appendfsync", "always");
    server.restart();
    let (_, second) = append_once_back(&node, "2").await;
    assert_ne!(second, epoch);
    server.process().kill();
    server.restart();
    assert_eq!(append_once_back(&node, "3").await.1, second, "from then on it is kept");
}

#[tokio::test]
async fn a_store_that_was_emptied_begins_anew() {
    let redis = alone();
    let (mut a, b) = (TestNode::join(&redis, "a").await, TestNode::join(&redis, "b").await);
    let (_, epoch) = append(&a, "1").await;
    a.store.open_session(a.session("anna", "1"), ONE).await.unwrap();
    let server = realtime_gateway_brokers::redis::shared();
    server.empty(&format!("{{{}}}:*", redis.prefix));
    let (offset, second) = append(&a, "2").await;
    assert_eq!(offset, 1);
    assert_ne!(second, epoch);
    assert_eq!(append(&b, "3").await, (2, second.clone()), "the other node takes it over");
    assert_eq!((&*b.store.epoch(), a.pulse().await.lease), (&*second, LeaseHeld::Anew));
    let page = b.store.read(&topic("a"), 0, ALL).await.unwrap();
    assert_eq!((&*page.epoch, page.entries.len()), (&*second, 2));
}

#[tokio::test]
async fn an_append_of_an_older_epoch_is_made_again_and_stored_once() {
    let redis = alone();
    let (mut a, b) = (TestNode::join(&redis, "a").await, TestNode::join(&redis, "b").await);
    append(&a, "1").await;
    let server = realtime_gateway_brokers::redis::shared();
    server.cli(&["hset", &format!("{{{}}}:store", redis.prefix), "epoch", "second"]);
    assert_eq!(append(&a, "2").await, (2, "second".into()));
    assert_eq!(a.store.read(&topic("a"), 0, ALL).await.unwrap().entries.len(), 2);
    // A pulse finds it out too.
    assert_ne!(&*b.store.epoch(), "second");
    let node = crate::store::NodeRecord { id: "b".into(), ..beat(&[]).node };
    let pulse = b.store.pulse(Beat { node, ..beat(&[]) }).await.unwrap();
    assert_eq!((pulse.lease, &*b.store.epoch()), (LeaseHeld::Anew, "second"));
    assert_eq!(a.pulse().await.lease, LeaseHeld::Anew);
    assert_eq!(&*b.store.heads(&[topic("a")]).await.unwrap().epoch, "second");
}

#[tokio::test]
async fn what_stood_in_an_older_epoch_is_not_taken_back_in_a_newer() {
    let redis = alone();
    let node = TestNode::join(&redis, "a").await;
    append(&node, "1").await;
    let server = realtime_gateway_brokers::redis::shared();
    server.cli(&["hset", &format!("{{{}}}:store", redis.prefix), "epoch", "second"]);
    let taking_back = || Append { redaction: Some(Redaction { offset: 1, body: "-".into() }), ..entry("2") };
    node.store.append(taking_back()).await.unwrap_err();
    assert_eq!(node.store.read(&topic("a"), 0, ALL).await.unwrap().entries[0].body, "1");
    // Whoever asks again has looked where it is now.
    assert_eq!(node.store.append(taking_back()).await.unwrap().offset, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_that_lost_writes_begins_a_new_epoch() {
    // Also with every write on the disk of either: the replica had not got them.
    let always = [("save", ""), ("appendonly", "yes"), ("appendfsync", "always")];
    let mut master = RedisServer::with(&always);
    let port = master.port().to_string();
    let replica_of = format!("127.0.0.1 {port}");
    let replica_settings: Vec<_> = always.into_iter().chain([("replicaof", replica_of.as_str())]).collect();
    let mut replica = RedisServer::with(&replica_settings);
    let sentinel = RedisServer::sentinel(master.port(), 1, Duration::from_millis(500));
    let nowhere = free_port();
    let redis = RedisOptions::new(
        &format!("redis+sentinel://127.0.0.1:{nowhere},127.0.0.1:{}/main", sentinel.port()),
        "failover",
    );
    let mut node = TestNode::join(&redis, "a").await;
    let (offset, epoch) = append(&node, "kept").await;
    assert_eq!(offset, 1);
    let is_known = async || sentinel.cli(&["sentinel", "replicas", "main"]).contains("flags\nslave\n");
    eventually("a replica that the Sentinel knows", is_known).await;
    let has_it = async || replica.cli(&["xlen", "{failover}:entries:clan:a"]) == "1";
    eventually("that the replica has what was kept", has_it).await;

    // Nothing that is on its way reaches it either.
    replica.process().pause();
    master.cli(&["client", "kill", "type", "replica"]);
    assert_eq!(append(&node, "lost").await.0, 2, "confirmed, and only the master has it");
    master.process().kill();
    replica.process().resume();
    eventually("the failover", async || node.store.append(entry("probe")).await.is_ok()).await;
    let (offset, second) = append(&node, "after").await;
    assert_ne!(second, epoch);
    let page = node.store.read(&topic("a"), 0, ALL).await.unwrap();
    let bodies: Vec<_> = page.entries.iter().map(|entry| String::from_utf8_lossy(&entry.body)).collect();
    assert_eq!(bodies.first().map(|body| &**body), Some("kept"));
    assert!(!bodies.iter().any(|body| body == "lost"), "{bodies:?}");
    assert_eq!(offset, bodies.len() as u64);
    assert_eq!(node.pulse().await.lease, LeaseHeld::Anew);
}
