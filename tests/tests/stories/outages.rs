//! An identity provider, a store or a node that is away refuses no client: clients are asked to come back.

use std::time::Duration;

use realtime_gateway_brokers::redis;
use realtime_gateway_tests::{Answers, Gateway, Line, Settings, Socket, Token, Weather, end_of, eventually, key_set};
use reqwest::StatusCode;
use serde_json::json;

/// A gateway that fetches keys over a line, which a test can cut.
struct Provided {
    provider: Answers,
    line: Line,
    gateway: Gateway,
}

impl Provided {
    async fn start(kids: &[&str]) -> Self {
        Self::with(kids, Settings::default()).await
    }

    async fn with(kids: &[&str], settings: Settings) -> Self {
        let provider = Answers::start(key_set(kids)).await;
        let line = Line::to(provider.address()).await;
        let url = format!("\"http://{}/keys\"", line.address());
        let gateway = Gateway::with(settings.set("auth.jwks_url", &url)).await;
        Self { provider, line, gateway }
    }
}

/// Authenticates in the other two ways, and expects the same end of both.
async fn by_query_and_message(gateway: &Gateway, token: &str, end: (&str, u16)) {
    let end = (end.0.to_owned(), end.1);
    let by_query = async {
        let mut socket = Socket::open(gateway, &format!("/ws?token={token}"), None).await.unwrap();
        assert_eq!(end_of(&mut socket).await, end, "?token=");
    };
    let by_message = async {
        let mut socket = Socket::anonymous(gateway).await;
        let refused = socket.ask(json!({ "type": "authenticate", "token": token })).await;
        assert_eq!((&refused["code"], &refused["inReplyTo"]), (&json!(end.0), &json!("authenticate")));
        assert_eq!(refused["retryAfterMs"].is_u64(), end.1 == 1013, "{refused}");
        assert!(!refused["message"].as_str().unwrap().contains("clientMessageId"), "{refused}");
        assert_eq!(socket.closed().await, end.1, "authenticate");
    };
    tokio::join!(by_query, by_message);
}

/// Comes back until it is let in.
async fn eventually_in(gateway: &Gateway, token: &str) -> Socket {
    let mut found = None;
    while found.is_none() {
        let mut socket = Socket::anonymous(gateway).await;
        let answer = socket.ask(json!({ "type": "authenticate", "token": token })).await;
        found = match answer["code"].as_str() {
            None => Some(socket),
            Some(code) => {
                assert_eq!((code, socket.closed().await), ("unavailable", 1013));
                None
            }
        };
    }
    found.unwrap()
}

#[tokio::test]
async fn a_provider_that_is_away_refuses_nobody() {
    let Provided { line, gateway, provider: _provider } = Provided::start(&["k1"]).await;
    let token = Token::of("alice").from_provider("k1");
    for weather in [Weather::Refused, Weather::Stalled] {
        line.set(weather);
        let by_header = async {
            let status = Socket::open(&gateway, "/ws", Some(&token)).await.unwrap_err();
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{weather:?}");
        };
        tokio::join!(by_header, by_query_and_message(&gateway, &token, ("unavailable", 1013)));
    }
    line.cut();
    line.set(Weather::Fair);
    eventually_in(&gateway, &token).await.chat("c", "let in with the same token").await;
    // Keys that were fetched stay valid. Whether the provider has others is not known now.
    line.set(Weather::Refused);
    let mut known = Socket::open(&gateway, "/ws", Some(&token)).await.unwrap();
    known.expect("connected").await;
    by_query_and_message(&gateway, &Token::of("bob").from_provider("new"), ("unavailable", 1013)).await;
}

#[tokio::test]
async fn a_new_key_is_not_refused_between_two_fetches() {
    let Provided { provider, gateway, line: _line } = Provided::start(&["old"]).await;
    let (old, new) = (Token::of("alice").from_provider("old"), Token::of("bob").from_provider("new"));
    Socket::open(&gateway, "/ws", Some(&old)).await.unwrap().expect("connected").await;
    provider.set(key_set(&["new"]));
    let status = Socket::open(&gateway, "/ws", Some(&new)).await.unwrap_err();
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    by_query_and_message(&gateway, &new, ("unavailable", 1013)).await;
    assert_eq!(provider.asked(), 1);
}

#[tokio::test]
async fn a_key_that_a_fresh_set_does_not_have_is_refused() {
    let Provided { gateway, line: _line, provider: _provider } = Provided::start(&["k1"]).await;
    let token = Token::of("alice").from_provider("made-up");
    assert_eq!(Socket::open(&gateway, "/ws", Some(&token)).await.unwrap_err(), StatusCode::UNAUTHORIZED);
    by_query_and_message(&gateway, &token, ("unauthorized", 4401)).await;
}

#[tokio::test]
async fn a_session_whose_fresh_token_cannot_be_checked_may_come_back() {
    let settings = Settings::default().set("auth.leeway", "\"0s\"").set("auth.expiry_grace", "\"1s\"");
    let Provided { line, gateway, provider: _provider } = Provided::with(&["k1"], settings).await;
    let mut socket = Socket::with(&gateway, &Token::of("alice").lasting(Duration::from_secs(3))).await;
    line.set(Weather::Refused);
    let fresh = Token::of("alice").from_provider("k1");
    let refused = socket.ask(json!({ "type": "authenticate", "token": fresh })).await;
    assert_eq!(refused["code"], "unavailable");
    assert_eq!(socket.chat("c", "the old token holds").await["offset"], 1);
    assert_eq!(socket.until("error").await["code"], "token_expired");
    assert_eq!(end_of(&mut socket).await, ("unavailable".into(), 1013));
}

#[tokio::test]
async fn a_store_that_is_away_refuses_nobody() {
    let redis = tokio::task::spawn_blocking(redis::shared).await.unwrap();
    let (url, prefix) = (redis.url(), uuid::Uuid::now_v7().simple().to_string());
    let line = Line::to(url.strip_prefix("redis://").unwrap().trim_end_matches('/')).await;
    let settings = Settings::default()
        .set("store.url", &format!("\"redis://{}\"", line.address()))
        .set("store.prefix", &format!("\"{prefix}\""));
    let gateway = Gateway::with(settings).await;
    let mut alice = Socket::of(&gateway, "alice").await;
    let token = Token::of("bob").text();
    for weather in [Weather::Stalled, Weather::Refused] {
        line.set(weather);
        for _ in 0..2 {
            let by_header = async {
                let mut socket = Socket::open(&gateway, "/ws", Some(&token)).await.unwrap();
                assert_eq!(end_of(&mut socket).await, ("unavailable".into(), 1013), "{weather:?}");
            };
            tokio::join!(by_header, by_query_and_message(&gateway, &token, ("unavailable", 1013)));
        }
        // The session that is there stays, and its token can be renewed.
        let fresh = Token::of("alice").text();
        let renewed = alice.ask(json!({ "type": "authenticate", "token": fresh })).await;
        assert_eq!(renewed["type"], "authenticated");
        for (command, names_the_id) in [
            (json!({ "type": "chat", "clanId": "c", "content": "x", "clientMessageId": "m1" }), true),
            (json!({ "type": "chat", "clanId": "c", "content": "x" }), false),
            (json!({ "type": "subscribe_clan_chat", "clanId": "c" }), false),
            (json!({ "type": "chat_history", "clanId": "c" }), false),
            (json!({ "type": "notification_ack", "notificationId": "n1" }), false),
        ] {
            let refused = alice.ask(command).await;
            assert_eq!(refused["code"], "unavailable", "{refused}");
            let named = refused["message"].as_str().unwrap().contains("the same clientMessageId");
            assert_eq!(named, names_the_id, "{refused}");
        }
    }
    line.cut();
    line.set(Weather::Fair);
    let mut bob = eventually_in(&gateway, &token).await;
    bob.send(json!({ "type": "ping" })).await;
    bob.expect("pong").await;
    let one_each = || async {
        let sessions = |user: &'static str| {
            let api = gateway.api();
            async move { api.get(&format!("/api/v1/users/{user}/sessions")).await["sessions"].as_array().unwrap().len() }
        };
        sessions("alice").await == 1 && sessions("bob").await == 1
    };
    eventually("nothing is left of the attempts", one_each).await;
    alice.ask(json!({ "type": "ping" })).await;
}
