//! Who is in a clan: a snapshot, then who comes and goes, with a grace for those who reconnect.

use realtime_gateway_tests::{Gateway, Settings, Socket};
use reqwest::Method;
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

/// The bytes that wait for clients.
async fn waiting(gateway: &Gateway) -> u64 {
    let text = gateway.api().call(Method::GET, "/metrics", None).await.text().await.unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("gateway_outbound_queue_bytes ")).unwrap();
    line.parse().unwrap()
}

#[tokio::test]
async fn a_watcher_that_does_not_read_gets_one_snapshot_for_all_changes() {
    let settings = Settings::default().set("presence.grace", "\"0s\"").set("limits.outbound_queue", "\"32MiB\"");
    let gateway = Gateway::with(settings).await;
    let mut slow = Socket::of(&gateway, "slow").await;
    slow.send(watch()).await;
    slow.until("presence").await;
    let mut fast = Socket::of(&gateway, "fast").await;
    fast.join("other").await;
    // Each character takes three bytes.
    let content = "\u{20ac}".repeat(2_700);
    let mut sent = 0;
    while waiting(&gateway).await < 9 * 1024 * 1024 {
        for _ in 0..100 {
            fast.chat("c", &content).await;
            sent += 1;
        }
        assert!(sent < 10_000, "the slow client's queue does not fill");
    }
    let mut visitor = Socket::of(&gateway, "visitor").await;
    for _ in 0..300 {
        visitor.ask(json!({ "type": "subscribe_clan_chat", "clanId": "c" })).await;
        visitor.ask(json!({ "type": "unsubscribe_clan_chat", "clanId": "c" })).await;
    }
    visitor.ask(json!({ "type": "subscribe_clan_chat", "clanId": "c" })).await;
    // Presence is worked on in order, so what is asked now comes after all changes.
    assert_eq!(fast.ask(json!({ "type": "presence", "clanId": "c" })).await["count"], 2);

    let (mut chats, mut snapshots, mut changes) = (0, Vec::new(), 0);
    while chats < sent || snapshots.is_empty() {
        let message = slow.next().await.expect("the watcher stays");
        match message["type"].as_str().unwrap() {
            "chat" => chats += 1,
            "presence" => snapshots.push(message),
            "presence_changed" => changes += 1,
            other => panic!("{other}"),
        }
    }
    // Another change shows that nothing else was to come before it.
    visitor.ask(json!({ "type": "unsubscribe_clan_chat", "clanId": "c" })).await;
    let next = slow.next().await.expect("the watcher stays");
    assert_eq!((&next["type"], &next["status"]), (&json!("presence_changed"), &json!("offline")), "{next}");
    assert_eq!((snapshots.len(), changes), (1, 0));
    assert_eq!(snapshots[0]["count"], 2, "{:?}", snapshots[0]);
}
