//! Webhooks of nodes that share a store, and next to RabbitMQ.

use std::time::Duration;

use realtime_gateway_brokers::{rabbitmq, redis};
use realtime_gateway_tests::{Backend, within};

use super::*;

/// Returns the settings of nodes that share a store of their own.
pub(super) async fn shared(settings: Settings) -> Settings {
    let store = tokio::task::spawn_blocking(|| redis::shared().url()).await.unwrap();
    let prefix = uuid::Uuid::now_v7().simple().to_string();
    settings.set("store.url", &format!("\"{store}\"")).set("store.prefix", &format!("\"{prefix}\""))
}

/// Returns whether a node has the lease of the webhook: it shows the number of waiting events.
async fn sends(gateway: &Gateway) -> bool {
    let metrics = gateway.api().json(Method::GET, "/metrics", None).await.1;
    metrics.as_str().is_some_and(|metrics| metrics.contains("gateway_webhook_waiting{"))
}

#[tokio::test]
async fn other_node_takes_over_when_the_sending_one_is_killed() {
    let mut shop = Receiver::start().await;
    let settings = shared(shop.settings()).await;
    let mut near = Gateway::with(settings.clone().set("node_id", "\"near\"")).await;
    eventually("the first node sends", || async { sends(&near).await }).await;
    let far = Gateway::with(settings.set("node_id", "\"far\"")).await;
    let mut alice = Socket::connect(&near, "alice").await;
    let mut bob = Socket::connect(&far, "bob").await;
    chat(&mut alice, numbers(0..1)).await;
    assert_eq!(shop.take_chats(1).await, numbers(0..1));
    chat(&mut alice, numbers(1..2)).await;
    let under_way = shop.receiver.next().await;
    chat(&mut bob, numbers(2..10)).await;
    assert!(!sends(&far).await, "one node sends at a time");
    near.kill().await;
    under_way.answer(200, &json!({})).await;
    // Clients are not delayed meanwhile.
    chat(&mut bob, numbers(10..12)).await;
    within(Duration::from_secs(30), "the other node sends", || async { shop.receiver.has_request() }).await;
    assert_eq!(shop.take_chats(11).await, numbers(1..12));
    within(Duration::from_secs(5), "nothing waits", || async { counts(&far).await == (0, 0) }).await;
}

#[tokio::test]
async fn node_that_shuts_down_hands_over() {
    let mut shop = Receiver::start().await;
    let settings = shared(shop.settings()).await.set("drain.delay", "\"0s\"").set("drain.spread", "\"0s\"");
    let mut near = Gateway::with(settings.clone().set("node_id", "\"near\"")).await;
    eventually("the first node sends", || async { sends(&near).await }).await;
    let far = Gateway::with(settings.set("node_id", "\"far\"")).await;
    near.signal("TERM").await;
    assert_eq!(near.exit_code().await, Some(0));
    let mut bob = Socket::connect(&far, "bob").await;
    chat(&mut bob, numbers(0..3)).await;
    assert_eq!(shop.take_chats(3).await, numbers(0..3));
}

#[tokio::test]
async fn slow_receiver_does_not_delay_rabbitmq() {
    let mut shop = Receiver::start().await;
    let backend = Backend::connect(&rabbitmq::shared()).await;
    let gateway = Gateway::with(shop.named(backend.settings(), NAME, "[\"chat\"]")).await;
    let mut events = backend.listen("chat.#").await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    chat(&mut alice, numbers(0..1)).await;
    let slow = shop.receiver.next().await;
    chat(&mut alice, numbers(1..20)).await;
    for content in numbers(0..20) {
        assert_eq!(events.expect("chat.message.c").await["content"], content);
    }
    assert_eq!(counts(&gateway).await.0, 20, "the webhook has its own waiting events");
    slow.answer(200, &json!({})).await;
    assert_eq!(shop.take_chats(19).await, numbers(1..20));
}
