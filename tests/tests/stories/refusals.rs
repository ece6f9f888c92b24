//! Every error code, and what a refused command is told.

use realtime_gateway_tests::{Gateway, Settings, Socket, Token};
use serde_json::json;

#[tokio::test]
async fn what_is_not_a_message_is_told_apart() {
    let gateway = Gateway::start().await;
    let mut socket = Socket::of(&gateway, "alice").await;
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
async fn services_that_do_not_exist_are_unknown() {
    let gateway = Gateway::start().await;
    let mut socket = Socket::of(&gateway, "alice").await;
    for command in [
        json!({ "type": "subscribe", "service": "orders", "topic": "order-1" }),
        json!({ "type": "unsubscribe", "service": "orders", "topic": "order-1" }),
        json!({ "type": "publish", "service": "orders", "topic": "order-1", "data": 1 }),
    ] {
        assert_eq!(socket.ask(command).await["code"], "unknown_service");
    }
}

#[tokio::test]
async fn an_entry_that_would_be_too_large_is_refused() {
    let gateway = Gateway::with(Settings::default().set("limits.message_bytes", "\"2KiB\"")).await;
    let mut socket = Socket::of(&gateway, "alice").await;
    let content = "x".repeat(1_950);
    let refused = socket.ask(json!({ "type": "chat", "clanId": "c", "content": content })).await;
    assert_eq!(refused["code"], "message_too_large");
}

#[tokio::test]
async fn what_the_token_does_not_grant_is_forbidden() {
    let gateway = Gateway::start().await;
    let mut socket = Socket::with(&gateway, &Token::of("alice").clans(&["mine"])).await;
    for command in [
        json!({ "type": "subscribe_clan_chat", "clanId": "other" }),
        json!({ "type": "chat", "clanId": "other", "content": "x" }),
        json!({ "type": "typing", "clanId": "other", "isTyping": true }),
        json!({ "type": "chat_history", "clanId": "other" }),
        json!({ "type": "presence", "clanId": "other" }),
    ] {
        let refused = socket.ask(command).await;
        assert_eq!((&refused["code"], &refused["clanId"]), (&json!("forbidden"), &json!("other")));
    }
    assert_eq!(socket.chat("mine", "allowed").await["type"], "message_sent");
}

#[tokio::test]
async fn subscriptions_have_a_limit() {
    let gateway = Gateway::with(Settings::default().set("limits.subscriptions", "2")).await;
    let mut socket = Socket::of(&gateway, "alice").await;
    socket.join("a").await;
    socket.join("b").await;
    socket.join("b").await;
    let refused = socket.ask(json!({ "type": "subscribe_clan_chat", "clanId": "c" })).await;
    assert_eq!(refused["code"], "subscription_limit");
    socket.ask(json!({ "type": "unsubscribe_clan_chat", "clanId": "a" })).await;
    socket.join("c").await;
}
