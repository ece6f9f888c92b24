//! Events of backend services at their worst: unreadable ones, and connections that fall again and again while events
//! are in flight. None that is good may end up with the dead letters.

use std::time::Duration;

use realtime_gateway_tests::{Gateway, RawPublisher, Weather, eventually, within};

use crate::{
    case::{Case, Clients},
    cluster::Cluster,
};

/// More than the delivery limit of 20 that gateways declared before.
const FALLS: usize = 25;

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_strings_among_good_events() {
    let mut case = Case::begin("unreadable_strings_among_good", Clients::Stay, Cluster::start(2).await).await;
    let mut raw = RawPublisher::connect(&case.cluster.amqp()).await;
    let bad: [(&[u8], &[u8]); 4] = [
        (b"notification.gr\xf6\xdfe", b"\0\0"),
        (b"notification.user-0", b"\0\x80\x03\xff\xfe\xfd"),
        (b"clan_chat.clan-0", b"\x20\0\0\0\0\x04\x02\xc3\x28V"),
        (b"notification.user-1", b"\x80\0\x01\xe9"),
    ];
    for round in 1..=10 {
        // Several in a row, with good ones before and behind.
        for (key, properties) in bad {
            raw.publish("gateway.inbound", key, properties, b"{\"title\":\"t\",\"message\":\"m\"}").await;
        }
        case.load.more(10).await;
        let dead = || async { case.cluster.dead_letters().await >= round * bad.len() as u64 };
        eventually("the unreadable ones are with the dead letters", dead).await;
    }
    assert_eq!(case.cluster.dead_letters().await, 10 * bad.len() as u64, "and nothing else is");
    for node in 0..2 {
        assert_eq!(case.cluster.metric(node, "gateway_bus_reconnects_total").await, 0.0, "no connection fell");
    }
    case.end().await;
}

/// Waits until a node was given events so often in vain, because its store does not answer: each time all of them count
/// as delivered once more.
async fn given_in_vain(node: &Gateway, times: usize) {
    let lines = || node.log().iter().filter(|line| line.contains("the store takes no inbound events")).count();
    within(Duration::from_secs(60), "events were given in vain", || async { lines() >= times }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_falls_25_times_with_events_in_flight() {
    let mut case = Case::begin("connection_falls_25_times", Clients::Stay, Cluster::start(1).await).await;
    case.cluster.to_redis[0].set(Weather::Stalled);
    for fall in 1..=FALLS {
        given_in_vain(&case.cluster.nodes[0], fall).await;
        case.cluster.to_rabbit[0].cut();
    }
    case.cluster.to_redis[0].set(Weather::Fair);
    case.load.more(60).await;
    assert_eq!(case.cluster.dead_letters().await, 0, "nothing was wrong with them");
    case.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_killed_25_times_with_events_in_flight() {
    let mut case = Case::begin("node_killed_25_times", Clients::Reconnect, Cluster::start(2).await).await;
    // The other node takes no events, so that all are given to the one that is killed.
    case.cluster.to_rabbit[1].set(Weather::Refused);
    for _ in 0..FALLS {
        case.cluster.to_redis[0].set(Weather::Stalled);
        case.cluster.to_rabbit[0].set(Weather::Fair);
        given_in_vain(&case.cluster.nodes[0], 1).await;
        case.cluster.nodes[0].kill().await;
        // It begins with its store, and takes events when that is away again.
        case.cluster.to_redis[0].set(Weather::Fair);
        case.cluster.to_rabbit[0].set(Weather::Refused);
        case.cluster.nodes[0].restart().await;
    }
    case.cluster.to_rabbit.iter().for_each(|line| line.set(Weather::Fair));
    case.load.more(60).await;
    assert_eq!(case.cluster.dead_letters().await, 0, "nothing was wrong with them");
    case.end().await;
}
