//! Outages of the identity provider or the store: clients are answered `unavailable` and may retry, none is rejected.

use std::time::Duration;

use realtime_gateway_brokers::redis;
use realtime_gateway_tests::{
    FaultProxy, Gateway, LinkState, Settings, Socket, StubHttpServer, Token, error_and_close_code, eventually, key_set,
};
use reqwest::StatusCode;
use serde_json::json;

/// A gateway that fetches the keys of an identity provider through a fault proxy.
struct GatewayWithIdentityProvider {
    provider: StubHttpServer,
    link: FaultProxy,
    gateway: Gateway,
}

impl GatewayWithIdentityProvider {
    async fn start(kids: &[&str]) -> Self {
        Self::with(kids, Settings::default()).await
    }

    async fn with(kids: &[&str], settings: Settings) -> Self {
        Self::behind(LinkState::Healthy, kids, settings).await
    }

    /// Starts a gateway whose link to the identity provider is in this state.
    async fn behind(state: LinkState, kids: &[&str], settings: Settings) -> Self {
        let provider = StubHttpServer::start(key_set(kids)).await;
        let link = FaultProxy::to(provider.address()).await;
        link.set(state);
        let url = format!("\"http://{}/keys\"", link.address());
        let gateway = Gateway::with(settings.set("auth.jwks_url", &url)).await;
        Self { provider, link, gateway }
    }
}

/// Authenticates by query and by message, and expects the same error and close code from both.
async fn expect_rejection_by_query_and_message(gateway: &Gateway, token: &str, end: (&str, u16)) {
    let end = (end.0.to_owned(), end.1);
    let by_query = async {
        let mut socket = Socket::open(gateway, &format!("/ws?token={token}"), None).await.unwrap();
        assert_eq!(error_and_close_code(&mut socket).await, end, "?token=");
    };
    let by_message = async {
        let mut socket = Socket::anonymous(gateway).await;
        let refused = socket.request(json!({ "type": "authenticate", "token": token })).await;
        assert_eq!((&refused["code"], &refused["inReplyTo"]), (&json!(end.0), &json!("authenticate")));
        assert_eq!(refused["retryAfterMs"].is_u64(), end.1 == 1013, "{refused}");
        assert!(!refused["message"].as_str().unwrap().contains("clientMessageId"), "{refused}");
        assert_eq!(socket.close_code().await, end.1, "authenticate");
    };
    tokio::join!(by_query, by_message);
}

/// Reconnects until the gateway admits the client.
async fn connect_until_admitted(gateway: &Gateway, token: &str) -> Socket {
    let mut found = None;
    while found.is_none() {
        let mut socket = Socket::anonymous(gateway).await;
        let response = socket.request(json!({ "type": "authenticate", "token": token })).await;
        found = match response["code"].as_str() {
            None => Some(socket),
            Some(code) => {
                assert_eq!((code, socket.close_code().await), ("unavailable", 1013));
                None
            }
        };
    }
    found.unwrap()
}

#[tokio::test]
async fn answers_unavailable_while_identity_provider_is_unreachable() {
    let GatewayWithIdentityProvider { link, gateway, provider: _provider } =
        GatewayWithIdentityProvider::behind(LinkState::Refused, &["k1"], Settings::default()).await;
    let token = Token::for_user("alice").from_provider("k1");
    for state in [LinkState::Refused, LinkState::Stalled] {
        link.set(state);
        let by_header = async {
            let status = Socket::open(&gateway, "/ws", Some(&token)).await.unwrap_err();
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{state:?}");
        };
        tokio::join!(by_header, expect_rejection_by_query_and_message(&gateway, &token, ("unavailable", 1013)));
    }
    link.cut();
    link.set(LinkState::Healthy);
    connect_until_admitted(&gateway, &token).await.chat("c", "admitted with the same token").await;
    // Fetched keys stay valid. An unknown key may be new, so a token signed with it is answered `unavailable`.
    link.set(LinkState::Refused);
    let mut known = Socket::open(&gateway, "/ws", Some(&token)).await.unwrap();
    known.expect("connected").await;
    expect_rejection_by_query_and_message(
        &gateway,
        &Token::for_user("bob").from_provider("new"),
        ("unavailable", 1013),
    )
    .await;
}

#[tokio::test]
async fn answers_unavailable_for_new_key_until_next_fetch() {
    let GatewayWithIdentityProvider { provider, gateway, link: _line } =
        GatewayWithIdentityProvider::start(&["old"]).await;
    let token = |kid: &str| Token::for_user(kid).from_provider(kid);
    // The keys are fetched at the start.
    provider.wait_for_requests(1).await;
    Socket::open(&gateway, "/ws", Some(&token("old"))).await.unwrap().expect("connected").await;
    assert_eq!(provider.request_count(), 1);
    // The first unknown key is fetched immediately, the next one not before the interval between fetches has passed.
    provider.set_response(key_set(&["new"]));
    Socket::open(&gateway, "/ws", Some(&token("new"))).await.unwrap().expect("connected").await;
    provider.set_response(key_set(&["newest"]));
    let status = Socket::open(&gateway, "/ws", Some(&token("newest"))).await.unwrap_err();
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    expect_rejection_by_query_and_message(&gateway, &token("newest"), ("unavailable", 1013)).await;
    assert_eq!(provider.request_count(), 2);
}

#[tokio::test]
async fn rejects_key_that_is_missing_from_fresh_key_set() {
    let GatewayWithIdentityProvider { gateway, link: _line, provider: _provider } =
        GatewayWithIdentityProvider::start(&["k1"]).await;
    let token = Token::for_user("alice").from_provider("made-up");
    assert_eq!(Socket::open(&gateway, "/ws", Some(&token)).await.unwrap_err(), StatusCode::UNAUTHORIZED);
    expect_rejection_by_query_and_message(&gateway, &token, ("unauthorized", 4401)).await;
}

#[tokio::test]
async fn closes_session_with_1013_when_fresh_token_cannot_be_verified() {
    let settings = Settings::default().set("auth.leeway", "\"0s\"").set("auth.expiry_grace", "\"1s\"");
    let GatewayWithIdentityProvider { link: _line, gateway, provider: _provider } =
        GatewayWithIdentityProvider::behind(LinkState::Refused, &["k1"], settings).await;
    let mut socket = Socket::connect_with(&gateway, &Token::for_user("alice").valid_for(Duration::from_secs(3))).await;
    let fresh = Token::for_user("alice").from_provider("k1");
    let refused = socket.request(json!({ "type": "authenticate", "token": fresh })).await;
    assert_eq!(refused["code"], "unavailable");
    assert_eq!(socket.chat("c", "the old token is still valid").await["offset"], 1);
    assert_eq!(socket.wait_for("error").await["code"], "token_expired");
    assert_eq!(error_and_close_code(&mut socket).await, ("unavailable".into(), 1013));
}

#[tokio::test]
async fn answers_unavailable_while_store_is_unreachable() {
    let redis = tokio::task::spawn_blocking(redis::shared).await.unwrap();
    let (url, prefix) = (redis.url(), uuid::Uuid::now_v7().simple().to_string());
    let link = FaultProxy::to(url.strip_prefix("redis://").unwrap().trim_end_matches('/')).await;
    let settings = Settings::default()
        .set("store.url", &format!("\"redis://{}\"", link.address()))
        .set("store.prefix", &format!("\"{prefix}\""));
    let gateway = Gateway::with(settings).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    let token = Token::for_user("bob").text();
    for state in [LinkState::Stalled, LinkState::Refused] {
        link.set(state);
        for _ in 0..2 {
            let by_header = async {
                let mut socket = Socket::open(&gateway, "/ws", Some(&token)).await.unwrap();
                assert_eq!(error_and_close_code(&mut socket).await, ("unavailable".into(), 1013), "{state:?}");
            };
            tokio::join!(by_header, expect_rejection_by_query_and_message(&gateway, &token, ("unavailable", 1013)));
        }
        // The existing session stays open, and its token can be renewed.
        let fresh = Token::for_user("alice").text();
        let renewed = alice.request(json!({ "type": "authenticate", "token": fresh })).await;
        assert_eq!(renewed["type"], "authenticated");
        for (command, names_the_id) in [
            (json!({ "type": "chat", "clanId": "c", "content": "x", "clientMessageId": "m1" }), true),
            (json!({ "type": "chat", "clanId": "c", "content": "x" }), false),
            (json!({ "type": "subscribe_clan_chat", "clanId": "c" }), false),
            (json!({ "type": "chat_history", "clanId": "c" }), false),
            (json!({ "type": "notification_ack", "notificationId": "n1" }), false),
        ] {
            let refused = alice.request(command).await;
            assert_eq!(refused["code"], "unavailable", "{refused}");
            let named = refused["message"].as_str().unwrap().contains("the same clientMessageId");
            assert_eq!(named, names_the_id, "{refused}");
        }
    }
    link.cut();
    link.set(LinkState::Healthy);
    let mut bob = connect_until_admitted(&gateway, &token).await;
    bob.send(json!({ "type": "ping" })).await;
    bob.expect("pong").await;
    let one_each = || async {
        let sessions = |user: &'static str| {
            let api = gateway.api();
            async move { api.get(&format!("/api/v1/users/{user}/sessions")).await["sessions"].as_array().unwrap().len() }
        };
        sessions("alice").await == 1 && sessions("bob").await == 1
    };
    eventually("rejected attempts leave no session", one_each).await;
    alice.request(json!({ "type": "ping" })).await;
}
