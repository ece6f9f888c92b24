//! Broker failures: clients stay connected, messages are confirmed and delivered on all nodes, and events wait in the
//! outbox.

use std::time::Duration;

use realtime_gateway_tests::{LinkState, TIMEOUT, eventually};
use tokio::time::{Instant, sleep};

use crate::{
    case::{Case, Clients},
    cluster::Cluster,
};

async fn start_case(name: &'static str) -> Case {
    Case::start(name, Clients::Stay, Cluster::start(2).await).await
}

/// Waits until every node reports its bus as `ok`. After a timeout the test fails with the node's health document.
async fn wait_for_broker(case: &Case) {
    for node in 0..case.cluster.nodes.len() {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let health = case.cluster.health(node).await;
            if health["bus"]["status"] == "ok" {
                break;
            }
            assert!(
                Instant::now() < deadline,
                "the bus of node {node} is not ok after {TIMEOUT:?}: {health}\nthe broker's log: {}",
                case.cluster.broker().log()
            );
            sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn loses_nothing_when_broker_stops_for_3_s() {
    stop_app("stop_app_for_3_s", Duration::from_secs(3)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn loses_nothing_when_broker_stops_for_60_s() {
    stop_app("stop_app_for_60_s", Duration::from_secs(60)).await;
}

async fn stop_app(name: &'static str, time: Duration) {
    let mut case = start_case(name).await;
    case.cluster.with_broker(|rabbit| drop(rabbit.ctl(&["stop_app"])));
    sleep(time).await;
    case.cluster.with_broker(|rabbit| drop(rabbit.ctl(&["start_app"])));
    wait_for_broker(&case).await;
    case.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn loses_nothing_when_broker_is_killed() {
    let mut case = start_case("kill_broker").await;
    case.cluster.with_broker(|rabbit| rabbit.process().kill());
    case.load.wait_for_confirmed(60).await;
    case.cluster.with_broker(|rabbit| rabbit.restart());
    wait_for_broker(&case).await;
    case.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn loses_nothing_when_broker_closes_all_connections() {
    let mut case = start_case("close_all_connections").await;
    for _ in 0..3 {
        case.cluster.with_broker(|rabbit| drop(rabbit.ctl(&["close_all_connections", "a test"])));
        case.load.wait_for_confirmed(30).await;
    }
    wait_for_broker(&case).await;
    case.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn loses_nothing_during_memory_alarm() {
    let mut case = start_case("memory_alarm").await;
    case.cluster.with_broker(|rabbit| drop(rabbit.ctl(&["set_vm_memory_high_watermark", "0"])));
    eventually("health reports the blocked broker", || async {
        case.cluster.health(0).await["bus"]["state"] == "blocked"
    })
    .await;
    case.load.wait_for_confirmed(60).await;
    case.cluster.with_broker(|rabbit| drop(rabbit.ctl(&["set_vm_memory_high_watermark", "0.4"])));
    wait_for_broker(&case).await;
    case.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn loses_nothing_when_queues_are_deleted() {
    let mut case = start_case("queues_deleted").await;
    for _ in 0..2 {
        // Events in a deleted queue are lost whatever the gateway does, so the queue must be empty.
        case.backend.pause().await;
        case.cluster.with_broker(|rabbit| drop(rabbit.ctl(&["delete_queue", "gateway.inbound"])));
        case.backend.resume();
        case.load.wait_for_confirmed(30).await;
    }
    wait_for_broker(&case).await;
    case.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn loses_nothing_when_broker_process_is_suspended() {
    let mut case = start_case("broker_suspended").await;
    case.cluster.with_broker(|rabbit| rabbit.process().pause());
    case.load.wait_for_confirmed(120).await;
    case.cluster.with_broker(|rabbit| rabbit.process().resume());
    wait_for_broker(&case).await;
    case.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn loses_nothing_when_broker_connection_is_cut() {
    let mut case = start_case("broker_connection_cut").await;
    for _ in 0..5 {
        case.cluster.to_rabbit[0].cut();
        case.load.wait_for_confirmed(20).await;
    }
    wait_for_broker(&case).await;
    case.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn loses_nothing_when_broker_connection_stalls() {
    let mut case = start_case("broker_connection_stalled").await;
    case.cluster.to_rabbit[0].set(LinkState::Stalled);
    case.load.wait_for_confirmed(120).await;
    case.cluster.to_rabbit[0].set(LinkState::Healthy);
    wait_for_broker(&case).await;
    case.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn loses_nothing_when_broker_connection_is_slow() {
    let mut case = start_case("broker_connection_slow").await;
    case.cluster.to_rabbit[0].set(LinkState::Slow(20_000));
    case.load.wait_for_confirmed(120).await;
    case.cluster.to_rabbit[0].set(LinkState::Healthy);
    wait_for_broker(&case).await;
    case.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_invalid_events_and_delivers_the_others() {
    let mut case = start_case("invalid_among_valid_events").await;
    let invalid_events: [(&str, &str); 6] = [
        ("notification.user-0", "no JSON"),
        ("notification.user-0", r#"{"title":5,"message":"m"}"#),
        ("notification.user%ZZ", r#"{"title":"t","message":"m"}"#),
        ("clan_chat.clan-0", r#"{"content":""}"#),
        ("service.unknown.topic", r#"{"data":1}"#),
        ("nonsense", "{}"),
    ];
    for round in 1..=10 {
        for (key, body) in invalid_events {
            crate::backend::publish_once(&case.cluster.amqp(), "gateway.inbound", key, body).await.unwrap();
        }
        case.load.wait_for_confirmed(10).await;
        let dead = || async { case.cluster.dead_letters().await >= round * invalid_events.len() as u64 };
        eventually("the invalid events are dead letters", dead).await;
    }
    assert_eq!(case.cluster.dead_letters().await, 10 * invalid_events.len() as u64, "valid events became dead letters");
    case.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn loses_nothing_when_exchange_is_declared_with_other_arguments() {
    let mut case = start_case("exchange_declared_with_other_arguments").await;
    let amqp = case.cluster.amqp();
    // While the exchange has no bindings, events published to it would be lost, so the nodes are cut off.
    let state = |state| case.cluster.to_rabbit.iter().for_each(|link| link.set(state));
    state(LinkState::Refused);
    crate::backend::replace_exchange(&amqp, "gateway.outbound", lapin::ExchangeKind::Fanout).await.unwrap();
    state(LinkState::Healthy);
    let named = || async { case.cluster.health(0).await["bus"].to_string().contains("gateway.outbound") };
    eventually("health names the exchange", named).await;
    case.load.wait_for_confirmed(60).await;
    let state = |state| case.cluster.to_rabbit.iter().for_each(|link| link.set(state));
    state(LinkState::Refused);
    crate::backend::replace_exchange(&amqp, "gateway.outbound", lapin::ExchangeKind::Topic).await.unwrap();
    state(LinkState::Healthy);
    wait_for_broker(&case).await;
    case.finish().await;
}
