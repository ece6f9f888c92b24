//! An address that presents one bad token after the other is told to wait; a user with a valid one is let in.

use std::time::Duration;

use realtime_gateway_tests::{Gateway, Settings, Socket, Token, end_of, http_client};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

fn bad() -> String {
    Token::of("alice").signed_with("another secret of at least 32 bytes!").text()
}

async fn upgrade(gateway: &Gateway, token: &str) -> Response {
    let request = http_client()
        .get(format!("http://{}/ws", gateway.address()))
        .bearer_auth(token)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    request.send().await.unwrap()
}

#[tokio::test]
async fn twenty_bad_tokens_a_minute_are_answered_and_more_have_to_wait() {
    let gateway = Gateway::start().await;
    for _ in 0..20 {
        assert_eq!(upgrade(&gateway, &bad()).await.status(), StatusCode::UNAUTHORIZED);
    }
    let refused = upgrade(&gateway, &bad()).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let seconds: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["code"], "rate_limited");
    assert_eq!(problem["type"], "/docs/protocol#error-rate_limited");
    assert!(problem["retryAfterMs"].as_u64().unwrap() <= 60_000, "{problem}");

    // After an upgrade the same shows in the close code.
    let mut by_query = Socket::open(&gateway, &format!("/ws?token={}", bad()), None).await.unwrap();
    assert_eq!(end_of(&mut by_query).await, ("rate_limited".into(), 4429));
    let mut by_message = Socket::anonymous(&gateway).await;
    by_message.send(json!({ "type": "authenticate", "token": bad() })).await;
    let error = by_message.expect("error").await;
    assert_eq!((&error["code"], error["retryAfterMs"].as_u64().is_some()), (&json!("rate_limited"), true));
    assert_eq!(by_message.closed().await, 4429);

    // Whoever has a valid token is not kept out, and whoever has an old one is told so.
    let mut bob = Socket::of(&gateway, "bob").await;
    let mut carol = Socket::anonymous(&gateway).await;
    carol.send(json!({ "type": "authenticate", "token": Token::of("carol").text() })).await;
    carol.expect("connected").await;
    let expired = Token::of("dave").expired(Duration::from_secs(60)).text();
    assert_eq!(upgrade(&gateway, &expired).await.status(), StatusCode::UNAUTHORIZED);

    // A live session survives a bad token, but not the hundredth.
    assert_eq!(bob.ask(json!({ "type": "authenticate", "token": bad() })).await["code"], "rate_limited");
    bob.chat("c", "still here").await;
    for _ in 0..120 {
        if !bob.try_send_text(&json!({ "type": "authenticate", "token": bad() }).to_string()).await {
            break;
        }
    }
    assert_eq!(bob.closed().await, 4429);
}

#[tokio::test]
async fn expired_tokens_do_not_count() {
    let gateway = Gateway::with(Settings::default().set("limits.bad_tokens_per_ip_per_minute", "1")).await;
    let expired = Token::of("alice").expired(Duration::from_secs(60)).text();
    for _ in 0..5 {
        assert_eq!(upgrade(&gateway, &expired).await.status(), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(upgrade(&gateway, &bad()).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(upgrade(&gateway, &bad()).await.status(), StatusCode::TOO_MANY_REQUESTS);
}
