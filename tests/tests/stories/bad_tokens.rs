//! Rate limit on invalid tokens: an address that sends many is limited, and valid tokens from it are still accepted.

use std::time::Duration;

use realtime_gateway_tests::{Gateway, Settings, Socket, Token, error_and_close_code, http_client};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

fn invalid_token() -> String {
    Token::for_user("alice").signed_with("another secret of at least 32 bytes!").text()
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
async fn rate_limits_address_after_20_invalid_tokens_a_minute() {
    let gateway = Gateway::start().await;
    for _ in 0..20 {
        assert_eq!(upgrade(&gateway, &invalid_token()).await.status(), StatusCode::UNAUTHORIZED);
    }
    let refused = upgrade(&gateway, &invalid_token()).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let seconds: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["code"], "rate_limited");
    assert_eq!(problem["type"], "/docs/protocol#error-rate_limited");
    assert!(problem["retryAfterMs"].as_u64().unwrap() <= 60_000, "{problem}");

    // After an upgrade the limit is reported by the close code.
    let mut by_query = Socket::open(&gateway, &format!("/ws?token={}", invalid_token()), None).await.unwrap();
    assert_eq!(error_and_close_code(&mut by_query).await, ("rate_limited".into(), 4429));
    let mut by_message = Socket::anonymous(&gateway).await;
    by_message.send(json!({ "type": "authenticate", "token": invalid_token() })).await;
    let error = by_message.expect("error").await;
    assert_eq!((&error["code"], error["retryAfterMs"].as_u64().is_some()), (&json!("rate_limited"), true));
    assert_eq!(by_message.close_code().await, 4429);

    // Valid tokens are still accepted, and expired tokens are still reported as such.
    let mut bob = Socket::connect(&gateway, "bob").await;
    let mut carol = Socket::anonymous(&gateway).await;
    carol.send(json!({ "type": "authenticate", "token": Token::for_user("carol").text() })).await;
    carol.expect("connected").await;
    let expired = Token::for_user("dave").expired_for(Duration::from_secs(60)).text();
    assert_eq!(upgrade(&gateway, &expired).await.status(), StatusCode::UNAUTHORIZED);

    // An open session survives one invalid token, but not a hundred.
    assert_eq!(bob.request(json!({ "type": "authenticate", "token": invalid_token() })).await["code"], "rate_limited");
    bob.chat("c", "still here").await;
    for _ in 0..120 {
        if !bob.try_send_text(&json!({ "type": "authenticate", "token": invalid_token() }).to_string()).await {
            break;
        }
    }
    assert_eq!(bob.close_code().await, 4429);
}

#[tokio::test]
async fn expired_tokens_do_not_count_as_invalid() {
    let gateway = Gateway::with(Settings::default().set("limits.bad_tokens_per_ip_per_minute", "1")).await;
    let expired = Token::for_user("alice").expired_for(Duration::from_secs(60)).text();
    for _ in 0..5 {
        assert_eq!(upgrade(&gateway, &expired).await.status(), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(upgrade(&gateway, &invalid_token()).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(upgrade(&gateway, &invalid_token()).await.status(), StatusCode::TOO_MANY_REQUESTS);
}
