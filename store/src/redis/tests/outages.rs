//! Outages of Redis: every operation ends in time, and the store recovers by itself.

use std::time::{Duration, Instant, SystemTime};

use futures_util::future::join_all;
use parking_lot::Mutex;
use realtime_gateway_brokers::redis::{Persistence, RedisServer};
use tokio::sync::watch;

use super::{ONE_SESSION, TestNode, eventually, options_for};
use crate::{
    Append, Log, Nodes, Outbox, Pending, Presence, ReconcileRequest, Sessions, Store, StoreError, UserPresence,
    testing::conformance::{ALL, content, entry_at, reconcile_request, topic},
};

/// The time limit for an operation, with a margin for a busy machine.
const IN_TIME: Duration = Duration::from_millis(2_400);

fn entry(body: &str) -> Append {
    entry_at(SystemTime::now().into(), "a", body)
}

async fn in_time<T>(operation: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let began = Instant::now();
    let result = operation.await;
    assert!(began.elapsed() < IN_TIME, "{:?}", began.elapsed());
    result
}

/// Asserts that every operation fails within the time limit.
async fn assert_all_fail_in_time(node: &TestNode) {
    let store = &node.store;
    let user = node.session("u", "s").user;
    let notify = crate::Notify {
        user: user.clone(),
        id: "n".to_owned().try_into().unwrap(),
        content: content("n"),
        at: SystemTime::now().into(),
        body: "x".into(),
        expires: (SystemTime::now() + Duration::from_secs(60)).into(),
        escalate_at: None,
        max_pending: 10,
        dropped_event: None,
    };
    let began = Instant::now();
    let refused = tokio::join!(
        async { store.append(entry("x")).await.is_err() },
        async { store.notify(notify).await.is_err() },
        async { store.read(&topic("a"), 0, ALL).await.is_err() },
        async { store.heads(&[topic("a")]).await.is_err() },
        async { store.open_session(node.session("u", "s"), ONE_SESSION).await.is_err() },
        async { store.set_present(&topic("a"), &user, UserPresence::of_sessions(1)).await.is_err() },
        async { store.reconcile(ReconcileRequest { read: 0, ..reconcile_request(&[]) }).await.is_err() },
        async { store.lease_outbox(Duration::from_secs(1)).await.is_err() },
        async { store.read_outbox(0, 1, Duration::from_millis(10)).await.is_err() },
        async { store.sweep(SystemTime::now().into()).await.is_err() },
    );
    assert_eq!(refused, (true, true, true, true, true, true, true, true, true, true));
    assert!(began.elapsed() < IN_TIME, "{:?}", began.elapsed());
}

async fn wait_until_available(node: &TestNode) {
    eventually("the connection", async || in_time(node.store.append(entry("probe"))).await.is_ok()).await;
    assert!(node.store.status().writable);
    assert_eq!(node.store.status().last_error, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recovers_when_redis_answers_again() {
    let mut server = RedisServer::start(Persistence::None);
    let node = TestNode::join(&options_for(&server), "a").await;
    node.store.append(entry("before")).await.unwrap();
    server.process().pause();
    assert_all_fail_in_time(&node).await;
    eventually("that it is noticed", async || !node.store.status().writable).await;
    // Once the outage is known, operations fail immediately.
    eventually("an immediate refusal", async || {
        let began = Instant::now();
        node.store.append(entry("x")).await.unwrap_err();
        began.elapsed() < Duration::from_millis(50)
    })
    .await;
    assert!(node.store.status().last_error.is_some());
    server.process().resume();
    wait_until_available(&node).await;
    let first = node.store.read(&topic("a"), 0, ALL).await.unwrap().entries.remove(0);
    assert_eq!(first.body, "before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recovers_with_its_data_when_redis_was_killed() {
    let mut server = RedisServer::start(Persistence::Always);
    let node = TestNode::join(&options_for(&server), "a").await;
    node.store.append(entry("before")).await.unwrap();
    server.process().kill();
    assert_all_fail_in_time(&node).await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let began = Instant::now();
    let error = node.store.append(entry("x")).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_millis(50), "a longer absence is known");
    assert!(error.to_string().contains("127.0.0.1"), "{error}");
    assert!(!node.store.status().writable);
    server.restart();
    wait_until_available(&node).await;
    assert_eq!(node.store.read(&topic("a"), 0, ALL).await.unwrap().entries[0].body, "before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_confirmed_appends_when_redis_dies_under_load() {
    let mut server = RedisServer::start(Persistence::Always);
    let node = TestNode::join(&options_for(&server), "a").await;
    let (confirmed, (count, mut counted)) = (Mutex::new(Vec::new()), watch::channel(0));
    // Twenty writers append one after the other until the server has stopped.
    let writers = (0..20).map(|writer: u32| {
        let (store, confirmed, count) = (&node.store, &confirmed, &count);
        async move {
            for n in 0_u32.. {
                let body = format!("{writer}-{n}");
                let Ok(appended) = in_time(store.append(entry(&body))).await else { return };
                confirmed.lock().push((appended.offset, body));
                count.send_modify(|count| *count += 1);
            }
        }
    });
    let dying = async {
        counted.wait_for(|count| *count >= 100).await.unwrap();
        tokio::task::spawn_blocking(move || {
            server.process().kill();
            server
        })
        .await
        .unwrap()
    };
    let (_, mut server) = tokio::join!(join_all(writers), dying);
    let confirmed = confirmed.into_inner();
    server.restart();
    wait_until_available(&node).await;
    let entries = node.store.read(&topic("a"), 0, ALL).await.unwrap().entries;
    for (offset, body) in confirmed {
        let entry = entries.iter().find(|entry| entry.offset == offset);
        assert_eq!(entry.map(|entry| String::from_utf8_lossy(&entry.body).into_owned()), Some(body));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_wait_through_short_outage() {
    let mut server = RedisServer::start(Persistence::Always);
    let node = TestNode::join(&options_for(&server), "a").await;
    for round in 0..3 {
        // Close the connections, as a restarted proxy would. The server keeps running.
        server.cli(&["client", "kill", "type", "normal"]);
        eventually("a connection", async || node.store.append(entry("probe")).await.is_ok()).await;
        let began = Instant::now();
        in_time(node.store.append(entry("x"))).await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(1), "round {round}");
    }
    server.process().terminate();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loads_scripts_again_after_script_flush() {
    let server = RedisServer::start(Persistence::None);
    let node = TestNode::join(&options_for(&server), "a").await;
    for offset in 1..4 {
        assert_eq!(node.store.append(entry("x")).await.unwrap().offset, offset);
        server.cli(&["script", "flush"]);
    }
    assert_eq!(node.store.heads(&[topic("a")]).await.unwrap().bounds[0].head, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reader_of_outbox_recovers() {
    let mut server = RedisServer::start(Persistence::Always);
    let node = TestNode::join(&options_for(&server), "a").await;
    assert!(node.store.read_outbox(0, 1, Duration::from_millis(10)).await.unwrap().is_empty());
    let waiting = node.store.read_outbox(0, 1, Duration::from_secs(60));
    let dying = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.process().kill();
    };
    let (waited, ()) = tokio::join!(waiting, dying);
    waited.unwrap_err();
    server.restart();
    wait_until_available(&node).await;
    assert!(node.store.read_outbox(0, 1, Duration::from_millis(10)).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_redis_whose_memory_is_full() {
    let server = RedisServer::with(&[("save", ""), ("maxmemory-policy", "noeviction")]);
    let mut node = TestNode::join(&options_for(&server), "a").await;
    node.store.append(entry("before")).await.unwrap();
    server.cli(&["config", "set", "maxmemory", "1"]);
    let error = in_time(node.store.append(entry("x"))).await.unwrap_err();
    assert!(error.to_string().contains("OOM"), "{error}");
    assert!(!node.store.status().writable);
    assert!(node.store.status().last_error.is_some_and(|error| error.contains("OOM")));
    assert_eq!(node.store.read(&topic("a"), 0, ALL).await.unwrap().entries.len(), 1, "reads continue");
    server.cli(&["config", "set", "maxmemory", "0"]);
    assert_eq!(node.store.append(entry("after")).await.unwrap().offset, 2);
    node.reconcile().await;
    assert_eq!((node.store.status().writable, node.store.status().last_error), (true, None));
}
