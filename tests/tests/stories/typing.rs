//! Typing indicators: they reach other users, never the sessions of the typing user, and expire.

use realtime_gateway_tests::{Gateway, Settings, Socket};
use serde_json::json;

#[tokio::test]
async fn delivers_typing_to_other_users_and_expires_it() {
    let gateway = Gateway::start().await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.join("c").await;
    let mut bob = Socket::connect(&gateway, "bob").await;
    bob.join("c").await;
    bob.send(json!({ "type": "typing", "clanId": "c", "isTyping": true })).await;
    let began = alice.expect("typing").await;
    assert_eq!((&began["userId"], &began["isTyping"]), (&json!("bob"), &json!(true)));
    let ended = alice.expect("typing").await;
    assert_eq!((&ended["userId"], &ended["isTyping"]), (&json!("bob"), &json!(false)));
    assert!(bob.messages_until_pong().await.is_empty(), "the typing user's own session received it");
}

#[tokio::test]
async fn throttles_typing_changes_within_a_second() {
    let gateway = Gateway::start().await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.join("c").await;
    let mut bob = Socket::connect(&gateway, "bob").await;
    bob.join("c").await;
    for n in 0..20 {
        bob.send(json!({ "type": "typing", "clanId": "c", "isTyping": n % 2 == 0 })).await;
    }
    assert_eq!(alice.expect("typing").await["isTyping"], true);
    // The latest state is sent when the second is over.
    assert_eq!(alice.expect("typing").await["isTyping"], false);
    bob.messages_until_pong().await;
    assert!(alice.messages_until_pong().await.is_empty());
}

#[tokio::test]
async fn hides_typing_from_other_sessions_of_same_user() {
    let gateway = Gateway::with(Settings::default().set("sessions.max_per_user", "3")).await;
    let mut bob = Socket::connect(&gateway, "bob").await;
    bob.join("c").await;
    let mut sessions = [Socket::connect(&gateway, "alice").await, Socket::connect(&gateway, "alice").await];
    for session in &mut sessions {
        session.join("c").await;
    }
    for (typing, expected) in [(0, true), (1, false), (1, true)] {
        sessions[typing].send(json!({ "type": "typing", "clanId": "c", "isTyping": expected })).await;
        let shown = bob.expect("typing").await;
        assert_eq!((&shown["userId"], &shown["isTyping"]), (&json!("alice"), &json!(expected)));
    }
    // The last indicator expires, which is not shown to the user's own sessions either.
    assert_eq!(bob.expect("typing").await["isTyping"], false);
    for session in &mut sessions {
        assert!(session.messages_until_pong().await.is_empty());
    }
}
