//! A full store: new messages are rejected, other operations continue, and health and metrics show the reason.

use realtime_gateway_brokers::rabbitmq::shared;
use realtime_gateway_tests::{Backend, Gateway, Settings, Socket, eventually};
use reqwest::Method;
use serde_json::{Value, json};

use super::rabbitmq::metric;

/// Adds the listen address of the test gateways and a size limit of the store.
fn limited(settings: Settings, max_bytes: &str) -> Settings {
    settings.set("listen", "\"127.0.0.1:0\"").set("store.max_bytes", &format!("{max_bytes:?}"))
}

/// Returns a notification with 50 kB of data.
fn large(user: &str) -> Value {
    json!({ "userId": user, "title": "t", "message": "m", "data": { "text": "x".repeat(50_000) } })
}

/// Changes `store.max_bytes` by a reload.
async fn reload_limit(gateway: &mut Gateway, settings: Settings, max_bytes: &str) {
    gateway.rewrite_config(limited(settings, max_bytes));
    gateway.signal("HUP").await;
}

async fn is_refusing(gateway: &Gateway) -> bool {
    gateway.api().health().await["store"]["refusingWrites"].is_string()
}

#[tokio::test]
async fn full_store_rejects_new_messages_only_and_reports_it() {
    let mut gateway = Gateway::with(limited(Settings::default(), "100MiB")).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    let first = alice.request(json!({ "type": "chat", "clanId": "c", "content": "1", "clientMessageId": "m1" })).await;
    assert_eq!(first["type"], "message_sent", "{first}");
    let message = first["messageId"].as_str().unwrap();
    let api = gateway.api();
    let id = api.post("/api/v1/notifications", large("alice")).await["ids"][0].clone();
    for _ in 0..25 {
        api.post("/api/v1/notifications", large("bob")).await;
    }
    assert_eq!(metric(&api, "gateway_store_limit_bytes").await, 104_857_600.0);
    assert!(metric(&api, "gateway_store_idempotency_keys").await >= 27.0);
    assert!((0.0..1.0).contains(&metric(&api, "gateway_store_free_ratio").await));

    // The file is larger than the new limit.
    reload_limit(&mut gateway, Settings::default(), "1MiB").await;
    eventually("the store rejects writes", || is_refusing(&gateway)).await;
    let refused =
        alice.request(json!({ "type": "chat", "clanId": "c", "content": "2", "clientMessageId": "m2" })).await;
    assert_eq!((&refused["type"], &refused["code"]), (&json!("error"), &json!("unavailable")), "{refused}");
    assert!(refused["retryAfterMs"].as_u64().is_some_and(|wait| wait > 0), "{refused}");
    let (status, problem) = api.json(Method::POST, "/api/v1/notifications", Some(large("bob"))).await;
    assert_eq!((status.as_u16(), &problem["code"]), (503, &json!("unavailable")), "{problem}");
    // The repeat of a stored message is confirmed as a duplicate.
    let again = alice.request(json!({ "type": "chat", "clanId": "c", "content": "1", "clientMessageId": "m1" })).await;
    assert_eq!(again["messageId"], message, "{again}");
    // Acknowledgements, deletions and new sessions still work.
    let acked = alice.request(json!({ "type": "notification_ack", "notificationId": id })).await;
    assert_eq!(acked["type"], "ack_confirmed");
    let bob = Socket::connect(&gateway, "bob").await;
    let (status, response) = api.json(Method::DELETE, &format!("/api/v1/clans/c/messages/{message}"), None).await;
    assert!(status.is_success(), "{status} {response}");
    bob.close().await;

    let health = api.get("/health").await;
    assert_eq!((&health["status"], &health["store"]["status"]), (&json!("degraded"), &json!("degraded")));
    assert!(health["store"]["refusingWrites"].as_str().unwrap().contains("store.max_bytes (1.0 MiB)"), "{health}");
    assert_eq!(health["store"]["limitBytes"], 1_048_576);
    assert!(health["warnings"].to_string().contains("raise store.max_bytes"), "{health}");
    api.get("/health/ready").await;
    assert_eq!(metric(&api, "gateway_store_refusing_writes").await, 1.0);
    assert_eq!(metric(&api, "gateway_store_up").await, 1.0);

    reload_limit(&mut gateway, Settings::default(), "200MiB").await;
    eventually("the store accepts writes", || async { !is_refusing(&gateway).await }).await;
    let sent = alice.request(json!({ "type": "chat", "clanId": "c", "content": "2", "clientMessageId": "m2" })).await;
    assert_eq!(sent["type"], "message_sent", "{sent}");
    eventually("the store is reported as ok", || async { gateway.api().health().await["store"]["status"] == "ok" })
        .await;
    assert_eq!(metric(&api, "gateway_store_refusing_writes").await, 0.0);
    let log = gateway.log().join("\n");
    assert!(
        log.contains("new messages and notifications are refused until"),
        "the log does not say that writes are refused"
    );
    assert!(log.contains("the store has space again"), "the log does not say that the store has space again");
}

#[tokio::test]
async fn keeps_inbound_events_queued_while_store_is_full() {
    let backend = Backend::connect(&shared()).await;
    let mut gateway = Gateway::with(limited(backend.settings(), "100MiB")).await;
    let api = gateway.api();
    for _ in 0..25 {
        api.post("/api/v1/notifications", large("bob")).await;
    }
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.request(json!({ "type": "subscribe_notifications" })).await;
    reload_limit(&mut gateway, backend.settings(), "1MiB").await;
    eventually("the store rejects writes", || is_refusing(&gateway)).await;
    backend.publish("notification.alice", json!({ "id": "n1", "title": "t", "message": "m" })).await;
    let is_waiting = |line: &String| line.contains("the store takes no inbound events");
    eventually("the event stays in the queue", || async { gateway.log().iter().any(is_waiting) }).await;
    reload_limit(&mut gateway, backend.settings(), "200MiB").await;
    assert_eq!(alice.expect("notification").await["id"], "n1");
    assert_eq!(metric(&api, "gateway_dead_lettered_total").await, 0.0);
}

#[tokio::test]
async fn rejects_compact_while_gateway_runs() {
    let mut gateway = Gateway::with(Settings::default().set("drain.delay", "\"0s\"")).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.chat("c", "kept").await;
    let path = gateway.dir().join("gateway.redb").display().to_string();
    let refused = gateway.command(&["store", "compact", &path]).await;
    assert!(String::from_utf8_lossy(&refused.stderr).contains("in use"), "{refused:?}");
    alice.close().await;
    gateway.signal("TERM").await;
    assert_eq!(gateway.exit_code().await, Some(0));
    let done = gateway.command(&["store", "compact", &path]).await;
    assert!(done.status.success() && String::from_utf8_lossy(&done.stdout).contains("it took"), "{done:?}");
    gateway.restart().await;
    let history = gateway.api().get("/api/v1/clans/c/messages").await;
    assert_eq!(history["messages"][0]["content"], "kept", "{history}");
}
