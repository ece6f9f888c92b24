//! Who is in a clan: a snapshot, then who comes and goes, with a grace for those who reconnect.

use realtime_gateway_tests::{Gateway, Settings, Socket};
use serde_json::json;

fn watch() -> serde_json::Value {
    json!({ "type": "subscribe_clan_chat", "clanId": "c", "presence": true })
}

#[tokio::test]
async fn a_watcher_sees_users_come_and_go() {
    let gateway = Gateway::with(Settings::default().set("presence.grace", "\"300ms\"")).await;
    let mut alice = Socket::of(&gateway, "alice").await;
    alice.send(watch()).await;
    alice.expect("subscription_confirmed").await;
    let snapshot = alice.expect("presence").await;
    assert_eq!(snapshot["users"], json!([{ "userId": "alice", "sessions": 1 }]));
    assert_eq!(snapshot["count"], 1);

    let mut bob = Socket::of(&gateway, "bob").await;
    bob.join("c").await;
    let came = alice.expect("presence_changed").await;
    assert_eq!((&came["userId"], &came["status"]), (&json!("bob"), &json!("online")));
    let asked = bob.ask(json!({ "type": "presence", "clanId": "c" })).await;
    assert_eq!(asked["count"], 2);
    bob.close().await;
    let went = alice.expect("presence_changed").await;
    assert_eq!((&went["userId"], &went["status"]), (&json!("bob"), &json!("offline")));
}

#[tokio::test]
async fn a_reconnect_within_the_grace_shows_nothing() {
    let gateway = Gateway::with(Settings::default().set("presence.grace", "\"60s\"")).await;
    let mut alice = Socket::of(&gateway, "alice").await;
    alice.send(watch()).await;
    alice.until("presence").await;
    for _ in 0..3 {
        let mut bob = Socket::of(&gateway, "bob").await;
        bob.join("c").await;
        bob.close().await;
    }
    let mut carol = Socket::of(&gateway, "carol").await;
    carol.join("c").await;
    // Others are told soon after whoever came is confirmed.
    let mut users = Vec::new();
    while users.last() != Some(&json!("carol")) {
        users.push(alice.expect("presence_changed").await["userId"].clone());
    }
    assert_eq!(users, ["bob", "carol"]);
    let count = alice.ask(json!({ "type": "presence", "clanId": "c" })).await["count"].clone();
    assert_eq!(count, 3);
}
