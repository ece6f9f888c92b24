//! The broker is hurt. Clients stay connected, what they say is confirmed and delivered on their node at once and on
//! the others from the store, and events wait in the outbox.

use std::time::Duration;

use realtime_gateway_tests::{PATIENCE, Weather, eventually};
use tokio::time::{Instant, sleep};

use crate::{
    case::{Case, Clients},
    cluster::Cluster,
};

async fn begin(name: &'static str) -> Case {
    Case::begin(name, Clients::Stay, Cluster::start(2).await).await
}

/// Waits until the bus of every node is well. A node that stays unwell fails the test with what it reports.
async fn connected(case: &Case) {
    for node in 0..case.cluster.nodes.len() {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let health = case.cluster.health(node).await;
            if health["bus"]["status"] == "ok" {
                break;
            }
            assert!(
                Instant::now() < deadline,
                "the bus of node {node} is not well after {PATIENCE:?}: {health}\nthe broker's log: {}",
                case.cluster.rabbit.log()
            );
            sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_app_for_3_s() {
    stop_app("stop_app_for_3_s", Duration::from_secs(3)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_app_for_60_s() {
    stop_app("stop_app_for_60_s", Duration::from_secs(60)).await;
}

async fn stop_app(name: &'static str, time: Duration) {
    let mut case = begin(name).await;
    case.cluster.broker(|rabbit| drop(rabbit.ctl(&["stop_app"])));
    sleep(time).await;
    case.cluster.broker(|rabbit| drop(rabbit.ctl(&["start_app"])));
    connected(&case).await;
    case.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_broker() {
    let mut case = begin("kill_broker").await;
    case.cluster.broker(|rabbit| rabbit.process().kill());
    case.load.more(60).await;
    case.cluster.broker(|rabbit| rabbit.restart());
    connected(&case).await;
    case.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn close_all_connections() {
    let mut case = begin("close_all_connections").await;
    for _ in 0..3 {
        case.cluster.broker(|rabbit| drop(rabbit.ctl(&["close_all_connections", "a test"])));
        case.load.more(30).await;
    }
    connected(&case).await;
    case.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_alarm() {
    let mut case = begin("memory_alarm").await;
    case.cluster.broker(|rabbit| drop(rabbit.ctl(&["set_vm_memory_high_watermark", "0"])));
    eventually("the alarm shows", || async { case.cluster.health(0).await["bus"]["state"] == "blocked" }).await;
    case.load.more(60).await;
    case.cluster.broker(|rabbit| drop(rabbit.ctl(&["set_vm_memory_high_watermark", "0.4"])));
    connected(&case).await;
    case.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queue_deleted_under_us() {
    let mut case = begin("queue_deleted_under_us").await;
    for queue in ["gateway.inbound", "gateway.nodes.node-0"] {
        // Events in a queue are gone with it, whatever the gateway does.
        case.backend.pause().await;
        case.cluster.broker(|rabbit| drop(rabbit.ctl(&["delete_queue", queue])));
        case.backend.resume();
        case.load.more(30).await;
    }
    connected(&case).await;
    case.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_halted() {
    let mut case = begin("broker_halted").await;
    case.cluster.broker(|rabbit| rabbit.process().pause());
    case.load.more(120).await;
    case.cluster.broker(|rabbit| rabbit.process().resume());
    connected(&case).await;
    case.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_connection_cut() {
    let mut case = begin("broker_connection_cut").await;
    for _ in 0..5 {
        case.cluster.to_rabbit[0].cut();
        case.load.more(20).await;
    }
    connected(&case).await;
    case.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_connection_stalled() {
    let mut case = begin("broker_connection_stalled").await;
    case.cluster.to_rabbit[0].set(Weather::Stalled);
    case.load.more(120).await;
    case.cluster.to_rabbit[0].set(Weather::Fair);
    connected(&case).await;
    case.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_connection_slow() {
    let mut case = begin("broker_connection_slow").await;
    case.cluster.to_rabbit[0].set(Weather::Slow(20_000));
    case.load.more(120).await;
    case.cluster.to_rabbit[0].set(Weather::Fair);
    connected(&case).await;
    case.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_among_good_events() {
    let mut case = begin("poison_among_good_events").await;
    let poison: [(&str, &str); 6] = [
        ("notification.user-0", "no JSON"),
        ("notification.user-0", r#"{"title":5,"message":"m"}"#),
        ("notification.user%ZZ", r#"{"title":"t","message":"m"}"#),
        ("clan_chat.clan-0", r#"{"content":""}"#),
        ("service.unknown.topic", r#"{"data":1}"#),
        ("nonsense", "{}"),
    ];
    for round in 1..=10 {
        for (key, body) in poison {
            crate::backend::publish_once(&case.cluster.amqp(), "gateway.inbound", key, body).await.unwrap();
        }
        case.load.more(10).await;
        let dead = || async { case.cluster.dead_letters().await >= round * poison.len() as u64 };
        eventually("the poison is with the dead letters", dead).await;
    }
    assert_eq!(case.cluster.dead_letters().await, 10 * poison.len() as u64, "and nothing else is");
    case.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exchange_declared_with_other_arguments() {
    let mut case = begin("exchange_declared_with_other_arguments").await;
    let amqp = case.cluster.amqp();
    // Nobody may publish meanwhile to an exchange that nobody is bound to.
    let weather = |weather| case.cluster.to_rabbit.iter().for_each(|line| line.set(weather));
    weather(Weather::Refused);
    crate::backend::declare_anew(&amqp, "gateway.outbound", lapin::ExchangeKind::Fanout).await.unwrap();
    weather(Weather::Fair);
    let named = || async { case.cluster.health(0).await["bus"].to_string().contains("gateway.outbound") };
    eventually("the health names what is wrong", named).await;
    case.load.more(60).await;
    let weather = |weather| case.cluster.to_rabbit.iter().for_each(|line| line.set(weather));
    weather(Weather::Refused);
    crate::backend::declare_anew(&amqp, "gateway.outbound", lapin::ExchangeKind::Topic).await.unwrap();
    weather(Weather::Fair);
    connected(&case).await;
    case.end().await;
}
