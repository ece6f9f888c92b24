//! Each kind of topics keeps as many entries, for as long, as its contract declares.

use realtime_gateway_brokers::redis;
use realtime_gateway_tests::{Gateway, Settings, Socket};
use serde_json::json;

use super::{Contracts, comment, publish, subscribe, token};

/// Publishes five events and checks that three of them are kept, and that other topics keep more.
async fn keeps_entries_as_declared(settings: Settings) {
    let contracts = Contracts::new();
    let gateway = Gateway::with(contracts.settings(settings)).await;
    let mut alice = Socket::connect_with(&gateway, &token("alice", &["*"])).await;
    let text = |number: usize| comment(&number.to_string());
    // Sent together, so that a store that groups appends stores topics of different retention in one group.
    for number in 1..=5 {
        alice.send(publish("last-1", text(number))).await;
        alice.send(publish("order-1", text(number))).await;
    }
    for _ in 0..10 {
        alice.expect("message_sent").await;
    }
    for (topic, kept) in [("last-1", 3), ("order-1", 5)] {
        let mut subscribe = subscribe(topic);
        subscribe["history"] = json!(100);
        alice.send(subscribe).await;
        assert_eq!(alice.expect("subscription_confirmed").await["offset"], 5, "{topic}");
        for number in 6 - kept..=5 {
            let event = alice.expect("event").await;
            assert_eq!((&event["data"], &event["offset"]), (&text(number), &json!(number)), "{topic}");
        }
    }
    assert_eq!(alice.messages_until_pong().await, [json!(null); 0]);
}

#[tokio::test]
async fn keeps_as_many_entries_as_contract_declares_in_data_file() {
    keeps_entries_as_declared(Settings::default()).await;
}

#[tokio::test]
async fn keeps_as_many_entries_as_contract_declares_in_redis() {
    let redis = tokio::task::spawn_blocking(redis::shared).await.unwrap();
    let prefix = format!("\"declared{}\"", std::process::id());
    let settings = Settings::default().set("store.url", &format!("\"{}\"", redis.url())).set("store.prefix", &prefix);
    keeps_entries_as_declared(settings).await;
}

#[tokio::test]
async fn keeps_entries_as_long_as_contract_declares() {
    let contracts = Contracts::new();
    contracts.edit("max_entries = 3", "max_age = \"1s\"");
    let gateway = contracts.gateway().await;
    let mut alice = Socket::connect_with(&gateway, &token("alice", &["*"])).await;
    for topic in ["last-1", "order-1"] {
        alice.request(publish(topic, comment("a"))).await;
    }
    let mut attempts = 0;
    while kept(&mut alice, "last-1").await == 1 {
        attempts += 1;
        assert!(attempts < 200, "the entry is still there");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(kept(&mut alice, "order-1").await, 1, "history.max_age is longer");
}

/// How many events the log of a topic has. A replay would not show that it is over: a `pong` may overtake it.
async fn kept(socket: &mut Socket, topic: &str) -> usize {
    let page = socket.request(json!({ "type": "topic_history", "service": "orders", "topic": topic })).await;
    page["events"].as_array().unwrap_or_else(|| panic!("{page}")).len()
}
