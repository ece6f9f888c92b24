//! Gateways on Redis: warnings about its persistence settings, the rejection of Redis Cluster, and the state of the channel
//! between nodes.

use realtime_gateway_brokers::{free_port, redis::RedisServer};
use realtime_gateway_tests::{Gateway, Settings, eventually};
use serde_json::json;

use super::rabbitmq::metric;

/// Starts a Redis with these settings.
async fn redis(settings: &'static [(&'static str, &'static str)]) -> RedisServer {
    tokio::task::spawn_blocking(|| RedisServer::with(settings)).await.unwrap()
}

fn on(server: &RedisServer) -> Settings {
    Settings::default().set("store.url", &format!("\"{}\"", server.url()))
}

/// Counts the log lines of this level that contain a text.
fn logged(gateway: &Gateway, level: &str, text: &str) -> usize {
    let level = format!("\"level\":\"{level}\"");
    gateway.log().iter().filter(|line| line.contains(&level) && line.contains(text)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn warns_once_about_redis_that_may_lose_writes() {
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

        // A reconnect to the same server does not repeat the warning.
        tokio::task::block_in_place(|| server.restart());
        let is_back = || async { gateway.log().iter().any(|line| line.contains("the store is back")) };
        let writable = || async { is_back().await || gateway.api().health().await["store"]["status"] == "ok" };
        eventually("Redis is back", || async { logged(&gateway, "WARN", "is lost") > 0 && writable().await }).await;
        assert_eq!(logged(&gateway, "WARN", warning), 1);
    }
}

#[tokio::test]
async fn does_not_warn_about_redis_that_syncs_every_write() {
    let server = redis(&[("appendonly", "yes"), ("appendfsync", "always")]).await;
    let gateway = Gateway::with(on(&server)).await;
    assert_eq!(logged(&gateway, "WARN", "Redis"), 0, "{:#?}", gateway.log());
}

#[tokio::test]
async fn check_and_serve_reject_redis_cluster() {
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
    // A cluster of a single node that serves all slots is rejected too.
    server.cli(&["cluster", "addslotsrange", "0", "16383"]);
    let served = Gateway::run_once(on(&server), "serve").await;
    assert_eq!(served.status.code(), Some(1));
    assert_eq!(server.cli(&["keys", "*"]), "", "the gateway has written to the cluster");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn degrades_health_while_channel_between_nodes_is_disconnected() {
    let mut server = redis(&[("appendonly", "yes"), ("appendfsync", "always")]).await;
    let gateway = Gateway::with(on(&server)).await;
    let cluster = async || gateway.api().health().await["cluster"].clone();
    eventually("the channel is connected", async || cluster().await["state"] == "connected").await;
    tokio::task::block_in_place(|| server.process().kill());
    eventually("the channel is lost", async || cluster().await["state"] == "reconnecting").await;
    let health = gateway.api().health().await;
    assert_eq!((&health["status"], &health["cluster"]["status"]), (&json!("degraded"), &json!("degraded")), "{health}");
    assert!(health["cluster"]["since"].is_string() && health["cluster"]["lastError"].is_string(), "{health}");
    assert!(health["warnings"].to_string().contains("the channel between nodes is disconnected"), "{health}");
    assert_eq!(metric(&gateway.api(), "gateway_cluster_connected").await, 0.0);
    tokio::task::block_in_place(|| server.restart());
    eventually("the channel is connected again", async || cluster().await["state"] == "connected").await;
    assert!(cluster().await["reconnects"].as_u64().is_some_and(|reconnects| reconnects > 0));
    assert!(metric(&gateway.api(), "gateway_cluster_reconnects_total").await > 0.0);
    eventually("health is ok again", async || gateway.api().health().await["status"] == "ok").await;
}
