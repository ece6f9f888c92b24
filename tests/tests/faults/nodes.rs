//! Node failures: clients reconnect to other nodes, and no confirmed message is lost or delivered twice.

use std::time::Duration;

use realtime_gateway_tests::{FaultProxy, ReverseProxy, Settings, Socket, within};
use serde_json::json;

use crate::{
    case::{Case, Clients},
    cluster::Cluster,
};

#[tokio::test(flavor = "multi_thread")]
async fn loses_nothing_when_node_is_killed() {
    let mut case = Case::start("kill_node", Clients::Reconnect, Cluster::start(3).await).await;
    // One client does not reconnect, and another one watches its presence.
    let mut leaving = Socket::connect(&case.cluster.nodes[1], "leaver").await;
    leaving.join("watched").await;
    let mut watcher = Socket::connect(&case.cluster.nodes[0], "watcher").await;
    watcher.send(json!({ "type": "subscribe_clan_chat", "clanId": "watched", "presence": true })).await;
    assert_eq!(watcher.wait_for("presence").await["count"], 2);

    case.cluster.nodes[1].kill().await;
    case.load.wait_for_confirmed(60).await;
    let api = case.cluster.nodes[0].api();
    let ended = || async { api.get("/api/v1/users/leaver/sessions").await["sessions"] == json!([]) };
    within(Duration::from_secs(40), "the killed node's sessions are removed", ended).await;
    let reported = || async { case.load.ledger.lock().ended.contains(&("leaver".to_owned(), 1006)) };
    within(Duration::from_secs(10), "backend services receive the closed session", reported).await;
    let offline = tokio::time::timeout(Duration::from_secs(10), watcher.wait_for("presence_changed")).await;
    assert_eq!(offline.expect("the presence change of the lost client")["userId"], "leaver");
    case.cluster.nodes[1].restart().await;
    case.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn loses_nothing_when_every_node_is_drained_in_turn() {
    let settings =
        Settings::default().set("drain.delay", "\"1s\"").set("drain.spread", "\"2s\"").set("drain.grace", "\"10s\"");
    let cluster = Cluster::with(3, settings).await;
    let mut case = Case::start("every_node_is_drained_in_turn", Clients::Reconnect, cluster).await;
    for node in 0..3 {
        case.cluster.nodes[node].signal("TERM").await;
        assert_eq!(case.cluster.nodes[node].exit_code().await, Some(0));
        case.cluster.nodes[node].restart().await;
        case.load.wait_for_confirmed(30).await;
    }
    case.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn loses_nothing_during_rolling_restart_behind_nginx() {
    let settings = Settings::default()
        .set("drain.delay", "\"1s\"")
        .set("drain.spread", "\"3s\"")
        .set("drain.grace", "\"15s\"")
        .set("proxies.trusted", "[\"127.0.0.1/32\"]");
    let mut cluster = Cluster::with(3, settings).await;
    let nginx = ReverseProxy::nginx(&cluster.nodes.iter().collect::<Vec<_>>()).await;
    cluster.front = FaultProxy::to(&nginx.address().to_string()).await;
    let mut case = Case::start("rolling_restart_behind_nginx", Clients::Reconnect, cluster).await;
    for node in 0..3 {
        case.cluster.nodes[node].signal("TERM").await;
        assert_eq!(case.cluster.nodes[node].exit_code().await, Some(0));
        case.cluster.nodes[node].restart().await;
        case.load.wait_for_confirmed(60).await;
    }
    case.longest_outage = Some(Duration::from_secs(5));
    case.finish().await;
}
