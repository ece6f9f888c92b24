//! Permissions asked of a backend service over HTTP: cached, bounded in time, closed when it fails, withdrawn live.

use realtime_gateway_tests::{Answers, Gateway, Settings, Socket, Token};
use serde_json::json;

/// The settings of a gateway that asks this service.
fn settings(service: &Answers) -> Settings {
    Settings::default().set("permissions.source", "\"http\"").set("permissions.url", &format!("\"{}\"", service.url()))
}

/// What a service says that is out of order.
fn nonsense() -> serde_json::Value {
    json!("not an answer")
}

/// Whatever came to a socket until now is nothing but these types.
async fn heard_only(socket: &mut Socket, types: &[&str]) {
    for message in socket.drain().await {
        assert!(types.iter().any(|known| message["type"] == *known), "{message}");
    }
}

#[tokio::test]
async fn an_answer_is_cached() {
    let backend = Answers::start(json!({ "allowed": true })).await;
    let gateway = Gateway::with(settings(&backend)).await;
    let mut alice = Socket::of(&gateway, "alice").await;
    for _ in 0..20 {
        alice.chat("c", "again").await;
    }
    assert_eq!(backend.asked(), 1);
}

#[tokio::test]
async fn no_means_forbidden_and_no_answer_means_unavailable() {
    let backend = Answers::start(json!({ "allowed": false })).await;
    let gateway = Gateway::with(settings(&backend)).await;
    let mut alice = Socket::of(&gateway, "alice").await;
    let chat = |clan: &str| json!({ "type": "chat", "clanId": clan, "content": "x" });
    assert_eq!(alice.ask(chat("c")).await["code"], "forbidden");
    backend.set(nonsense());
    assert_eq!(alice.ask(chat("d")).await["code"], "unavailable");
    // The user's own notifications need nobody's permission.
    assert_eq!(alice.ask(json!({ "type": "subscribe_notifications" })).await["type"], "subscription_confirmed");
}

#[tokio::test]
async fn a_permission_that_is_withdrawn_ends_the_subscription() {
    let backend = Answers::start(json!({ "allowed": true, "ttlSeconds": 1 })).await;
    let gateway = Gateway::with(settings(&backend)).await;
    let mut alice = Socket::of(&gateway, "alice").await;
    alice.ask(json!({ "type": "subscribe_clan_chat", "clanId": "c" })).await;
    backend.set(json!({ "allowed": false }));
    let ended = alice.expect("subscription_ended").await;
    assert_eq!((&ended["clanId"], &ended["code"]), (&json!("c"), &json!("forbidden")));
}

#[tokio::test]
async fn a_service_that_does_not_answer_withdraws_nothing() {
    let backend = Answers::start(json!({ "allowed": true, "ttlSeconds": 1 })).await;
    let gateway = Gateway::with(settings(&backend)).await;
    let mut alice = Socket::of(&gateway, "alice").await;
    alice.ask(json!({ "type": "subscribe_clan_chat", "clanId": "c" })).await;
    alice.chat("c", "granted").await;
    let asked = backend.asked();
    backend.set(nonsense());
    // It is asked again and again, in vain.
    backend.asked_times(asked + 3).await;
    assert_eq!(alice.chat("c", "what was granted holds").await["offset"], 2);
    let other = alice.ask(json!({ "type": "chat", "clanId": "another", "content": "x" })).await;
    assert_eq!(other["code"], "unavailable", "what was not granted does not");
    // Also a fresh token ends nothing.
    let fresh = alice.ask(json!({ "type": "authenticate", "token": Token::of("alice").text() })).await;
    assert_eq!(fresh["type"], "authenticated");
    assert_eq!(alice.chat("c", "and goes on").await["offset"], 3);
    heard_only(&mut alice, &["chat"]).await;
    // An answer of the service counts immediately.
    backend.set(json!({ "allowed": false }));
    assert_eq!(alice.until("subscription_ended").await["code"], "forbidden");
}

#[tokio::test]
async fn a_service_that_comes_back_within_the_grace_leaves_no_trace() {
    let backend = Answers::start(json!({ "allowed": true, "ttlSeconds": 0 })).await;
    let gateway = Gateway::with(settings(&backend)).await;
    let (mut alice, mut bob) = (Socket::of(&gateway, "alice").await, Socket::of(&gateway, "bob").await);
    alice.ask(json!({ "type": "subscribe_clan_chat", "clanId": "c" })).await;
    for _ in 0..2 {
        backend.set(nonsense());
        backend.asked_times(backend.asked() + 1).await;
        let refused = bob.ask(json!({ "type": "chat", "clanId": "c", "content": "x" })).await;
        assert_eq!(refused["code"], "unavailable", "an answer that holds for no time is not used twice");
        backend.set(json!({ "allowed": true, "ttlSeconds": 0 }));
        backend.asked_times(backend.asked() + 1).await;
        bob.chat("c", "said").await;
    }
    assert_eq!(alice.drain().await.len(), 2);
}

#[tokio::test]
async fn after_the_grace_the_subscription_ends_for_now() {
    let backend = Answers::start(json!({ "allowed": true, "ttlSeconds": 1 })).await;
    let gateway = Gateway::with(settings(&backend).set("permissions.stale_grace", "\"2s\"")).await;
    let mut alice = Socket::of(&gateway, "alice").await;
    let subscribe = json!({ "type": "subscribe_clan_chat", "clanId": "c", "history": 1 });
    alice.ask(subscribe.clone()).await;
    let asked = backend.asked();
    backend.set(nonsense());
    let ended = alice.expect("subscription_ended").await;
    assert_eq!((&ended["clanId"], &ended["code"]), (&json!("c"), &json!("unavailable")));
    assert!(backend.asked() > asked + 1, "it was asked again before");
    assert_eq!(alice.ask(subscribe.clone()).await["code"], "unavailable");
    backend.set(json!({ "allowed": true }));
    assert_eq!(alice.ask(subscribe).await["type"], "subscription_confirmed");
}

#[tokio::test]
async fn without_a_grace_the_first_answer_that_fails_ends_the_subscription() {
    let backend = Answers::start(json!({ "allowed": true, "ttlSeconds": 1 })).await;
    let gateway = Gateway::with(settings(&backend).set("permissions.stale_grace", "\"0s\"")).await;
    let mut alice = Socket::of(&gateway, "alice").await;
    alice.ask(json!({ "type": "subscribe_clan_chat", "clanId": "c" })).await;
    let asked = backend.asked();
    backend.set(nonsense());
    assert_eq!(alice.expect("subscription_ended").await["code"], "unavailable");
    assert_eq!(backend.asked(), asked + 1);
}

#[tokio::test]
async fn subscribing_and_leaving_again_and_again_asks_no_more_often() {
    let backend = Answers::start(json!({ "allowed": true, "ttlSeconds": 1 })).await;
    let gateway = Gateway::with(settings(&backend)).await;
    let mut alice = Socket::of(&gateway, "alice").await;
    for _ in 0..50 {
        alice.ask(json!({ "type": "unsubscribe_clan_chat", "clanId": "c" })).await;
        for _ in 0..2 {
            alice.ask(json!({ "type": "subscribe_clan_chat", "clanId": "c" })).await;
        }
    }
    let asked = backend.asked();
    backend.set(json!({ "allowed": false }));
    assert_eq!(alice.until("subscription_ended").await["code"], "forbidden");
    assert_eq!(backend.asked(), asked + 1, "one subscription asks once");
}
