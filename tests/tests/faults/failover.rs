//! A Sentinel failover under load that loses confirmed writes: every client receives a gap, and no message is missing
//! without one.

use std::time::{Duration, Instant};

use realtime_gateway_brokers::{
    rabbitmq::RabbitServer,
    redis::{Persistence, RedisServer},
};
use realtime_gateway_tests::within;

use crate::{
    case::{Case, Clients},
    cluster::Cluster,
};

#[tokio::test(flavor = "multi_thread")]
async fn reports_gap_to_every_client_after_failover_with_lost_writes() {
    let rabbit = tokio::task::block_in_place(RabbitServer::start);
    reports_gap_to_every_client("sentinel_fails_over", Some(rabbit)).await;
}

/// Runs the case, with a broker or on Redis alone.
pub(crate) async fn reports_gap_to_every_client(name: &'static str, rabbit: Option<RabbitServer>) {
    let (primary, mut replica, sentinels) = tokio::task::block_in_place(|| {
        let primary = RedisServer::start(Persistence::Always);
        let replica = RedisServer::with(&[("replicaof", &format!("127.0.0.1 {}", primary.port()))]);
        let watch = |_| RedisServer::sentinel(primary.port(), 2, Duration::from_secs(1));
        let sentinels: Vec<_> = (0..3).map(watch).collect();
        (primary, replica, sentinels)
    });
    let cluster = Cluster::behind_sentinels(primary, &sentinels, rabbit, 2).await;
    let mut case = Case::start(name, Clients::Stay, cluster).await;
    let epoch = case.cluster.health(0).await["store"]["epoch"].clone();

    // The replica is suspended, so writes confirmed from now on exist only on the primary.
    replica.process().pause();
    case.load.wait_for_confirmed(40).await;
    case.load.ledger.lock().store_lost_writes = true;
    case.cluster.with_redis(|redis| redis.process().kill());
    replica.process().resume();

    for node in 0..2 {
        let has_failed_over = || async {
            let store = case.cluster.health(node).await["store"].clone();
            store["status"] == "ok" && store["epoch"] != epoch
        };
        within(Duration::from_secs(60), "the node uses the new primary with a new epoch", has_failed_over).await;
    }
    // Once every client has received the gap, all further messages must arrive again.
    let all_reported = || async {
        let ledger = case.load.ledger.lock();
        ledger.shown.keys().all(|stream| ledger.gaps.iter().any(|gap| gap.stream == *stream))
    };
    within(Duration::from_secs(60), "every client has received a gap", all_reported).await;
    case.load.ledger.lock().fault_ended = Some(Instant::now());
    case.finish().await;
}
