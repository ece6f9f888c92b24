//! Authentication: by header, query and first message; invalid tokens; expiry and token renewal on an open connection.

use std::time::Duration;

use realtime_gateway_tests::{Gateway, Settings, Socket, Token, error_and_close_code, http_client};
use reqwest::StatusCode;
use serde_json::json;

#[tokio::test]
async fn authenticates_by_first_message() {
    let gateway = Gateway::start().await;
    let mut socket = Socket::anonymous(&gateway).await;
    socket.send(json!({ "type": "authenticate", "requestId": "a1", "token": Token::for_user("alice").text() })).await;
    socket.send(json!({ "type": "subscribe_notifications" })).await;
    let connected = socket.expect("connected").await;
    assert_eq!(connected["requestId"], "a1");
    assert_eq!(connected["protocolVersion"], 1);
    socket.expect("subscription_confirmed").await;
}

#[tokio::test]
async fn rejects_commands_other_than_ping_before_authentication() {
    let gateway = Gateway::start().await;
    let mut socket = Socket::anonymous(&gateway).await;
    socket.send(json!({ "type": "ping" })).await;
    socket.expect("pong").await;
    let refused = socket.request(json!({ "type": "subscribe_notifications" })).await;
    assert_eq!((&refused["type"], &refused["code"]), (&json!("error"), &json!("unauthorized")));
    assert_eq!(refused["inReplyTo"], "subscribe_notifications");
}

#[tokio::test]
async fn rejects_invalid_token_with_401_before_upgrade_and_4401_after() {
    let gateway = Gateway::start().await;
    let bad = Token::for_user("alice").signed_with("another secret of at least 32 bytes!").text();
    assert_eq!(Socket::open(&gateway, "/ws", Some(&bad)).await.unwrap_err(), StatusCode::UNAUTHORIZED);
    let system = Token::for_user("system").text();
    assert_eq!(Socket::open(&gateway, "/ws", Some(&system)).await.unwrap_err(), StatusCode::UNAUTHORIZED);

    let mut by_query = Socket::open(&gateway, &format!("/ws?token={bad}"), None).await.unwrap();
    assert_eq!(error_and_close_code(&mut by_query).await, ("unauthorized".into(), 4401));

    let mut by_message = Socket::anonymous(&gateway).await;
    by_message.send(json!({ "type": "authenticate", "token": bad })).await;
    assert_eq!(error_and_close_code(&mut by_message).await, ("unauthorized".into(), 4401));
}

#[tokio::test]
async fn reports_token_expired_for_every_way_of_authentication() {
    let gateway = Gateway::start().await;
    let expired = Token::for_user("alice").expired_for(Duration::from_secs(60)).text();
    let upgrade = http_client()
        .get(format!("http://{}/ws", gateway.address()))
        .bearer_auth(&expired)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let refused = upgrade.send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(refused.json::<serde_json::Value>().await.unwrap()["code"], "token_expired");

    let mut by_query = Socket::open(&gateway, &format!("/ws?token={expired}"), None).await.unwrap();
    assert_eq!(error_and_close_code(&mut by_query).await, ("token_expired".into(), 4401));

    let mut by_message = Socket::anonymous(&gateway).await;
    by_message.send(json!({ "type": "authenticate", "token": expired })).await;
    assert_eq!(error_and_close_code(&mut by_message).await, ("token_expired".into(), 4401));

    let mut on_a_session = Socket::connect(&gateway, "alice").await;
    let refused = on_a_session.request(json!({ "type": "authenticate", "token": expired })).await;
    assert_eq!(refused["code"], "token_expired");
    on_a_session.chat("c", "the session stays open").await;
}

#[tokio::test]
async fn keeps_session_of_token_accepted_within_leeway() {
    let settings = Settings::default().set("auth.leeway", "\"1m\"").set("auth.expiry_grace", "\"0s\"");
    let gateway = Gateway::with(settings).await;
    let token = Token::for_user("alice").expired_for(Duration::from_secs(5)).text();
    let path = format!("/ws?token={token}");
    for (path, bearer) in [("/ws", Some(token.as_str())), (path.as_str(), None)] {
        let mut socket = Socket::open(&gateway, path, bearer).await.unwrap();
        socket.expect("connected").await;
        socket.chat("c", "accepted within the leeway").await;
        assert_eq!(socket.request(json!({ "type": "authenticate", "token": token })).await["type"], "authenticated");
        assert!(socket.messages_until_pong().await.is_empty());
    }
}

#[tokio::test]
async fn closes_session_when_leeway_of_token_ends() {
    let settings = Settings::default().set("auth.leeway", "\"3s\"").set("auth.expiry_grace", "\"1s\"");
    let gateway = Gateway::with(settings).await;
    let token = Token::for_user("alice").valid_for(Duration::ZERO);
    let mut socket = Socket::connect_with(&gateway, &token).await;
    assert_eq!(socket.wait_for("error").await["code"], "token_expired");
    assert_eq!(socket.close_code().await, 4401);
    assert_eq!(Socket::open(&gateway, "/ws", Some(&token.text())).await.unwrap_err(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn closes_connection_on_authentication_timeout() {
    let gateway = Gateway::with(Settings::default().set("auth.timeout", "\"300ms\"")).await;
    let mut socket = Socket::anonymous(&gateway).await;
    assert_eq!(error_and_close_code(&mut socket).await, ("unauthorized".into(), 4401));
}

#[tokio::test]
async fn reports_token_expired_and_closes_connection_after_grace() {
    let settings = Settings::default().set("auth.leeway", "\"0s\"").set("auth.expiry_grace", "\"1s\"");
    let gateway = Gateway::with(settings).await;
    let mut socket = Socket::connect_with(&gateway, &Token::for_user("alice").valid_for(Duration::from_secs(2))).await;
    socket.join("c").await;
    let error = socket.expect("error").await;
    assert_eq!(error["code"], "token_expired");
    let mut bob = Socket::connect(&gateway, "bob").await;
    bob.chat("c", "pushes are still delivered").await;
    socket.expect("chat").await;
    let refused = socket.request(json!({ "type": "chat", "clanId": "c", "content": "x" })).await;
    assert_eq!(refused["code"], "token_expired");
    assert_eq!(socket.close_code().await, 4401);
}

#[tokio::test]
async fn fresh_token_extends_expiry_and_replaces_grants() {
    let gateway = Gateway::with(Settings::default().set("auth.expiry_grace", "\"1s\"")).await;
    let mut socket = Socket::connect_with(&gateway, &Token::for_user("alice").valid_for(Duration::from_secs(3))).await;
    socket.join("kept").await;
    socket.join("lost").await;
    let fresh = Token::for_user("alice").clans(&["kept"]).text();
    let renewed = socket.request(json!({ "type": "authenticate", "token": fresh })).await;
    assert_eq!(renewed["type"], "authenticated");
    let ended = socket.expect("subscription_ended").await;
    assert_eq!((&ended["clanId"], &ended["code"]), (&json!("lost"), &json!("forbidden")));
    let mut bob = Socket::connect(&gateway, "bob").await;
    bob.chat("lost", "not delivered").await;
    bob.chat("kept", "delivered").await;
    assert_eq!(socket.expect("chat").await["content"], "delivered");

    let other = socket.request(json!({ "type": "authenticate", "token": Token::for_user("mallory").text() })).await;
    assert_eq!(other["code"], "unauthorized");
    let garbage = socket.request(json!({ "type": "authenticate", "token": "not a token" })).await;
    assert_eq!(garbage["code"], "unauthorized");
    assert_eq!(socket.request(json!({ "type": "presence", "clanId": "kept" })).await["type"], "presence");
}

#[tokio::test]
async fn rejects_origins_that_are_not_allowed() {
    let gateway = Gateway::with(Settings::default().set("origins.allowed", r#"["https://*.example.com"]"#)).await;
    let own = format!("http://{}", gateway.address());
    for (origin, is_allowed) in [
        (own.as_str(), true),
        ("https://app.example.com", true),
        ("https://example.org", false),
        ("https://evil-example.com", false),
        ("null", false),
    ] {
        let headers = [("origin", origin.to_owned())];
        let opened = Socket::open_with(&gateway, "/ws", &headers).await;
        assert_eq!(opened.as_ref().err().copied(), (!is_allowed).then_some(StatusCode::FORBIDDEN), "{origin}");
    }
}
