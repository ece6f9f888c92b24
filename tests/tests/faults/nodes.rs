//! Nodes are hurt. Their clients move to others, and nothing is lost or doubled on the way.

use std::time::Duration;

use realtime_gateway_tests::{Line, Proxy, Settings, Socket, within};
use serde_json::json;

use crate::{
    case::{Case, Clients},
    cluster::Cluster,
};

#[tokio::test(flavor = "multi_thread")]
async fn kill_node() {
    let mut case = Case::begin("kill_node", Clients::Reconnect, Cluster::start(3).await).await;
    // Somebody who does not come back, and somebody who watches.
    let mut gone = Socket::of(&case.cluster.nodes[1], "goner").await;
    gone.join("watched").await;
    let mut watcher = Socket::of(&case.cluster.nodes[0], "watcher").await;
    watcher.send(json!({ "type": "subscribe_clan_chat", "clanId": "watched", "presence": true })).await;
    assert_eq!(watcher.until("presence").await["count"], 2);

    case.cluster.nodes[1].kill().await;
    case.load.more(60).await;
    let api = case.cluster.nodes[0].api();
    let ended = || async { api.get("/api/v1/users/goner/sessions").await["sessions"] == json!([]) };
    within(Duration::from_secs(40), "the killed node's sessions are gone", ended).await;
    let told = || async { case.load.ledger.lock().ended.contains(&("goner".to_owned(), 1006)) };
    within(Duration::from_secs(10), "backend services are told so", told).await;
    let offline = tokio::time::timeout(Duration::from_secs(10), watcher.until("presence_changed")).await;
    assert_eq!(offline.expect("who is gone goes offline")["userId"], "goner");
    case.cluster.nodes[1].restart().await;
    case.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_is_drained_in_turn() {
    let settings =
        Settings::default().set("drain.delay", "\"1s\"").set("drain.spread", "\"2s\"").set("drain.grace", "\"10s\"");
    let cluster = Cluster::with(3, settings).await;
    let mut case = Case::begin("every_node_is_drained_in_turn", Clients::Reconnect, cluster).await;
    for node in 0..3 {
        case.cluster.nodes[node].signal("TERM").await;
        assert_eq!(case.cluster.nodes[node].exit_code().await, Some(0));
        case.cluster.nodes[node].restart().await;
        case.load.more(30).await;
    }
    case.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rolling_restart_behind_nginx() {
    let settings = Settings::default()
        .set("drain.delay", "\"1s\"")
        .set("drain.spread", "\"3s\"")
        .set("drain.grace", "\"15s\"")
        .set("proxies.trusted", "[\"127.0.0.1/32\"]");
    let mut cluster = Cluster::with(3, settings).await;
    let nginx = Proxy::nginx(&cluster.nodes.iter().collect::<Vec<_>>()).await;
    cluster.front = Line::to(&nginx.address().to_string()).await;
    let mut case = Case::begin("rolling_restart_behind_nginx", Clients::Reconnect, cluster).await;
    for node in 0..3 {
        case.cluster.nodes[node].signal("TERM").await;
        assert_eq!(case.cluster.nodes[node].exit_code().await, Some(0));
        case.cluster.nodes[node].restart().await;
        case.load.more(60).await;
    }
    case.longest_outage = Some(Duration::from_secs(5));
    case.end().await;
}
