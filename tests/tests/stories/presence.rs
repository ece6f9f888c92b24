//! Presence in a clan: a snapshot, then changes, with a grace period for reconnects.

use realtime_gateway_tests::{Gateway, Settings, Socket};
use reqwest::Method;
use serde_json::json;

fn watch() -> serde_json::Value {
    json!({ "type": "subscribe_clan_chat", "clanId": "c", "presence": true })
}

#[tokio::test]
async fn reports_users_coming_online_and_going_offline() {
    let gateway = Gateway::with(Settings::default().set("presence.grace", "\"300ms\"")).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.send(watch()).await;
    alice.expect("subscription_confirmed").await;
    let snapshot = alice.expect("presence").await;
    assert_eq!(snapshot["users"], json!([{ "userId": "alice", "sessions": 1 }]));
    assert_eq!(snapshot["count"], 1);

    let mut bob = Socket::connect(&gateway, "bob").await;
    bob.join("c").await;
    let changed = alice.expect("presence_changed").await;
    assert_eq!((&changed["userId"], &changed["status"]), (&json!("bob"), &json!("online")));
    let roster = bob.request(json!({ "type": "presence", "clanId": "c" })).await;
    assert_eq!(roster["count"], 2);
    bob.close().await;
    let changed = alice.expect("presence_changed").await;
    assert_eq!((&changed["userId"], &changed["status"]), (&json!("bob"), &json!("offline")));
}

#[tokio::test]
async fn hides_reconnect_within_grace() {
    let gateway = Gateway::with(Settings::default().set("presence.grace", "\"60s\"")).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.send(watch()).await;
    alice.wait_for("presence").await;
    for _ in 0..3 {
        let mut bob = Socket::connect(&gateway, "bob").await;
        bob.join("c").await;
        bob.close().await;
    }
    let mut carol = Socket::connect(&gateway, "carol").await;
    carol.join("c").await;
    // Changes are sent shortly after the subscription is confirmed, so they may arrive later.
    let mut users = Vec::new();
    while users.last() != Some(&json!("carol")) {
        users.push(alice.expect("presence_changed").await["userId"].clone());
    }
    assert_eq!(users, ["bob", "carol"]);
    let count = alice.request(json!({ "type": "presence", "clanId": "c" })).await["count"].clone();
    assert_eq!(count, 3);
}

/// Returns the bytes in all outbound queues.
async fn queued_bytes(gateway: &Gateway) -> u64 {
    let text = gateway.api().call(Method::GET, "/metrics", None).await.text().await.unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("gateway_outbound_queue_bytes ")).unwrap();
    line.parse().unwrap()
}

#[tokio::test]
async fn replaces_queued_presence_changes_with_one_snapshot() {
    let settings = Settings::default().set("presence.grace", "\"0s\"").set("limits.outbound_queue", "\"32MiB\"");
    let gateway = Gateway::with(settings).await;
    let mut slow = Socket::connect(&gateway, "slow").await;
    slow.send(watch()).await;
    slow.wait_for("presence").await;
    let mut fast = Socket::connect(&gateway, "fast").await;
    fast.join("other").await;
    // Each character takes three bytes.
    let content = "\u{20ac}".repeat(2_700);
    let mut sent = 0;
    while queued_bytes(&gateway).await < 9 * 1024 * 1024 {
        for _ in 0..100 {
            fast.chat("c", &content).await;
            sent += 1;
        }
        assert!(sent < 10_000, "the slow client's queue does not fill");
    }
    let mut visitor = Socket::connect(&gateway, "visitor").await;
    for _ in 0..300 {
        visitor.request(json!({ "type": "subscribe_clan_chat", "clanId": "c" })).await;
        visitor.request(json!({ "type": "unsubscribe_clan_chat", "clanId": "c" })).await;
    }
    visitor.request(json!({ "type": "subscribe_clan_chat", "clanId": "c" })).await;
    // Presence is processed in order, so this reply follows all changes.
    assert_eq!(fast.request(json!({ "type": "presence", "clanId": "c" })).await["count"], 2);

    let (mut chats, mut snapshots, mut changes) = (0, Vec::new(), 0);
    while chats < sent || snapshots.is_empty() {
        let message = slow.next().await.expect("the subscriber stays connected");
        match message["type"].as_str().unwrap() {
            "chat" => chats += 1,
            "presence" => snapshots.push(message),
            "presence_changed" => changes += 1,
            other => panic!("{other}"),
        }
    }
    // Another change arrives next, so no change was queued before it.
    visitor.request(json!({ "type": "unsubscribe_clan_chat", "clanId": "c" })).await;
    let next = slow.next().await.expect("the subscriber stays connected");
    assert_eq!((&next["type"], &next["status"]), (&json!("presence_changed"), &json!("offline")), "{next}");
    assert_eq!((snapshots.len(), changes), (1, 0));
    assert_eq!(snapshots[0]["count"], 2, "{:?}", snapshots[0]);
}
