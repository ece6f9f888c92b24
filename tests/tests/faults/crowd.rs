//! Many clients: thousands that reconnect at the same time, and clients that connect and disconnect without leaks.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};
use realtime_gateway_sdk::{Client, State};
use realtime_gateway_tests::{Gateway, Settings, must, within};
use serde_json::Value;

use crate::{
    case::{Case, Clients},
    cluster::Cluster,
    load::client,
};

/// The number of clients that reconnect at the same time.
const CLIENTS: usize = 3_000;
/// How long the test waits without any reconnect before it fails.
const STUCK_AFTER: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn reconnects_all_clients_after_all_connections_are_cut() {
    let settings = Settings::default().set("auth.timeout", "\"60s\"").set("limits.handshake_timeout", "\"60s\"");
    let cluster = Cluster::with(2, settings).await;
    let mut case = Case::start("reconnect_storm", Clients::Reconnect, cluster).await;
    let address = case.cluster.front.address().to_owned();
    let mut crowd = Vec::new();
    for chunk in (0..CLIENTS).collect::<Vec<_>>().chunks(100) {
        crowd.extend(join_all(chunk.iter().map(|n| subscribed_client(&address, *n))).await);
    }
    case.load.wait_for_confirmed(60).await;
    let began = Instant::now();
    case.cluster.front.cut();
    join_all(crowd.iter().map(|client| async move {
        let mut state = client.state();
        let waited = state.wait_for(|state| !matches!(state, State::Connected(_)));
        must("the client notices the cut", waited).await.expect("the client is running");
    }))
    .await;
    all_come_back(&crowd).await;
    println!("{CLIENTS} clients were back after {:.2} s", began.elapsed().as_secs_f64());
    case.finish().await;
}

/// Waits until all clients are connected again. The time limit applies to each reconnect, because the total depends on
/// the machine.
async fn all_come_back(crowd: &[Client]) {
    let returning = crowd.iter().map(|client| async move {
        let mut state = client.state();
        let back = state.wait_for(|state| matches!(state, State::Connected(_))).await;
        back.map(drop).expect("the client is running");
    });
    let mut returning: FuturesUnordered<_> = returning.collect();
    while !returning.is_empty() {
        let next = tokio::time::timeout(STUCK_AFTER, returning.next()).await;
        assert!(next.is_ok(), "{} of {CLIENTS} clients did not come back", returning.len());
    }
}

/// Starts a client that is connected and has subscribed once.
async fn subscribed_client(address: &str, n: usize) -> Client {
    let client = client(address, &format!("member-{n}"));
    // Dropping the stream ends the subscription; only the connection matters here.
    drop(client.clan_chat(format!("crowd-{}", n / 10)).unwrap().subscribe().await.unwrap());
    client
}

/// The resources that a node occupies.
#[derive(Debug)]
struct Resources {
    memory_kib: u64,
    descriptors: usize,
    connections: i64,
    subscriptions: i64,
}

fn resources_of(gateway: &Gateway, health: &Value) -> Resources {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    Resources {
        memory_kib: memory.split_whitespace().next().unwrap().parse().unwrap(),
        descriptors: std::fs::read_dir(format!("/proc/{}/fd", gateway.pid())).unwrap().count(),
        connections: health["activeConnections"].as_i64().unwrap(),
        subscriptions: health["subscriptions"].as_object().unwrap().values().filter_map(Value::as_i64).sum(),
    }
}

/// Returns the duration of the soak test: `GATEWAY_SOAK_SECONDS`, or 60 s.
#[expect(clippy::disallowed_methods, reason = "the person who runs the tests sets the duration")]
fn soak_time() -> Duration {
    let configured = std::env::var("GATEWAY_SOAK_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(configured.unwrap_or(60))
}

#[tokio::test(flavor = "multi_thread")]
async fn soak_releases_all_resources_of_closed_connections() {
    let mut case = Case::start("soak", Clients::Stay, Cluster::start(2).await).await;
    let address = case.cluster.front.address().to_owned();
    let mut first: Option<Vec<Resources>> = None;
    let began = Instant::now();
    while first.is_none() || began.elapsed() < soak_time() {
        connect_and_disconnect_clients(&address).await;
        let now = wait_for_closed_connections(&case.cluster).await;
        // The first rounds are a warm-up: they fill buffers, tables and the allocator's caches, which are never
        // released.
        if first.is_none() && began.elapsed() > soak_time() / 4 {
            first = Some(now);
        }
    }
    case.load.wait_for_confirmed(30).await;
    let (first, last) = (first.expect("the warm-up has ended"), wait_for_closed_connections(&case.cluster).await);
    for (first, last) in first.iter().zip(&last) {
        println!("{first:?} then, {last:?} now");
        assert!(last.memory_kib < first.memory_kib * 5 / 4 + 4_096, "memory grows: {first:?}, {last:?}");
        assert!(last.descriptors <= first.descriptors + 8, "file descriptors leak: {first:?}, {last:?}");
        assert_eq!((last.connections, last.subscriptions), (first.connections, first.subscriptions));
    }
    case.finish().await;
}

/// Connects a hundred clients that subscribe, send a message and disconnect.
async fn connect_and_disconnect_clients(address: &str) {
    join_all((0..100).map(|n| async move {
        let client = client(address, &format!("client-{n}"));
        let chat = client.clan_chat(format!("churn-{}", n % 20)).unwrap();
        let messages = chat.subscribe().presence().await.unwrap();
        chat.send("here").await.unwrap();
        drop(messages);
        client.close().await;
    }))
    .await;
}

/// Waits until only the connections of the load remain, and returns the resources of each node.
async fn wait_for_closed_connections(cluster: &Cluster) -> Vec<Resources> {
    let users = 12;
    let alone = || async {
        let mut connections = 0;
        for node in &cluster.nodes {
            connections += node.api().get("/health/websocket").await["activeConnections"].as_i64().unwrap();
        }
        connections == users
    };
    within(Duration::from_secs(20), "the other connections are closed", alone).await;
    let mut nodes = Vec::new();
    for node in &cluster.nodes {
        nodes.push(resources_of(node, &node.api().get("/health/websocket").await));
    }
    nodes
}
