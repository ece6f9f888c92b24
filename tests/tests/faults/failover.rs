//! Redis fails over by Sentinel under load, and loses writes that it had confirmed: every client is told, none has a
//! silent hole.

use std::time::{Duration, Instant};

use realtime_gateway_brokers::redis::{Persistence, RedisServer};
use realtime_gateway_tests::within;

use crate::{
    case::{Case, Clients},
    cluster::Cluster,
};

#[tokio::test(flavor = "multi_thread")]
async fn sentinel_fails_over_with_lost_writes() {
    let (primary, mut replica, sentinels) = tokio::task::block_in_place(|| {
        let primary = RedisServer::start(Persistence::Always);
        let replica = RedisServer::with(&[("replicaof", &format!("127.0.0.1 {}", primary.port()))]);
        let watch = |_| RedisServer::sentinel(primary.port(), 2, Duration::from_secs(1));
        let sentinels: Vec<_> = (0..3).map(watch).collect();
        (primary, replica, sentinels)
    });
    let cluster = Cluster::behind_sentinels(primary, &sentinels, 2).await;
    let mut case = Case::begin("sentinel_fails_over", Clients::Stay, cluster).await;
    let epoch = case.cluster.health(0).await["store"]["epoch"].clone();

    // What is confirmed now is on the primary alone.
    replica.process().pause();
    case.load.more(40).await;
    case.load.ledger.lock().store_lost_writes = true;
    case.cluster.store(|redis| redis.process().kill());
    replica.process().resume();

    for node in 0..2 {
        let elsewhere = || async {
            let store = case.cluster.health(node).await["store"].clone();
            store["status"] == "ok" && store["epoch"] != epoch
        };
        within(Duration::from_secs(60), "a new epoch on the new primary", elsewhere).await;
    }
    // From here on everything counts again, once each client has heard of it.
    let told = || async {
        let ledger = case.load.ledger.lock();
        ledger.shown.keys().all(|stream| ledger.gaps.iter().any(|(told, _)| told == stream))
    };
    within(Duration::from_secs(60), "everybody is told", told).await;
    case.load.ledger.lock().healed = Some(Instant::now());
    case.end().await;
}
