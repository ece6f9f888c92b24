//! Graceful shutdown: the node sends reconnect hints, closes its clients, flushes and exits; and reload by SIGHUP.

use realtime_gateway_tests::{Gateway, Settings, Socket, Token, eventually};
use serde_json::json;

#[tokio::test]
async fn sends_reconnect_hint_on_sigterm_and_exits_with_0() {
    let settings =
        Settings::default().set("drain.delay", "\"1s\"").set("drain.spread", "\"500ms\"").set("drain.grace", "\"10s\"");
    let mut gateway = Gateway::with(settings).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.join("c").await;
    let api = gateway.api();
    api.get("/health").await;
    gateway.signal("TERM").await;
    eventually("the node reports that it is not ready", || async {
        api.call(reqwest::Method::GET, "/health/ready", None).await.status() == 503
    })
    .await;
    let health = api.json(reqwest::Method::GET, "/health", None).await.1;
    assert_eq!(health["status"], "draining");
    // The node still accepts connections while load balancers notice that it is not ready.
    let mut late = Socket::connect(&gateway, "late").await;
    late.chat("c", "confirmed to the end").await;
    for socket in [&mut alice, &mut late] {
        let hint = socket.wait_for("reconnect").await;
        assert_eq!(hint["reason"], "draining");
        assert!(hint["afterMs"].as_u64().unwrap() <= 500);
    }
    assert_eq!(alice.close_code().await, 1012);
    assert_eq!(late.close_code().await, 1012);
    assert_eq!(gateway.exit_code().await, Some(0));
    gateway.restart().await;
    let mut again = Socket::connect(&gateway, "alice").await;
    let history = again.request(json!({ "type": "chat_history", "clanId": "c" })).await;
    assert_eq!(history["messages"][0]["content"], "confirmed to the end");
}

#[tokio::test]
async fn sends_reconnect_hint_to_clients_that_authenticate_during_drain() {
    let settings =
        Settings::default().set("drain.delay", "\"0s\"").set("drain.spread", "\"3s\"").set("drain.grace", "\"15s\"");
    let mut gateway = Gateway::with(settings).await;
    let mut early = Socket::connect(&gateway, "early").await;
    let (mut late, mut silent) = (Socket::anonymous(&gateway).await, Socket::anonymous(&gateway).await);
    let mut refused = Socket::anonymous(&gateway).await;
    gateway.signal("TERM").await;
    early.wait_for("reconnect").await;
    // Clients with a session have the hint; the others may still authenticate.
    late.send(json!({ "type": "authenticate", "token": Token::for_user("late").text() })).await;
    late.expect("connected").await;
    let hint = late.expect("reconnect").await;
    assert_eq!(hint["reason"], "draining");
    assert!(hint["afterMs"].as_u64().unwrap() <= 3_000);
    refused.send(json!({ "type": "authenticate", "token": "not a token" })).await;
    assert_eq!(refused.close_code().await, 4401, "an invalid token is still rejected during a drain");
    assert_eq!(silent.wait_for("reconnect").await["afterMs"], 0);
    for socket in [&mut early, &mut late, &mut silent] {
        assert_eq!(socket.close_code().await, 1012);
    }
    assert_eq!(gateway.exit_code().await, Some(0));
}

#[tokio::test]
async fn closes_with_1012_on_authentication_timeout_during_drain() {
    let settings = Settings::default()
        .set("auth.timeout", "\"3s\"")
        .set("drain.delay", "\"10s\"")
        .set("drain.spread", "\"1s\"")
        .set("drain.grace", "\"15s\"");
    let gateway = Gateway::with(settings).await;
    let mut silent = Socket::anonymous(&gateway).await;
    gateway.signal("TERM").await;
    assert_eq!(silent.wait_for("reconnect").await["reason"], "draining");
    assert_eq!(silent.close_code().await, 1012);
}

#[tokio::test]
async fn closes_every_socket_with_1012_when_grace_ends() {
    let settings =
        Settings::default().set("drain.delay", "\"0s\"").set("drain.spread", "\"30s\"").set("drain.grace", "\"1s\"");
    let mut gateway = Gateway::with(settings).await;
    let mut sockets = vec![Socket::connect(&gateway, "alice").await, Socket::anonymous(&gateway).await];
    gateway.signal("TERM").await;
    for socket in &mut sockets {
        assert_eq!(socket.wait_for("reconnect").await["reason"], "draining");
        assert_eq!(socket.close_code().await, 1012);
    }
    assert_eq!(gateway.exit_code().await, Some(0));
}

#[tokio::test]
async fn applies_reloadable_keys_on_sighup_and_logs_the_others() {
    let mut gateway = Gateway::start().await;
    gateway.rewrite_config(
        Settings::default()
            .set("limits.subscriptions", "1")
            .set("presence.grace", "\"3s\"")
            .set("bus.prefix", "\"other\""),
    );
    gateway.signal("HUP").await;
    eventually("the log names the key that needs a restart", || async {
        gateway.log().iter().any(|line| line.contains("bus.prefix"))
    })
    .await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.join("a").await;
    let refused = alice.request(json!({ "type": "subscribe_clan_chat", "clanId": "b" })).await;
    assert_eq!(refused["code"], "subscription_limit");
}
