//! Faults of nodes and of what is between them. All cases run on Redis alone; those that no other file has with RabbitMQ run with
//! it as well.

use std::time::Duration;

use realtime_gateway_brokers::rabbitmq::RabbitServer;
use realtime_gateway_tests::{Settings, eventually};
use tokio::time::sleep;

use crate::{
    case::{Case, Clients},
    cluster::Cluster,
    failover,
};

/// The servers of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Servers {
    Redis,
    RedisAndRabbitMq,
}

/// Makes a test of each case.
macro_rules! cases {
    ($servers:ident in $module:ident: $($case:ident)+) => {
        mod $module {
            use super::Servers;

            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    super::$case(concat!(stringify!($case), " ", stringify!($module)), Servers::$servers).await;
                }
            )+
        }
    };
}

cases! { Redis in on_redis_alone:
    loses_nothing_when_node_is_killed
    loses_nothing_when_node_is_suspended
    loses_nothing_when_channel_is_cut
    loses_nothing_when_connections_for_commands_are_cut
    loses_nothing_when_redis_is_suspended
    loses_nothing_when_redis_is_killed
    reports_gap_to_every_client_after_failover_with_lost_writes
}

cases! { RedisAndRabbitMq in with_rabbitmq:
    loses_nothing_when_node_is_suspended
    loses_nothing_when_channel_is_cut
    loses_nothing_when_connections_for_commands_are_cut
}

async fn start(name: &'static str, clients: Clients, servers: Servers, nodes: usize) -> Case {
    let cluster = match servers {
        Servers::Redis => Cluster::on_redis_alone(nodes, Settings::default()).await,
        Servers::RedisAndRabbitMq => Cluster::start(nodes).await,
    };
    Case::start(name, clients, cluster).await
}

/// Waits until every node reads and writes its store, and receives the messages of other nodes.
async fn wait_for_redis(case: &Case) {
    for node in 0..case.cluster.nodes.len() {
        let is_back = || async {
            let health = case.cluster.health(node).await;
            health["store"]["status"] == "ok" && health["cluster"]["status"] == "ok"
        };
        eventually("Redis is back", is_back).await;
    }
}

async fn loses_nothing_when_node_is_killed(name: &'static str, servers: Servers) {
    let mut case = start(name, Clients::Reconnect, servers, 3).await;
    case.cluster.nodes[1].kill().await;
    case.load.wait_for_confirmed(60).await;
    case.cluster.nodes[1].restart().await;
    case.finish().await;
}

/// A node that does not run for a while is slow for the others: its messages wait in Redis.
async fn loses_nothing_when_node_is_suspended(name: &'static str, servers: Servers) {
    let case = start(name, Clients::Reconnect, servers, 2).await;
    case.cluster.nodes[0].signal("STOP").await;
    sleep(Duration::from_secs(6)).await;
    case.cluster.nodes[0].signal("CONT").await;
    wait_for_redis(&case).await;
    case.finish().await;
}

async fn loses_nothing_when_channel_is_cut(name: &'static str, servers: Servers) {
    let mut case = start(name, Clients::Stay, servers, 2).await;
    tokio::select! {
        () = case.load.wait_for_confirmed(120) => {}
        () = case.cluster.keep_ending_connections("pubsub", Duration::from_millis(200)) => {}
    }
    for node in 0..2 {
        let reconnects = case.cluster.metric(node, "gateway_cluster_reconnects_total").await;
        assert!(reconnects > 1.0, "the channel of node {node} was not cut");
    }
    wait_for_redis(&case).await;
    case.finish().await;
}

async fn loses_nothing_when_connections_for_commands_are_cut(name: &'static str, servers: Servers) {
    let mut case = start(name, Clients::Stay, servers, 2).await;
    tokio::select! {
        () = case.load.wait_for_confirmed(120) => {}
        () = case.cluster.keep_ending_connections("normal", Duration::from_millis(500)) => {}
    }
    wait_for_redis(&case).await;
    case.finish().await;
}

async fn loses_nothing_when_redis_is_suspended(name: &'static str, servers: Servers) {
    let mut case = start(name, Clients::Stay, servers, 2).await;
    case.cluster.with_redis(|redis| redis.process().pause());
    sleep(Duration::from_secs(6)).await;
    case.cluster.with_redis(|redis| redis.process().resume());
    wait_for_redis(&case).await;
    case.finish().await;
}

async fn loses_nothing_when_redis_is_killed(name: &'static str, servers: Servers) {
    let mut case = start(name, Clients::Stay, servers, 2).await;
    case.cluster.with_redis(|redis| redis.process().kill());
    sleep(Duration::from_secs(3)).await;
    case.cluster.with_redis(|redis| redis.restart());
    wait_for_redis(&case).await;
    case.finish().await;
}

async fn reports_gap_to_every_client_after_failover_with_lost_writes(name: &'static str, servers: Servers) {
    let rabbit = match servers {
        Servers::Redis => None,
        Servers::RedisAndRabbitMq => Some(tokio::task::block_in_place(RabbitServer::start)),
    };
    failover::reports_gap_to_every_client(name, rabbit).await;
}
