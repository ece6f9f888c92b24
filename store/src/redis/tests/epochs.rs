//! Epochs: a new epoch begins whenever confirmed entries may be lost.

use std::time::Duration;

use realtime_gateway_brokers::{
    free_port,
    redis::{Persistence, RedisServer},
};
use realtime_gateway_protocol::Timestamp;

use super::{ONE_SESSION, RedisOptions, TestNode, eventually, options_for, own_prefix};
use crate::{
    Append, LeaseRenewal, Log, Nodes, ReconcileRequest, Redaction, Sessions,
    testing::conformance::{ALL, entry_at, key, reconcile_request, topic},
};

fn entry(body: &str) -> Append {
    entry_at(Timestamp::from_millis(1_800_000_000_000), "a", body)
}

async fn append(node: &TestNode, body: &str) -> (u64, String) {
    let appended = node.store.append(entry(body)).await.unwrap();
    (appended.offset, appended.epoch.to_string())
}

/// Appends as soon as Redis is available again.
async fn append_once_back(node: &TestNode, body: &str) -> (u64, String) {
    eventually("a connection", async || node.store.append(entry("probe")).await.is_ok()).await;
    append(node, body).await
}

#[tokio::test]
async fn restart_keeps_epoch_when_every_write_is_on_disk() {
    let mut server = RedisServer::start(Persistence::Always);
    let node = TestNode::join(&options_for(&server), "a").await;
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
    // A node that connects later finds the same epoch.
    assert_eq!(*TestNode::join(&options_for(&server), "b").await.store.epoch(), *epoch);
}

#[tokio::test]
async fn restart_begins_new_epoch_when_writes_may_be_lost() {
    let everysec = [("save", ""), ("appendonly", "yes"), ("appendfsync", "everysec")];
    for settings in [&everysec[..], &[("save", ""), ("appendonly", "no")]] {
        let mut server = RedisServer::with(settings);
        let mut node = TestNode::join(&options_for(&server), "a").await;
        let (_, epoch) = append(&node, "1").await;
        assert_eq!(node.reconcile().await.lease, LeaseRenewal::Renewed);
        server.process().terminate();
        server.restart();
        let (_, again) = append_once_back(&node, "2").await;
        assert_ne!(again, epoch);
        assert_eq!(*node.store.epoch(), *again);
        assert_eq!(node.reconcile().await.lease, LeaseRenewal::Acquired);
        assert_eq!(node.reconcile().await.lease, LeaseRenewal::Renewed);
        // Another connection to the same run of the server keeps the epoch.
        assert_eq!(*TestNode::join(&options_for(&server), "b").await.store.epoch(), *again);
    }
}

#[tokio::test]
async fn begins_new_epoch_when_earlier_run_was_not_durable() {
    let mut server = RedisServer::with(&[("save", ""), ("appendonly", "yes"), ("appendfsync", "everysec")]);
    let node = TestNode::join(&options_for(&server), "a").await;
    let (_, epoch) = append(&node, "1").await;
    server.process().kill();
    // Correct settings before the restart do not bring back what was lost earlier.
    server.set("appendfsync", "always");
    server.restart();
    let (_, second) = append_once_back(&node, "2").await;
    assert_ne!(second, epoch);
    server.process().kill();
    server.restart();
    assert_eq!(append_once_back(&node, "3").await.1, second, "from then on it is kept");
}

#[tokio::test]
async fn emptied_store_begins_new_epoch() {
    let redis = own_prefix();
    let (mut a, b) = (TestNode::join(&redis, "a").await, TestNode::join(&redis, "b").await);
    let (_, epoch) = append(&a, "1").await;
    a.store.open_session(a.session("anna", "1"), ONE_SESSION).await.unwrap();
    let server = realtime_gateway_brokers::redis::shared();
    server.empty(&format!("{{{}}}:*", redis.prefix));
    let (offset, second) = append(&a, "2").await;
    assert_eq!(offset, 1);
    assert_ne!(second, epoch);
    assert_eq!(append(&b, "3").await, (2, second.clone()), "the other node takes it over");
    assert_eq!((&*b.store.epoch(), a.reconcile().await.lease), (&*second, LeaseRenewal::Acquired));
    let page = b.store.read(&topic("a"), 0, ALL).await.unwrap();
    assert_eq!((&*page.epoch, page.entries.len()), (&*second, 2));
}

#[tokio::test]
async fn repeats_append_of_older_epoch_and_stores_it_once() {
    let redis = own_prefix();
    let (mut a, b) = (TestNode::join(&redis, "a").await, TestNode::join(&redis, "b").await);
    append(&a, "1").await;
    let server = realtime_gateway_brokers::redis::shared();
    server.cli(&["hset", &format!("{{{}}}:store", redis.prefix), "epoch", "second"]);
    assert_eq!(append(&a, "2").await, (2, "second".into()));
    assert_eq!(a.store.read(&topic("a"), 0, ALL).await.unwrap().entries.len(), 2);
    // A reconciliation detects the new epoch too.
    assert_ne!(&*b.store.epoch(), "second");
    let node = crate::NodeRecord { id: "b".into(), ..reconcile_request(&[]).node };
    let reconciled = b.store.reconcile(ReconcileRequest { node, ..reconcile_request(&[]) }).await.unwrap();
    assert_eq!((reconciled.lease, &*b.store.epoch()), (LeaseRenewal::Acquired, "second"));
    assert_eq!(a.reconcile().await.lease, LeaseRenewal::Acquired);
    assert_eq!(&*b.store.heads(&[topic("a")]).await.unwrap().epoch, "second");
}

#[tokio::test]
async fn redacts_nothing_in_newer_epoch() {
    let redis = own_prefix();
    let node = TestNode::join(&redis, "a").await;
    append(&node, "1").await;
    let server = realtime_gateway_brokers::redis::shared();
    server.cli(&["hset", &format!("{{{}}}:store", redis.prefix), "epoch", "second"]);
    let redacting = || Append { redaction: Some(Redaction { offset: 1, body: "-".into() }), ..entry("2") };
    node.store.append(redacting()).await.unwrap_err();
    assert_eq!(node.store.read(&topic("a"), 0, ALL).await.unwrap().entries[0].body, "1");
    // A repeated redaction names the offset in the new epoch.
    assert_eq!(node.store.append(redacting()).await.unwrap().offset, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failover_that_lost_writes_begins_new_epoch() {
    // This holds even if both servers have every write on disk, because the replica had not received all writes.
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

    // The replica receives no further writes, not even those in flight.
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
    assert_eq!(node.reconcile().await.lease, LeaseRenewal::Acquired);
}
