//! Many clients: all of them come back at once, or they come and go for a while and leave nothing behind.

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

/// How many clients come back at once.
const STORM: usize = 3_000;
/// After how long without any that comes back it is given up that the rest does.
const STUCK_AFTER: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn reconnect_storm() {
    let settings = Settings::default().set("auth.timeout", "\"60s\"").set("limits.handshake_timeout", "\"60s\"");
    let cluster = Cluster::with(2, settings).await;
    let mut case = Case::begin("reconnect_storm", Clients::Reconnect, cluster).await;
    let address = case.cluster.front.address().to_owned();
    let mut crowd = Vec::new();
    for chunk in (0..STORM).collect::<Vec<_>>().chunks(100) {
        crowd.extend(join_all(chunk.iter().map(|n| member(&address, *n))).await);
    }
    case.load.more(60).await;
    let began = Instant::now();
    case.cluster.front.cut();
    join_all(crowd.iter().map(|client| async move {
        let mut state = client.state();
        let waited = state.wait_for(|state| !matches!(state, State::Connected(_)));
        must("the cut is noticed", waited).await.expect("the client lives");
    }))
    .await;
    all_come_back(&crowd).await;
    println!("{STORM} clients were back after {:.2} s", began.elapsed().as_secs_f64());
    case.end().await;
}

/// Waits until all clients are connected again, for as long as some come back: how fast they do depends on the machine.
async fn all_come_back(crowd: &[Client]) {
    let returning = crowd.iter().map(|client| async move {
        let mut state = client.state();
        let back = state.wait_for(|state| matches!(state, State::Connected(_))).await;
        back.map(drop).expect("the client lives");
    });
    let mut returning: FuturesUnordered<_> = returning.collect();
    while !returning.is_empty() {
        let next = tokio::time::timeout(STUCK_AFTER, returning.next()).await;
        assert!(next.is_ok(), "{} of {STORM} clients did not come back", returning.len());
    }
}

/// One of the crowd: connected and subscribed.
async fn member(address: &str, n: usize) -> Client {
    let client = client(address, &format!("member-{n}"));
    // The subscription outlives its stream by nothing; the connection is what counts.
    drop(client.clan_chat(format!("crowd-{}", n / 10)).unwrap().subscribe().await.unwrap());
    client
}

/// What a node holds.
#[derive(Debug)]
struct Held {
    memory_kib: u64,
    descriptors: usize,
    connections: i64,
    subscriptions: i64,
}

fn held(gateway: &Gateway, health: &Value) -> Held {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    Held {
        memory_kib: memory.split_whitespace().next().unwrap().parse().unwrap(),
        descriptors: std::fs::read_dir(format!("/proc/{}/fd", gateway.pid())).unwrap().count(),
        connections: health["activeConnections"].as_i64().unwrap(),
        subscriptions: health["subscriptions"].as_object().unwrap().values().filter_map(Value::as_i64).sum(),
    }
}

/// `GATEWAY_SOAK_SECONDS`, or a minute.
#[expect(clippy::disallowed_methods, reason = "whoever runs it by command says for how long")]
fn soak_time() -> Duration {
    let told = std::env::var("GATEWAY_SOAK_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(told.unwrap_or(60))
}

#[tokio::test(flavor = "multi_thread")]
async fn soak() {
    let mut case = Case::begin("soak", Clients::Stay, Cluster::start(2).await).await;
    let address = case.cluster.front.address().to_owned();
    let mut first: Option<Vec<Held>> = None;
    let began = Instant::now();
    while first.is_none() || began.elapsed() < soak_time() {
        churn(&address).await;
        let now = settled(&case.cluster).await;
        // The first rounds fill what is kept for ever: buffers, tables, the allocator's own.
        if first.is_none() && began.elapsed() > soak_time() / 4 {
            first = Some(now);
        }
    }
    case.load.more(30).await;
    let (first, last) = (first.expect("there was a first"), settled(&case.cluster).await);
    for (first, last) in first.iter().zip(&last) {
        println!("{first:?} then, {last:?} now");
        assert!(last.memory_kib < first.memory_kib * 5 / 4 + 4_096, "memory grows: {first:?}, {last:?}");
        assert!(last.descriptors <= first.descriptors + 8, "handles stay behind: {first:?}, {last:?}");
        assert_eq!((last.connections, last.subscriptions), (first.connections, first.subscriptions));
    }
    case.end().await;
}

/// A hundred clients come, subscribe, say something, and go.
async fn churn(address: &str) {
    join_all((0..100).map(|n| async move {
        let client = client(address, &format!("guest-{n}"));
        let chat = client.clan_chat(format!("guests-{}", n % 20)).unwrap();
        let hears = chat.subscribe().presence().await.unwrap();
        chat.send("here").await.unwrap();
        drop(hears);
        client.close().await;
    }))
    .await;
}

/// What the nodes hold once only the load's own connections are left.
async fn settled(cluster: &Cluster) -> Vec<Held> {
    let users = 12;
    let alone = || async {
        let mut connections = 0;
        for node in &cluster.nodes {
            connections += node.api().get("/health/websocket").await["activeConnections"].as_i64().unwrap();
        }
        connections == users
    };
    within(Duration::from_secs(20), "the guests are gone", alone).await;
    let mut nodes = Vec::new();
    for node in &cluster.nodes {
        nodes.push(held(node, &node.api().get("/health/websocket").await));
    }
    nodes
}
