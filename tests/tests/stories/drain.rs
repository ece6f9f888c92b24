//! A node that is asked to go: it tells, waits, flushes, and leaves nothing behind.

use realtime_gateway_tests::{Gateway, Settings, Socket, Token, eventually};
use serde_json::json;

#[tokio::test]
async fn sigterm_asks_clients_to_go_and_ends_with_zero() {
    let settings =
        Settings::default().set("drain.delay", "\"1s\"").set("drain.spread", "\"500ms\"").set("drain.grace", "\"10s\"");
    let mut gateway = Gateway::with(settings).await;
    let mut alice = Socket::of(&gateway, "alice").await;
    alice.join("c").await;
    let api = gateway.api();
    api.get("/health").await;
    gateway.signal("TERM").await;
    eventually("not being ready", || async {
        api.call(reqwest::Method::GET, "/health/ready", None).await.status() == 503
    })
    .await;
    let health = api.json(reqwest::Method::GET, "/health", None).await.1;
    assert_eq!(health["status"], "draining");
    // Accepting goes on while balancers notice.
    let mut late = Socket::of(&gateway, "late").await;
    late.chat("c", "confirmed to the end").await;
    for socket in [&mut alice, &mut late] {
        let hint = socket.until("reconnect").await;
        assert_eq!(hint["reason"], "draining");
        assert!(hint["afterMs"].as_u64().unwrap() <= 500);
    }
    assert_eq!(alice.closed().await, 1012);
    assert_eq!(late.closed().await, 1012);
    assert_eq!(gateway.exit_code().await, Some(0));
    gateway.restart().await;
    let mut again = Socket::of(&gateway, "alice").await;
    let history = again.ask(json!({ "type": "chat_history", "clanId": "c" })).await;
    assert_eq!(history["messages"][0]["content"], "confirmed to the end");
}

#[tokio::test]
async fn a_client_that_authenticates_late_or_never_is_told_to_go_too() {
    let settings =
        Settings::default().set("drain.delay", "\"0s\"").set("drain.spread", "\"3s\"").set("drain.grace", "\"15s\"");
    let mut gateway = Gateway::with(settings).await;
    let mut early = Socket::of(&gateway, "early").await;
    let (mut late, mut silent) = (Socket::anonymous(&gateway).await, Socket::anonymous(&gateway).await);
    let mut refused = Socket::anonymous(&gateway).await;
    gateway.signal("TERM").await;
    early.until("reconnect").await;
    // A client that has a session by then was informed; the others get one, or do not.
    late.send(json!({ "type": "authenticate", "token": Token::of("late").text() })).await;
    late.expect("connected").await;
    let hint = late.expect("reconnect").await;
    assert_eq!(hint["reason"], "draining");
    assert!(hint["afterMs"].as_u64().unwrap() <= 3_000);
    refused.send(json!({ "type": "authenticate", "token": "not a token" })).await;
    assert_eq!(refused.closed().await, 4401, "a bad token is a bad token");
    assert_eq!(silent.until("reconnect").await["afterMs"], 0);
    for socket in [&mut early, &mut late, &mut silent] {
        assert_eq!(socket.closed().await, 1012);
    }
    assert_eq!(gateway.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_socket_whose_time_to_authenticate_ends_during_a_drain_is_closed_with_1012() {
    let settings = Settings::default()
        .set("auth.timeout", "\"3s\"")
        .set("drain.delay", "\"10s\"")
        .set("drain.spread", "\"1s\"")
        .set("drain.grace", "\"15s\"");
    let gateway = Gateway::with(settings).await;
    let mut silent = Socket::anonymous(&gateway).await;
    gateway.signal("TERM").await;
    assert_eq!(silent.until("reconnect").await["reason"], "draining");
    assert_eq!(silent.closed().await, 1012);
}

#[tokio::test]
async fn a_drain_without_time_closes_every_socket_with_1012() {
    let settings =
        Settings::default().set("drain.delay", "\"0s\"").set("drain.spread", "\"30s\"").set("drain.grace", "\"1s\"");
    let mut gateway = Gateway::with(settings).await;
    let mut sockets = vec![Socket::of(&gateway, "alice").await, Socket::anonymous(&gateway).await];
    gateway.signal("TERM").await;
    for socket in &mut sockets {
        assert_eq!(socket.until("reconnect").await["reason"], "draining");
        assert_eq!(socket.closed().await, 1012);
    }
    assert_eq!(gateway.exit_code().await, Some(0));
}

#[tokio::test]
async fn sighup_takes_what_can_change_and_says_what_cannot() {
    let mut gateway = Gateway::start().await;
    gateway.rewrite(
        Settings::default()
            .set("limits.subscriptions", "1")
            .set("presence.grace", "\"3s\"")
            .set("bus.prefix", "\"other\""),
    );
    gateway.signal("HUP").await;
    eventually("the report", || async { gateway.log().iter().any(|line| line.contains("bus.prefix")) }).await;
    let mut alice = Socket::of(&gateway, "alice").await;
    alice.join("a").await;
    let refused = alice.ask(json!({ "type": "subscribe_clan_chat", "clanId": "b" })).await;
    assert_eq!(refused["code"], "subscription_limit");
}
