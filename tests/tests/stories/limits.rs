//! Limits of a connection and the close code at each of them.

use realtime_gateway_tests::{Gateway, Settings, Socket};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn rejects_commands_beyond_rate_limit_with_retry_delay() {
    let settings = Settings::default().set("limits.messages_per_second", "1").set("limits.burst", "3");
    let gateway = Gateway::with(settings).await;
    let mut socket = Socket::connect(&gateway, "alice").await;
    for _ in 0..3 {
        assert_eq!(socket.request(json!({ "type": "presence", "clanId": "c" })).await["type"], "presence");
    }
    let refused = socket.request(json!({ "type": "presence", "clanId": "c" })).await;
    assert_eq!(refused["code"], "rate_limited");
    assert!(refused["retryAfterMs"].as_u64().unwrap() > 0);
    // Subscribing has a rate limit of its own.
    socket.join("c").await;
}

#[tokio::test]
async fn closes_session_that_ignores_rate_limit_with_4429() {
    let settings = Settings::default().set("limits.messages_per_second", "1").set("limits.burst", "1");
    let gateway = Gateway::with(settings).await;
    let mut socket = Socket::connect(&gateway, "alice").await;
    for _ in 0..110 {
        if !socket.try_send_text(r#"{"type":"presence","clanId":"c"}"#).await {
            break;
        }
    }
    assert_eq!(socket.close_code().await, 4429);
}

#[tokio::test]
async fn closes_connection_with_4400_after_20_invalid_messages() {
    let gateway = Gateway::start().await;
    let mut socket = Socket::connect(&gateway, "alice").await;
    for _ in 0..19 {
        socket.send_text("{").await;
        socket.expect("error").await;
    }
    socket.send_text("{").await;
    assert_eq!(socket.close_code().await, 4400);
}

#[tokio::test]
async fn closes_on_binary_frame_with_1003_and_oversized_frame_with_1009() {
    let gateway = Gateway::start().await;
    let mut binary = Socket::connect(&gateway, "alice").await;
    binary.send_frame(Message::binary(vec![1, 2, 3])).await;
    assert_eq!(binary.close_code().await, 1003);

    let mut large = Socket::connect(&gateway, "bob").await;
    let _ = large.try_send_text(&"x".repeat(70_000)).await;
    assert_eq!(large.close_code().await, 1009);
}

#[tokio::test]
async fn closes_connection_without_pongs_with_4504() {
    let settings = Settings::default().set("heartbeat.interval", "\"200ms\"").set("heartbeat.timeout", "\"600ms\"");
    let gateway = Gateway::with(settings).await;
    let socket = Socket::connect(&gateway, "alice").await;
    // The client does not poll this socket, so it sends no pong.
    realtime_gateway_tests::eventually("the silent session is closed", || async {
        gateway.log().iter().any(|line| line.contains("session ended") && line.contains("4504"))
    })
    .await;
    drop(socket);
}

#[tokio::test]
async fn closes_slow_consumer_with_4508_and_lets_it_recover() {
    let gateway = Gateway::with(Settings::default().set("limits.outbound_queue", "\"64KiB\"")).await;
    let mut slow = Socket::connect(&gateway, "slow").await;
    slow.join("c").await;
    let mut fast = Socket::connect(&gateway, "fast").await;
    let content = "x".repeat(4_000);
    let mut sent = 0_u64;
    // Sends until the kernel's buffers and the outbound queue are full.
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
    let mut again = Socket::connect(&gateway, "slow").await;
    let head = fast.chat("c", "the last").await["offset"].as_u64().unwrap();
    let history = again.request(json!({ "type": "chat_history", "clanId": "c", "limit": 1 })).await;
    assert_eq!(history["messages"][0]["offset"], head);
}
