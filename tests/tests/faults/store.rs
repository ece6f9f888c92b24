//! Redis failures: clients stay connected, messages are confirmed once Redis is back, and no session is removed.

use std::time::Duration;

use realtime_gateway_tests::{LinkState, eventually};
use tokio::time::sleep;

use crate::{
    case::{Case, Clients},
    cluster::Cluster,
};

async fn start_case(name: &'static str) -> Case {
    Case::start(name, Clients::Stay, Cluster::start(2).await).await
}

/// Waits until every node reports its store as `ok`.
async fn wait_for_store(case: &Case) {
    for node in 0..case.cluster.nodes.len() {
        let serves = || async { case.cluster.health(node).await["store"]["status"] == "ok" };
        eventually("the store is back", serves).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn loses_nothing_when_redis_is_suspended() {
    let mut case = start_case("redis_paused").await;
    case.cluster.with_redis(|redis| redis.process().pause());
    sleep(Duration::from_secs(6)).await;
    case.cluster.with_redis(|redis| redis.process().resume());
    wait_for_store(&case).await;
    case.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn loses_nothing_when_redis_is_killed() {
    let mut case = start_case("redis_killed").await;
    case.cluster.with_redis(|redis| redis.process().kill());
    sleep(Duration::from_secs(3)).await;
    case.cluster.with_redis(|redis| redis.restart());
    wait_for_store(&case).await;
    case.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn loses_nothing_when_redis_is_restarted() {
    let mut case = start_case("redis_stopped").await;
    case.cluster.with_redis(|redis| redis.process().terminate());
    sleep(Duration::from_secs(3)).await;
    case.cluster.with_redis(|redis| redis.restart());
    wait_for_store(&case).await;
    case.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn loses_nothing_when_redis_connection_is_cut() {
    let mut case = start_case("redis_connection_cut").await;
    for _ in 0..5 {
        case.cluster.to_redis[0].cut();
        case.load.wait_for_confirmed(20).await;
    }
    wait_for_store(&case).await;
    case.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn loses_nothing_when_redis_connection_stalls() {
    let case = start_case("redis_connection_stalled").await;
    case.cluster.to_redis[0].set(LinkState::Stalled);
    sleep(Duration::from_secs(6)).await;
    case.cluster.to_redis[0].set(LinkState::Healthy);
    wait_for_store(&case).await;
    case.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn loses_nothing_when_redis_connection_drops_all_bytes() {
    let mut case = start_case("redis_connection_blackholed").await;
    // Bytes are lost while the connections stay open.
    case.cluster.to_redis[0].set(LinkState::Blackholed);
    case.load.wait_for_confirmed(30).await;
    case.cluster.to_redis[0].set(LinkState::Healthy);
    wait_for_store(&case).await;
    case.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn loses_nothing_when_node_loses_its_lease() {
    let case = Case::start("node_cut_from_redis", Clients::Reconnect, Cluster::start(2).await).await;
    case.cluster.to_redis[0].set(LinkState::Refused);
    // Meanwhile clients of the other node continue, and clients of this node wait.
    let suspended = || async {
        let warnings = case.cluster.health(0).await["warnings"].to_string();
        warnings.contains("could not renew its lease")
    };
    realtime_gateway_tests::within(Duration::from_secs(45), "the node is suspended", suspended).await;
    // Longer than the other node waits before it removes the sessions of a node without a lease.
    sleep(Duration::from_secs(8)).await;
    case.cluster.to_redis[0].set(LinkState::Healthy);
    wait_for_store(&case).await;
    case.finish().await;
}
