//! Recovery of missed entries: complete if the log still has them, otherwise reported with `recovered: false`.

use realtime_gateway_tests::{Gateway, Settings, Socket};
use serde_json::{Value, json};

fn subscribe(offset: u64, epoch: &Value) -> Value {
    json!({ "type": "subscribe_clan_chat", "clanId": "c", "recover": { "offset": offset, "epoch": epoch } })
}

#[tokio::test]
async fn recovers_entries_after_position_once_and_in_order() {
    let gateway = Gateway::start().await;
    let mut writer = Socket::connect(&gateway, "writer").await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    let epoch = alice.join("c").await["epoch"].clone();
    for n in 0..300 {
        writer.chat("c", &n.to_string()).await;
    }
    alice.close().await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.send(subscribe(120, &epoch)).await;
    // Messages that are sent during the replay are delivered after it.
    for n in 300..320 {
        writer.chat("c", &n.to_string()).await;
    }
    let confirmed = alice.expect("subscription_confirmed").await;
    assert_eq!(confirmed["recovered"], true);
    for offset in 121..=320 {
        assert_eq!(alice.expect("chat").await["offset"], offset);
    }
    assert!(alice.messages_until_pong().await.is_empty());
}

#[tokio::test]
async fn reports_recovered_false_beyond_retention() {
    let gateway = Gateway::with(Settings::default().set("history.max_entries", "10")).await;
    let mut writer = Socket::connect(&gateway, "writer").await;
    let epoch = writer.join("c").await["epoch"].clone();
    for n in 0..30 {
        writer.chat("c", &n.to_string()).await;
    }
    let mut alice = Socket::connect(&gateway, "alice").await;
    for (position, recovered) in [(20, true), (19, false), (0, false), (30, true), (31, false)] {
        alice.send(subscribe(position, &epoch)).await;
        let confirmed = alice.expect("subscription_confirmed").await;
        assert_eq!((&confirmed["recovered"], &confirmed["offset"]), (&json!(recovered), &json!(30)), "{position}");
        let first = if recovered { position + 1 } else { 31 };
        for offset in first..=30 {
            assert_eq!(alice.expect("chat").await["offset"], offset);
        }
        assert!(alice.messages_until_pong().await.is_empty(), "{position}");
        alice.request(json!({ "type": "unsubscribe_clan_chat", "clanId": "c" })).await;
    }
    alice.send(subscribe(20, &json!("another epoch"))).await;
    assert_eq!(alice.expect("subscription_confirmed").await["recovered"], false);
    alice.request(json!({ "type": "unsubscribe_clan_chat", "clanId": "c" })).await;

    let mut command = subscribe(5, &epoch);
    command["history"] = json!(3);
    alice.send(command).await;
    assert_eq!(alice.expect("subscription_confirmed").await["recovered"], false);
    for offset in [28, 29, 30] {
        assert_eq!(alice.expect("chat").await["offset"], offset);
    }
}

#[tokio::test]
async fn recovers_1000_long_messages_for_slow_reader() {
    // The queue holds only a few messages, so an unpaced replay would overflow it immediately.
    let settings = Settings::default().set("limits.outbound_queue", "\"64KiB\"");
    let gateway = Gateway::with(settings).await;
    let mut writer = Socket::connect(&gateway, "writer").await;
    let content = "é".repeat(4_000);
    for n in 0..1_000 {
        writer.send(json!({ "type": "chat", "clanId": "c", "content": content, "requestId": n.to_string() })).await;
    }
    for _ in 0..1_000 {
        writer.expect("message_sent").await;
    }
    let mut slow = Socket::connect(&gateway, "slow").await;
    slow.send(json!({ "type": "subscribe_clan_chat", "clanId": "c" })).await;
    let epoch = slow.expect("subscription_confirmed").await["epoch"].clone();
    slow.request(json!({ "type": "unsubscribe_clan_chat", "clanId": "c" })).await;
    slow.send(subscribe(0, &epoch)).await;
    slow.expect("subscription_confirmed").await;
    // The reader reads one message per confirmed append of the writer to another topic, which slows it down.
    for offset in 1..=1_000 {
        writer.chat("elsewhere", "tick").await;
        assert_eq!(slow.expect("chat").await["offset"], offset);
    }
}

#[tokio::test]
async fn repeated_subscribe_replays_only_requested_history() {
    let gateway = Gateway::start().await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.join("c").await;
    for n in 0..5 {
        alice.chat("c", &n.to_string()).await;
    }
    alice.messages_until_pong().await;
    alice.join("c").await;
    assert!(alice.messages_until_pong().await.is_empty());
    alice.send(json!({ "type": "subscribe_clan_chat", "clanId": "c", "history": 2 })).await;
    alice.expect("subscription_confirmed").await;
    for offset in [4, 5] {
        assert_eq!(alice.expect("chat").await["offset"], offset);
    }
    alice.chat("c", "and once").await;
    let after = alice.request(json!({ "type": "unsubscribe_clan_chat", "clanId": "c" })).await;
    assert_eq!(after["status"], "unsubscribed");
    alice.chat("c", "not delivered").await;
    assert!(alice.messages_until_pong().await.is_empty());
}
