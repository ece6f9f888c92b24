//! Inbound events under faults: malformed AMQP strings, and connections and nodes that fail repeatedly with events in
//! flight. No valid event may become a dead letter.

use std::time::Duration;

use realtime_gateway_tests::{Gateway, LinkState, RawPublisher, eventually, within};

use crate::{
    case::{Case, Clients},
    cluster::Cluster,
};

/// The number of failures; more than the delivery limit of 20 that earlier versions declared.
const FAILURES: usize = 25;

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_unreadable_events_and_delivers_the_others() {
    let mut case = Case::start("unreadable_among_valid_events", Clients::Stay, Cluster::start(2).await).await;
    let mut raw = RawPublisher::connect(&case.cluster.amqp()).await;
    let bad: [(&[u8], &[u8]); 4] = [
        (b"notification.gr\xf6\xdfe", b"\0\0"),
        (b"notification.user-0", b"\0\x80\x03\xff\xfe\xfd"),
        (b"clan_chat.clan-0", b"\x20\0\0\0\0\x04\x02\xc3\x28V"),
        (b"notification.user-1", b"\x80\0\x01\xe9"),
    ];
    for round in 1..=10 {
        // Several unreadable events in a row, between valid ones.
        for (key, properties) in bad {
            raw.publish("gateway.inbound", key, properties, b"{\"title\":\"t\",\"message\":\"m\"}").await;
        }
        case.load.wait_for_confirmed(10).await;
        let dead = || async { case.cluster.dead_letters().await >= round * bad.len() as u64 };
        eventually("the unreadable events are dead letters", dead).await;
    }
    assert_eq!(case.cluster.dead_letters().await, 10 * bad.len() as u64, "valid events became dead letters");
    for node in 0..2 {
        assert_eq!(
            case.cluster.metric(node, "gateway_bus_reconnects_total").await,
            0.0,
            "the broker connection was lost"
        );
    }
    case.finish().await;
}

/// Waits until the node has logged this line `times` times.
async fn wait_for_log(node: &Gateway, text: &str, times: usize) {
    let lines = || node.log().iter().filter(|line| line.contains(text)).count();
    within(Duration::from_secs(60), text, || async { lines() >= times }).await;
}

/// Waits until the node has returned events to the broker this many times because its store does not respond. Each time
/// the broker counts another delivery of every event.
async fn wait_for_returned_events(node: &Gateway, times: usize) {
    wait_for_log(node, "the store takes no inbound events", times).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_no_event_when_broker_connection_fails_25_times() {
    let mut case = Case::start("connection_fails_25_times", Clients::Stay, Cluster::start(1).await).await;
    let (redis, rabbit) = (&case.cluster.to_redis[0], &case.cluster.to_rabbit[0]);
    for failure in 1..=FAILURES {
        // Whenever the store responds the broker does not, so that the same events are delivered every time.
        redis.set(LinkState::Stalled);
        rabbit.set(LinkState::Healthy);
        wait_for_returned_events(&case.cluster.nodes[0], failure).await;
        rabbit.set(LinkState::Refused);
        redis.set(LinkState::Healthy);
        wait_for_log(&case.cluster.nodes[0], "the store takes inbound events again", failure).await;
    }
    rabbit.set(LinkState::Healthy);
    case.load.wait_for_confirmed(60).await;
    assert_eq!(case.cluster.dead_letters().await, 0, "valid events became dead letters");
    case.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_no_event_when_node_is_killed_25_times() {
    let mut case = Case::start("node_killed_25_times", Clients::Reconnect, Cluster::start(2).await).await;
    // The other node is cut off from the broker, so that all events are delivered to the node that is killed.
    case.cluster.to_rabbit[1].set(LinkState::Refused);
    for _ in 0..FAILURES {
        case.cluster.to_redis[0].set(LinkState::Stalled);
        case.cluster.to_rabbit[0].set(LinkState::Healthy);
        wait_for_returned_events(&case.cluster.nodes[0], 1).await;
        case.cluster.nodes[0].kill().await;
        // The node starts with its store reachable, and receives events once the store is stalled again.
        case.cluster.to_redis[0].set(LinkState::Healthy);
        case.cluster.to_rabbit[0].set(LinkState::Refused);
        case.cluster.nodes[0].restart().await;
    }
    case.cluster.to_rabbit.iter().for_each(|link| link.set(LinkState::Healthy));
    case.load.wait_for_confirmed(60).await;
    assert_eq!(case.cluster.dead_letters().await, 0, "valid events became dead letters");
    case.finish().await;
}
