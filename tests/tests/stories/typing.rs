//! Typing: passed on to other users, to no session of the user who types, and over by itself.

use realtime_gateway_tests::{Gateway, Settings, Socket};
use serde_json::json;

#[tokio::test]
async fn typing_reaches_others_and_ends_by_itself() {
    let gateway = Gateway::start().await;
    let mut alice = Socket::of(&gateway, "alice").await;
    alice.join("c").await;
    let mut bob = Socket::of(&gateway, "bob").await;
    bob.join("c").await;
    bob.send(json!({ "type": "typing", "clanId": "c", "isTyping": true })).await;
    let began = alice.expect("typing").await;
    assert_eq!((&began["userId"], &began["isTyping"]), (&json!("bob"), &json!(true)));
    let ended = alice.expect("typing").await;
    assert_eq!((&ended["userId"], &ended["isTyping"]), (&json!("bob"), &json!(false)));
    assert!(bob.drain().await.is_empty(), "never to the sender's session");
}

#[tokio::test]
async fn many_changes_within_a_second_are_passed_on_as_few() {
    let gateway = Gateway::start().await;
    let mut alice = Socket::of(&gateway, "alice").await;
    alice.join("c").await;
    let mut bob = Socket::of(&gateway, "bob").await;
    bob.join("c").await;
    for n in 0..20 {
        bob.send(json!({ "type": "typing", "clanId": "c", "isTyping": n % 2 == 0 })).await;
    }
    assert_eq!(alice.expect("typing").await["isTyping"], true);
    // The last word counts, and comes when the second is over.
    assert_eq!(alice.expect("typing").await["isTyping"], false);
    bob.drain().await;
    assert!(alice.drain().await.is_empty());
}

#[tokio::test]
async fn typing_is_not_shown_to_other_sessions_of_the_same_user() {
    let gateway = Gateway::with(Settings::default().set("sessions.max_per_user", "3")).await;
    let mut bob = Socket::of(&gateway, "bob").await;
    bob.join("c").await;
    let mut sessions = [Socket::of(&gateway, "alice").await, Socket::of(&gateway, "alice").await];
    for session in &mut sessions {
        session.join("c").await;
    }
    for (typing, expected) in [(0, true), (1, false), (1, true)] {
        sessions[typing].send(json!({ "type": "typing", "clanId": "c", "isTyping": expected })).await;
        let shown = bob.expect("typing").await;
        assert_eq!((&shown["userId"], &shown["isTyping"]), (&json!("alice"), &json!(expected)));
    }
    // The last one ends by itself, which is not shown to them either.
    assert_eq!(bob.expect("typing").await["isTyping"], false);
    for session in &mut sessions {
        assert!(session.drain().await.is_empty());
    }
}
