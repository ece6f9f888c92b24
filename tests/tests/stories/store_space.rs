//! A store without space: new messages are refused, everything else goes on, and operators see why.

use realtime_gateway_brokers::rabbitmq::shared;
use realtime_gateway_tests::{Backend, Gateway, Settings, Socket, eventually};
use reqwest::Method;
use serde_json::{Value, json};

use super::rabbitmq::metric;

/// Settings that listen where a gateway of the stories was told to.
fn limited(settings: Settings, max_bytes: &str) -> Settings {
    settings.set("listen", "\"127.0.0.1:0\"").set("store.max_bytes", &format!("{max_bytes:?}"))
}

/// A notification whose data takes many bytes.
fn large(user: &str) -> Value {
    json!({ "userId": user, "title": "t", "message": "m", "data": { "text": "x".repeat(50_000) } })
}

/// Changes `store.max_bytes` without a restart.
async fn change(gateway: &mut Gateway, settings: Settings, max_bytes: &str) {
    gateway.rewrite(limited(settings, max_bytes));
    gateway.signal("HUP").await;
}

async fn is_refusing(gateway: &Gateway) -> bool {
    gateway.api().health().await["store"]["refusingWrites"].is_string()
}

#[tokio::test]
async fn full_store_refuses_new_messages_only_and_says_so() {
    let mut gateway = Gateway::with(limited(Settings::default(), "100MiB")).await;
    let mut alice = Socket::of(&gateway, "alice").await;
    let first = alice.ask(json!({ "type": "chat", "clanId": "c", "content": "1", "clientMessageId": "m1" })).await;
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
    change(&mut gateway, Settings::default(), "1MiB").await;
    eventually("the store refuses", || is_refusing(&gateway)).await;
    let refused = alice.ask(json!({ "type": "chat", "clanId": "c", "content": "2", "clientMessageId": "m2" })).await;
    assert_eq!((&refused["type"], &refused["code"]), (&json!("error"), &json!("unavailable")), "{refused}");
    assert!(refused["retryAfterMs"].as_u64().is_some_and(|wait| wait > 0), "{refused}");
    let (status, problem) = api.json(Method::POST, "/api/v1/notifications", Some(large("bob"))).await;
    assert_eq!((status.as_u16(), &problem["code"]), (503, &json!("unavailable")), "{problem}");
    // A message that was stored before is answered as a repeat.
    let again = alice.ask(json!({ "type": "chat", "clanId": "c", "content": "1", "clientMessageId": "m1" })).await;
    assert_eq!(again["messageId"], message, "{again}");
    // Acknowledgements, deletions and new sessions go on.
    let acked = alice.ask(json!({ "type": "notification_ack", "notificationId": id })).await;
    assert_eq!(acked["type"], "ack_confirmed");
    let bob = Socket::of(&gateway, "bob").await;
    let (status, answer) = api.json(Method::DELETE, &format!("/api/v1/clans/c/messages/{message}"), None).await;
    assert!(status.is_success(), "{status} {answer}");
    bob.close().await;

    let health = api.get("/health").await;
    assert_eq!((&health["status"], &health["store"]["status"]), (&json!("degraded"), &json!("degraded")));
    assert!(health["store"]["refusingWrites"].as_str().unwrap().contains("store.max_bytes (1.0 MiB)"), "{health}");
    assert_eq!(health["store"]["limitBytes"], 1_048_576);
    assert!(health["warnings"].to_string().contains("raise store.max_bytes"), "{health}");
    api.get("/health/ready").await;
    assert_eq!(metric(&api, "gateway_store_refusing_writes").await, 1.0);
    assert_eq!(metric(&api, "gateway_store_up").await, 1.0);

    change(&mut gateway, Settings::default(), "200MiB").await;
    eventually("the store accepts", || async { !is_refusing(&gateway).await }).await;
    let sent = alice.ask(json!({ "type": "chat", "clanId": "c", "content": "2", "clientMessageId": "m2" })).await;
    assert_eq!(sent["type"], "message_sent", "{sent}");
    eventually("health", || async { gateway.api().health().await["store"]["status"] == "ok" }).await;
    assert_eq!(metric(&api, "gateway_store_refusing_writes").await, 0.0);
    let log = gateway.log().join("\n");
    assert!(log.contains("new messages and notifications are refused until"), "refusing is logged");
    assert!(log.contains("the store has space again"), "the end of it is logged");
}

#[tokio::test]
async fn events_of_backend_services_wait_in_their_queue_for_space() {
    let backend = Backend::at(&shared()).await;
    let mut gateway = Gateway::with(limited(backend.settings(), "100MiB")).await;
    let api = gateway.api();
    for _ in 0..25 {
        api.post("/api/v1/notifications", large("bob")).await;
    }
    let mut alice = Socket::of(&gateway, "alice").await;
    alice.ask(json!({ "type": "subscribe_notifications" })).await;
    change(&mut gateway, backend.settings(), "1MiB").await;
    eventually("the store refuses", || is_refusing(&gateway)).await;
    backend.publish("notification.alice", json!({ "id": "n1", "title": "t", "message": "m" })).await;
    let is_waiting = |line: &String| line.contains("the store takes no inbound events");
    eventually("the event waits", || async { gateway.log().iter().any(is_waiting) }).await;
    change(&mut gateway, backend.settings(), "200MiB").await;
    assert_eq!(alice.expect("notification").await["id"], "n1");
    assert_eq!(metric(&api, "gateway_dead_lettered_total").await, 0.0);
}

#[tokio::test]
async fn compact_is_refused_while_a_gateway_runs_and_works_after() {
    let mut gateway = Gateway::with(Settings::default().set("drain.delay", "\"0s\"")).await;
    let mut alice = Socket::of(&gateway, "alice").await;
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
