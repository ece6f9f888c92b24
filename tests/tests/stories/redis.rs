//! One gateway or several on a Redis of their own: what its settings, a cluster and a missing broker are warned of.

use realtime_gateway_brokers::{
    free_port,
    redis::{self, RedisServer},
};
use realtime_gateway_tests::{Gateway, Settings, Socket, eventually};
use serde_json::json;

/// A Redis with these settings.
async fn redis(settings: &'static [(&'static str, &'static str)]) -> RedisServer {
    tokio::task::spawn_blocking(|| RedisServer::with(settings)).await.unwrap()
}

fn on(server: &RedisServer) -> Settings {
    Settings::default().set("store.url", &format!("\"{}\"", server.url()))
}

/// The lines of the log with this level that hold a text.
fn logged(gateway: &Gateway, level: &str, text: &str) -> usize {
    let level = format!("\"level\":\"{level}\"");
    gateway.log().iter().filter(|line| line.contains(&level) && line.contains(text)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_with_its_defaults_is_warned_of_at_the_start() {
    for (settings, warning) in [
        (&[][..], "Redis has appendonly no"),
        (&[("save", "")], "Redis keeps nothing on its disk"),
        (&[("appendonly", "yes")], "Redis has appendfsync everysec"),
    ] {
        let mut server = redis(settings).await;
        let gateway = Gateway::with(on(&server)).await;
        assert_eq!(logged(&gateway, "WARN", warning), 1, "{warning}: {:#?}", gateway.log());
        let warnings = gateway.api().health().await["warnings"].to_string();
        assert!(warnings.contains(warning), "{warnings}");
        let checked = String::from_utf8(Gateway::run_once(on(&server), "check").await.stdout).unwrap();
        assert!(checked.contains(&format!("warning  {warning}")), "{checked}");

        // A new connection to the same server says nothing new.
        tokio::task::block_in_place(|| server.restart());
        let is_back = || async { gateway.log().iter().any(|line| line.contains("the store is back")) };
        let writable = || async { is_back().await || gateway.api().health().await["store"]["status"] == "ok" };
        eventually("Redis is back", || async { logged(&gateway, "WARN", "is lost") > 0 && writable().await }).await;
        assert_eq!(logged(&gateway, "WARN", warning), 1);
    }
}

#[tokio::test]
async fn a_redis_that_keeps_everything_is_not_warned_of() {
    let server = redis(&[("appendonly", "yes"), ("appendfsync", "always")]).await;
    let gateway = Gateway::with(on(&server)).await;
    assert_eq!(logged(&gateway, "WARN", "Redis"), 1, "that there is no broker is all: {:#?}", gateway.log());
}

#[tokio::test]
async fn a_redis_cluster_is_refused_by_check_and_serve() {
    let port = free_port().to_string();
    let server = tokio::task::spawn_blocking(move || {
        RedisServer::with(&[("cluster-enabled", "yes"), ("cluster-port", &port), ("save", "")])
    });
    let server = server.await.unwrap();
    for url in [server.url(), format!("{}/3", server.url())] {
        let settings = Settings::default().set("store.url", &format!("\"{url}\""));
        let served = Gateway::run_once(settings.clone(), "serve").await;
        let checked = Gateway::run_once(settings, "check").await;
        for (output, text) in [(&served, &served.stderr), (&checked, &checked.stdout)] {
            let text = String::from_utf8_lossy(text);
            assert_eq!(output.status.code(), Some(1), "{url}: {text}");
            assert!(text.contains("Redis Cluster") && text.contains("redis+sentinel://"), "{url}: {text}");
        }
    }
    // One whose slots are all served by this node is no other.
    server.cli(&["cluster", "addslotsrange", "0", "16383"]);
    let served = Gateway::run_once(on(&server), "serve").await;
    assert_eq!(served.status.code(), Some(1));
    assert_eq!(server.cli(&["keys", "*"]), "", "nothing is written there");
}

#[tokio::test]
async fn nodes_without_a_broker_say_what_does_not_cross() {
    let server = tokio::task::spawn_blocking(redis::shared).await.unwrap();
    let prefix = uuid::Uuid::now_v7().simple().to_string();
    let settings = on(server).set("store.prefix", &format!("\"{prefix}\"")).set("sessions.max_per_user", "2");
    let near = Gateway::with(settings.clone().set("node_id", "\"near\"")).await;
    let far = Gateway::with(settings.clone().set("node_id", "\"far\"")).await;
    let said = "typing and presence changes do not reach clients of other nodes";
    for node in [&near, &far] {
        assert_eq!(logged(node, "WARN", said), 1);
        let health = node.api().health().await;
        assert!(health["warnings"].to_string().contains(said), "{health}");
        assert_eq!(health["status"], "ok", "it serves what one node needs");
    }
    let checked = String::from_utf8(Gateway::run_once(settings, "check").await.stdout).unwrap();
    assert!(checked.lines().any(|line| line.starts_with("warning") && line.contains(said)), "{checked}");

    // What is stored crosses, and so does an acknowledgement.
    let (mut here, mut there) = (Socket::of(&near, "alice").await, Socket::of(&far, "alice").await);
    for socket in [&mut here, &mut there] {
        socket.join("c").await;
        socket.ask(json!({ "type": "subscribe_notifications" })).await;
    }
    let mut bob = Socket::of(&near, "bob").await;
    bob.chat("c", "hello").await;
    assert_eq!(there.until("chat").await["content"], "hello");
    let id = near.api().notify("alice", "title").await;
    assert_eq!(there.until("notification").await["id"], id);
    here.until("notification").await;
    // Acknowledging many is an addition, after which a client is told of what its other sessions acknowledge.
    there.ask(json!({ "type": "notification_ack", "notificationIds": ["another"] })).await;
    here.ask(json!({ "type": "notification_ack", "notificationId": id })).await;
    assert_eq!(there.until("notification_acked").await["notificationIds"], json!([id]));
}
