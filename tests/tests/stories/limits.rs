//! Bounds of a connection and what happens at each: the close code says what to do.

use realtime_gateway_tests::{Gateway, Settings, Socket};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn a_session_that_sends_too_fast_is_told_when_to_go_on() {
    let settings = Settings::default().set("limits.messages_per_second", "1").set("limits.burst", "3");
    let gateway = Gateway::with(settings).await;
    let mut socket = Socket::of(&gateway, "alice").await;
    for _ in 0..3 {
        assert_eq!(socket.ask(json!({ "type": "presence", "clanId": "c" })).await["type"], "presence");
    }
    let refused = socket.ask(json!({ "type": "presence", "clanId": "c" })).await;
    assert_eq!(refused["code"], "rate_limited");
    assert!(refused["retryAfterMs"].as_u64().unwrap() > 0);
    // Subscribing has a bucket of its own.
    socket.join("c").await;
}

#[tokio::test]
async fn a_session_that_goes_on_too_fast_is_closed() {
    let settings = Settings::default().set("limits.messages_per_second", "1").set("limits.burst", "1");
    let gateway = Gateway::with(settings).await;
    let mut socket = Socket::of(&gateway, "alice").await;
    for _ in 0..110 {
        if !socket.try_send_text(r#"{"type":"presence","clanId":"c"}"#).await {
            break;
        }
    }
    assert_eq!(socket.closed().await, 4429);
}

#[tokio::test]
async fn twenty_invalid_messages_close_the_connection() {
    let gateway = Gateway::start().await;
    let mut socket = Socket::of(&gateway, "alice").await;
    for _ in 0..19 {
        socket.send_text("{").await;
        socket.expect("error").await;
    }
    socket.send_text("{").await;
    assert_eq!(socket.closed().await, 4400);
}

#[tokio::test]
async fn frames_that_the_protocol_does_not_know_close_with_the_right_code() {
    let gateway = Gateway::start().await;
    let mut binary = Socket::of(&gateway, "alice").await;
    binary.send_frame(Message::binary(vec![1, 2, 3])).await;
    assert_eq!(binary.closed().await, 1003);

    let mut large = Socket::of(&gateway, "bob").await;
    let _ = large.try_send_text(&"x".repeat(70_000)).await;
    assert_eq!(large.closed().await, 1009);
}

#[tokio::test]
async fn a_silent_connection_is_given_up() {
    let settings = Settings::default().set("heartbeat.interval", "\"200ms\"").set("heartbeat.timeout", "\"600ms\"");
    let gateway = Gateway::with(settings).await;
    let socket = Socket::of(&gateway, "alice").await;
    // Nobody polls this socket, so no pong goes out.
    realtime_gateway_tests::eventually("the silent session's end", || async {
        gateway.log().iter().any(|line| line.contains("session ended") && line.contains("4504"))
    })
    .await;
    drop(socket);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed_and_recovers() {
    let gateway = Gateway::with(Settings::default().set("limits.outbound_queue", "\"64KiB\"")).await;
    let mut slow = Socket::of(&gateway, "slow").await;
    slow.join("c").await;
    let mut fast = Socket::of(&gateway, "fast").await;
    let content = "x".repeat(4_000);
    let mut sent = 0_u64;
    // Until the kernel's buffers and the queue are full.
    while !gateway.log().iter().any(|line| line.contains("session ended") && line.contains("4508")) {
        fast.chat("c", &content).await;
        sent += 1;
        assert!(sent < 20_000, "the slow client was never closed");
    }
    let mut last = 0;
    while let Some(message) = slow.next().await {
        if message["type"] == "chat" {
            last = message["offset"].as_u64().unwrap();
        }
    }
    assert!(last < sent);
    let mut again = Socket::of(&gateway, "slow").await;
    let head = fast.chat("c", "the last").await["offset"].as_u64().unwrap();
    let history = again.ask(json!({ "type": "chat_history", "clanId": "c", "limit": 1 })).await;
    assert_eq!(history["messages"][0]["offset"], head);
}
