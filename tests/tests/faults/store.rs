//! Redis is hurt. Clients stay connected, what they say waits and is confirmed once Redis is back, and nobody's session
//! is removed because of it.

use std::time::Duration;

use realtime_gateway_tests::{Weather, eventually};
use tokio::time::sleep;

use crate::{
    case::{Case, Clients},
    cluster::Cluster,
};

async fn begin(name: &'static str) -> Case {
    Case::begin(name, Clients::Stay, Cluster::start(2).await).await
}

/// Until every node says that its store serves.
async fn serving(case: &Case) {
    for node in 0..case.cluster.nodes.len() {
        let serves = || async { case.cluster.health(node).await["store"]["status"] == "ok" };
        eventually("the store is back", serves).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_paused() {
    let mut case = begin("redis_paused").await;
    case.cluster.store(|redis| redis.process().pause());
    sleep(Duration::from_secs(6)).await;
    case.cluster.store(|redis| redis.process().resume());
    serving(&case).await;
    case.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_killed() {
    let mut case = begin("redis_killed").await;
    case.cluster.store(|redis| redis.process().kill());
    sleep(Duration::from_secs(3)).await;
    case.cluster.store(|redis| redis.restart());
    serving(&case).await;
    case.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_stopped() {
    let mut case = begin("redis_stopped").await;
    case.cluster.store(|redis| redis.process().terminate());
    sleep(Duration::from_secs(3)).await;
    case.cluster.store(|redis| redis.restart());
    serving(&case).await;
    case.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_connection_cut() {
    let mut case = begin("redis_connection_cut").await;
    for _ in 0..5 {
        case.cluster.to_redis[0].cut();
        case.load.more(20).await;
    }
    serving(&case).await;
    case.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_connection_stalled() {
    let case = begin("redis_connection_stalled").await;
    case.cluster.to_redis[0].set(Weather::Stalled);
    sleep(Duration::from_secs(6)).await;
    case.cluster.to_redis[0].set(Weather::Fair);
    serving(&case).await;
    case.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_connection_swallowed() {
    let mut case = begin("redis_connection_swallowed").await;
    // What is sent vanishes, and no connection says so.
    case.cluster.to_redis[0].set(Weather::Swallowed);
    case.load.more(30).await;
    case.cluster.to_redis[0].set(Weather::Fair);
    serving(&case).await;
    case.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_cut_from_redis_longer_than_its_lease() {
    let case = Case::begin("node_cut_from_redis", Clients::Reconnect, Cluster::start(2).await).await;
    case.cluster.to_redis[0].set(Weather::Refused);
    // The other node's clients go on meanwhile, and those of this one wait.
    let frozen = || async {
        let warnings = case.cluster.health(0).await["warnings"].to_string();
        warnings.contains("could not renew its lease")
    };
    realtime_gateway_tests::within(Duration::from_secs(45), "the node is frozen", frozen).await;
    // Past the time at which the other node removes its sessions.
    sleep(Duration::from_secs(8)).await;
    case.cluster.to_redis[0].set(Weather::Fair);
    serving(&case).await;
    case.end().await;
}
