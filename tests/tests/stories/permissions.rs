//! Permissions from a backend service over HTTP: caching, expiry, failures of the service, and revocation.

use realtime_gateway_tests::{Gateway, Settings, Socket, StubHttpServer, Token};
use serde_json::json;

/// Returns the settings of a gateway that checks permissions with this service.
fn settings(service: &StubHttpServer) -> Settings {
    Settings::default().set("permissions.source", "\"http\"").set("permissions.url", &format!("\"{}\"", service.url()))
}

/// Returns a response that is not a valid permission.
fn invalid_response() -> serde_json::Value {
    json!("not an answer")
}

/// Checks that the messages received so far have these types only.
async fn expect_only(socket: &mut Socket, types: &[&str]) {
    for message in socket.messages_until_pong().await {
        assert!(types.iter().any(|known| message["type"] == *known), "{message}");
    }
}

#[tokio::test]
async fn caches_permission() {
    let service = StubHttpServer::start(json!({ "allowed": true })).await;
    let gateway = Gateway::with(settings(&service)).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    for _ in 0..20 {
        alice.chat("c", "again").await;
    }
    assert_eq!(service.request_count(), 1);
}

#[tokio::test]
async fn answers_forbidden_on_denial_and_unavailable_on_failure() {
    let service = StubHttpServer::start(json!({ "allowed": false })).await;
    let gateway = Gateway::with(settings(&service)).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    let chat = |clan: &str| json!({ "type": "chat", "clanId": clan, "content": "x" });
    assert_eq!(alice.request(chat("c")).await["code"], "forbidden");
    service.set_response(invalid_response());
    assert_eq!(alice.request(chat("d")).await["code"], "unavailable");
    // A user's own notifications need no permission.
    assert_eq!(alice.request(json!({ "type": "subscribe_notifications" })).await["type"], "subscription_confirmed");
}

#[tokio::test]
async fn ends_subscription_when_permission_is_revoked() {
    let service = StubHttpServer::start(json!({ "allowed": true, "ttlSeconds": 1 })).await;
    let gateway = Gateway::with(settings(&service)).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.request(json!({ "type": "subscribe_clan_chat", "clanId": "c" })).await;
    service.set_response(json!({ "allowed": false }));
    let ended = alice.expect("subscription_ended").await;
    assert_eq!((&ended["clanId"], &ended["code"]), (&json!("c"), &json!("forbidden")));
}

#[tokio::test]
async fn keeps_granted_permissions_while_service_fails() {
    let service = StubHttpServer::start(json!({ "allowed": true, "ttlSeconds": 1 })).await;
    let gateway = Gateway::with(settings(&service)).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.request(json!({ "type": "subscribe_clan_chat", "clanId": "c" })).await;
    alice.chat("c", "granted").await;
    let requests = service.request_count();
    service.set_response(invalid_response());
    // The gateway checks again several times, and each check fails.
    service.wait_for_requests(requests + 3).await;
    assert_eq!(alice.chat("c", "a granted permission stays valid").await["offset"], 2);
    let other = alice.request(json!({ "type": "chat", "clanId": "another", "content": "x" })).await;
    assert_eq!(other["code"], "unavailable", "a permission that was never granted is unavailable");
    // A fresh token does not end the subscription either.
    let fresh = alice.request(json!({ "type": "authenticate", "token": Token::for_user("alice").text() })).await;
    assert_eq!(fresh["type"], "authenticated");
    assert_eq!(alice.chat("c", "still granted").await["offset"], 3);
    expect_only(&mut alice, &["chat"]).await;
    // A valid answer of the service applies immediately.
    service.set_response(json!({ "allowed": false }));
    assert_eq!(alice.wait_for("subscription_ended").await["code"], "forbidden");
}

#[tokio::test]
async fn keeps_subscription_when_service_recovers_within_grace() {
    let service = StubHttpServer::start(json!({ "allowed": true, "ttlSeconds": 0 })).await;
    let gateway = Gateway::with(settings(&service)).await;
    let (mut alice, mut bob) = (Socket::connect(&gateway, "alice").await, Socket::connect(&gateway, "bob").await);
    alice.request(json!({ "type": "subscribe_clan_chat", "clanId": "c" })).await;
    for _ in 0..2 {
        service.set_response(invalid_response());
        service.wait_for_requests(service.request_count() + 1).await;
        let refused = bob.request(json!({ "type": "chat", "clanId": "c", "content": "x" })).await;
        assert_eq!(refused["code"], "unavailable", "an answer with a lifetime of 0 s was used twice");
        service.set_response(json!({ "allowed": true, "ttlSeconds": 0 }));
        service.wait_for_requests(service.request_count() + 1).await;
        bob.chat("c", "allowed").await;
    }
    assert_eq!(alice.messages_until_pong().await.len(), 2);
}

#[tokio::test]
async fn ends_subscription_with_unavailable_after_grace() {
    let service = StubHttpServer::start(json!({ "allowed": true, "ttlSeconds": 1 })).await;
    let gateway = Gateway::with(settings(&service).set("permissions.stale_grace", "\"2s\"")).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    let subscribe = json!({ "type": "subscribe_clan_chat", "clanId": "c", "history": 1 });
    alice.request(subscribe.clone()).await;
    let requests = service.request_count();
    service.set_response(invalid_response());
    let ended = alice.expect("subscription_ended").await;
    assert_eq!((&ended["clanId"], &ended["code"]), (&json!("c"), &json!("unavailable")));
    assert!(service.request_count() > requests + 1, "the permission was not checked again during the grace");
    assert_eq!(alice.request(subscribe.clone()).await["code"], "unavailable");
    service.set_response(json!({ "allowed": true }));
    assert_eq!(alice.request(subscribe).await["type"], "subscription_confirmed");
}

#[tokio::test]
async fn ends_subscription_on_first_failure_without_grace() {
    let service = StubHttpServer::start(json!({ "allowed": true, "ttlSeconds": 1 })).await;
    let gateway = Gateway::with(settings(&service).set("permissions.stale_grace", "\"0s\"")).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.request(json!({ "type": "subscribe_clan_chat", "clanId": "c" })).await;
    let requests = service.request_count();
    service.set_response(invalid_response());
    assert_eq!(alice.expect("subscription_ended").await["code"], "unavailable");
    assert_eq!(service.request_count(), requests + 1);
}

#[tokio::test]
async fn repeated_subscribing_does_not_add_permission_checks() {
    let service = StubHttpServer::start(json!({ "allowed": true, "ttlSeconds": 1 })).await;
    let gateway = Gateway::with(settings(&service)).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    for _ in 0..50 {
        alice.request(json!({ "type": "unsubscribe_clan_chat", "clanId": "c" })).await;
        for _ in 0..2 {
            alice.request(json!({ "type": "subscribe_clan_chat", "clanId": "c" })).await;
        }
    }
    let requests = service.request_count();
    service.set_response(json!({ "allowed": false }));
    assert_eq!(alice.wait_for("subscription_ended").await["code"], "forbidden");
    assert_eq!(service.request_count(), requests + 1, "one subscription sends one check");
}
