//! Who somebody is: three ways of saying so, what a bad token gets, expiry and fresh tokens on a live connection.

use std::time::Duration;

use realtime_gateway_tests::{Gateway, Settings, Socket, Token, end_of, http_client};
use reqwest::StatusCode;
use serde_json::json;

#[tokio::test]
async fn the_first_message_may_say_who() {
    let gateway = Gateway::start().await;
    let mut socket = Socket::anonymous(&gateway).await;
    socket.send(json!({ "type": "authenticate", "requestId": "a1", "token": Token::of("alice").text() })).await;
    socket.send(json!({ "type": "subscribe_notifications" })).await;
    let connected = socket.expect("connected").await;
    assert_eq!(connected["requestId"], "a1");
    assert_eq!(connected["protocolVersion"], 1);
    socket.expect("subscription_confirmed").await;
}

#[tokio::test]
async fn nothing_but_ping_is_answered_without_an_identity() {
    let gateway = Gateway::start().await;
    let mut socket = Socket::anonymous(&gateway).await;
    socket.send(json!({ "type": "ping" })).await;
    socket.expect("pong").await;
    let refused = socket.ask(json!({ "type": "subscribe_notifications" })).await;
    assert_eq!((&refused["type"], &refused["code"]), (&json!("error"), &json!("unauthorized")));
    assert_eq!(refused["inReplyTo"], "subscribe_notifications");
}

#[tokio::test]
async fn a_bad_token_gets_401_before_the_upgrade_and_4401_after_it() {
    let gateway = Gateway::start().await;
    let bad = Token::of("alice").signed_with("another secret of at least 32 bytes!").text();
    assert_eq!(Socket::open(&gateway, "/ws", Some(&bad)).await.unwrap_err(), StatusCode::UNAUTHORIZED);
    let system = Token::of("system").text();
    assert_eq!(Socket::open(&gateway, "/ws", Some(&system)).await.unwrap_err(), StatusCode::UNAUTHORIZED);

    let mut by_query = Socket::open(&gateway, &format!("/ws?token={bad}"), None).await.unwrap();
    assert_eq!(end_of(&mut by_query).await, ("unauthorized".into(), 4401));

    let mut by_message = Socket::anonymous(&gateway).await;
    by_message.send(json!({ "type": "authenticate", "token": bad })).await;
    assert_eq!(end_of(&mut by_message).await, ("unauthorized".into(), 4401));
}

#[tokio::test]
async fn an_expired_token_has_one_code_however_it_is_given() {
    let gateway = Gateway::start().await;
    let expired = Token::of("alice").expired(Duration::from_secs(60)).text();
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
    assert_eq!(end_of(&mut by_query).await, ("token_expired".into(), 4401));

    let mut by_message = Socket::anonymous(&gateway).await;
    by_message.send(json!({ "type": "authenticate", "token": expired })).await;
    assert_eq!(end_of(&mut by_message).await, ("token_expired".into(), 4401));

    let mut on_a_session = Socket::of(&gateway, "alice").await;
    let refused = on_a_session.ask(json!({ "type": "authenticate", "token": expired })).await;
    assert_eq!(refused["code"], "token_expired");
    on_a_session.chat("c", "the session stays").await;
}

#[tokio::test]
async fn a_token_that_is_taken_within_the_leeway_makes_a_session_that_lasts() {
    let settings = Settings::default().set("auth.leeway", "\"1m\"").set("auth.expiry_grace", "\"0s\"");
    let gateway = Gateway::with(settings).await;
    let token = Token::of("alice").expired(Duration::from_secs(5)).text();
    let path = format!("/ws?token={token}");
    for (path, bearer) in [("/ws", Some(token.as_str())), (path.as_str(), None)] {
        let mut socket = Socket::open(&gateway, path, bearer).await.unwrap();
        socket.expect("connected").await;
        socket.chat("c", "it may be used").await;
        assert_eq!(socket.ask(json!({ "type": "authenticate", "token": token })).await["type"], "authenticated");
        assert!(socket.drain().await.is_empty());
    }
}

#[tokio::test]
async fn a_session_ends_with_the_leeway_of_its_token() {
    let settings = Settings::default().set("auth.leeway", "\"3s\"").set("auth.expiry_grace", "\"1s\"");
    let gateway = Gateway::with(settings).await;
    let token = Token::of("alice").lasting(Duration::ZERO);
    let mut socket = Socket::with(&gateway, &token).await;
    assert_eq!(socket.until("error").await["code"], "token_expired");
    assert_eq!(socket.closed().await, 4401);
    assert_eq!(Socket::open(&gateway, "/ws", Some(&token.text())).await.unwrap_err(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn silence_about_who_ends_the_connection() {
    let gateway = Gateway::with(Settings::default().set("auth.timeout", "\"300ms\"")).await;
    let mut socket = Socket::anonymous(&gateway).await;
    assert_eq!(end_of(&mut socket).await, ("unauthorized".into(), 4401));
}

#[tokio::test]
async fn an_expired_token_is_told_and_after_the_grace_the_connection_ends() {
    let settings = Settings::default().set("auth.leeway", "\"0s\"").set("auth.expiry_grace", "\"1s\"");
    let gateway = Gateway::with(settings).await;
    let mut socket = Socket::with(&gateway, &Token::of("alice").lasting(Duration::from_secs(2))).await;
    socket.join("c").await;
    let told = socket.expect("error").await;
    assert_eq!(told["code"], "token_expired");
    let mut bob = Socket::of(&gateway, "bob").await;
    bob.chat("c", "pushes go on").await;
    socket.expect("chat").await;
    let refused = socket.ask(json!({ "type": "chat", "clanId": "c", "content": "x" })).await;
    assert_eq!(refused["code"], "token_expired");
    assert_eq!(socket.closed().await, 4401);
}

#[tokio::test]
async fn a_fresh_token_moves_the_expiry_and_replaces_the_grants() {
    let gateway = Gateway::with(Settings::default().set("auth.expiry_grace", "\"1s\"")).await;
    let mut socket = Socket::with(&gateway, &Token::of("alice").lasting(Duration::from_secs(3))).await;
    socket.join("kept").await;
    socket.join("lost").await;
    let fresh = Token::of("alice").clans(&["kept"]).text();
    let renewed = socket.ask(json!({ "type": "authenticate", "token": fresh })).await;
    assert_eq!(renewed["type"], "authenticated");
    let ended = socket.expect("subscription_ended").await;
    assert_eq!((&ended["clanId"], &ended["code"]), (&json!("lost"), &json!("forbidden")));
    let mut bob = Socket::of(&gateway, "bob").await;
    bob.chat("lost", "unheard").await;
    bob.chat("kept", "heard").await;
    assert_eq!(socket.expect("chat").await["content"], "heard");

    let other = socket.ask(json!({ "type": "authenticate", "token": Token::of("mallory").text() })).await;
    assert_eq!(other["code"], "unauthorized");
    let garbage = socket.ask(json!({ "type": "authenticate", "token": "not a token" })).await;
    assert_eq!(garbage["code"], "unauthorized");
    assert_eq!(socket.ask(json!({ "type": "presence", "clanId": "kept" })).await["type"], "presence");
}

#[tokio::test]
async fn origins_other_than_the_own_are_refused() {
    let gateway = Gateway::with(Settings::default().set("origins.allowed", r#"["https://*.example.com"]"#)).await;
    let own = format!("http://{}", gateway.address());
    for (origin, lets_in) in [
        (own.as_str(), true),
        ("https://app.example.com", true),
        ("https://example.org", false),
        ("https://evil-example.com", false),
        ("null", false),
    ] {
        let headers = [("origin", origin.to_owned())];
        let opened = Socket::open_with(&gateway, "/ws", &headers).await;
        assert_eq!(opened.as_ref().err().copied(), (!lets_in).then_some(StatusCode::FORBIDDEN), "{origin}");
    }
}
