//! Error codes: what the gateway answers to invalid, unknown, forbidden and oversized commands.

use realtime_gateway_tests::{Gateway, Settings, Socket, Token};
use serde_json::json;

#[tokio::test]
async fn reports_reason_for_each_kind_of_invalid_message() {
    let gateway = Gateway::start().await;
    let mut socket = Socket::connect(&gateway, "alice").await;
    for (text, code) in [
        ("not json", "invalid_json"),
        (r#"["ping"]"#, "invalid_message"),
        (r#"{"type":"nonsense"}"#, "unknown_type"),
        (r#"{"type":"chat","clanId":"c"}"#, "invalid_message"),
    ] {
        socket.send_text(text).await;
        let refused = socket.expect("error").await;
        assert_eq!(refused["code"], code, "{text}");
    }
    socket.send_text(r#"{"type":"chat","clanId":"c","content":"","requestId":"r1"}"#).await;
    let refused = socket.expect("error").await;
    assert_eq!((&refused["requestId"], &refused["inReplyTo"]), (&json!("r1"), &json!("chat")));
    assert_eq!(refused["details"]["field"], "content");
}

#[tokio::test]
async fn rejects_commands_for_unknown_service() {
    let gateway = Gateway::start().await;
    let mut socket = Socket::connect(&gateway, "alice").await;
    for command in [
        json!({ "type": "subscribe", "service": "orders", "topic": "order-1" }),
        json!({ "type": "unsubscribe", "service": "orders", "topic": "order-1" }),
        json!({ "type": "publish", "service": "orders", "topic": "order-1", "data": 1 }),
    ] {
        assert_eq!(socket.request(command).await["code"], "unknown_service");
    }
}

#[tokio::test]
async fn rejects_message_whose_entry_would_be_too_large() {
    let gateway = Gateway::with(Settings::default().set("limits.message_bytes", "\"2KiB\"")).await;
    let mut socket = Socket::connect(&gateway, "alice").await;
    let content = "x".repeat(1_950);
    let refused = socket.request(json!({ "type": "chat", "clanId": "c", "content": content })).await;
    assert_eq!(refused["code"], "message_too_large");
}

#[tokio::test]
async fn rejects_commands_for_clans_that_token_does_not_grant() {
    let gateway = Gateway::start().await;
    let mut socket = Socket::connect_with(&gateway, &Token::for_user("alice").clans(&["mine"])).await;
    for command in [
        json!({ "type": "subscribe_clan_chat", "clanId": "other" }),
        json!({ "type": "chat", "clanId": "other", "content": "x" }),
        json!({ "type": "typing", "clanId": "other", "isTyping": true }),
        json!({ "type": "chat_history", "clanId": "other" }),
        json!({ "type": "presence", "clanId": "other" }),
    ] {
        let refused = socket.request(command).await;
        assert_eq!((&refused["code"], &refused["clanId"]), (&json!("forbidden"), &json!("other")));
    }
    assert_eq!(socket.chat("mine", "allowed").await["type"], "message_sent");
}

#[tokio::test]
async fn rejects_subscription_beyond_limit() {
    let gateway = Gateway::with(Settings::default().set("limits.subscriptions", "2")).await;
    let mut socket = Socket::connect(&gateway, "alice").await;
    socket.join("a").await;
    socket.join("b").await;
    socket.join("b").await;
    let refused = socket.request(json!({ "type": "subscribe_clan_chat", "clanId": "c" })).await;
    assert_eq!(refused["code"], "subscription_limit");
    socket.request(json!({ "type": "unsubscribe_clan_chat", "clanId": "a" })).await;
    socket.join("c").await;
}
