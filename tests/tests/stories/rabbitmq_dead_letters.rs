//! Dead letters that the broker would reject or return: they are not lost, and other events are still delivered.

use std::collections::HashSet;

use futures_util::future::join_all;
use lapin::{
    BasicProperties,
    options::QueueDeclareOptions,
    types::{AMQPValue, FieldArray, FieldTable},
};
use realtime_gateway_brokers::rabbitmq::{RabbitServer, shared};
use realtime_gateway_tests::{Backend, Event, Gateway, Socket, eventually};
use serde_json::json;

use super::rabbitmq::metric;

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

/// Returns the original properties that a dead letter keeps in a header.
fn original(dead_letter: &Event) -> FieldTable {
    match dead_letter.properties.headers().as_ref().unwrap().inner().get("x-gateway-original") {
        Some(AMQPValue::FieldTable(table)) => table.clone(),
        other => panic!("{other:?}"),
    }
}

/// Starts a gateway with its own broker.
async fn own_broker() -> (RabbitServer, Backend, Gateway) {
    let broker = tokio::task::spawn_blocking(RabbitServer::start).await.unwrap();
    let backend = Backend::connect(&broker.url()).await;
    let gateway = Gateway::with(backend.settings()).await;
    gateway.wait_for_broker().await;
    (broker, backend, gateway)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removes_properties_that_broker_validates_from_dead_letter() {
    let (broker, backend, gateway) = own_broker().await;
    broker.ctl(&["add_user", "service", "password"]);
    broker.ctl(&["set_permissions", "service", ".*", ".*", ".*"]);
    let service = backend.as_user("service", "password").await;
    let mut events = backend.listen("chat.#").await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    let mut headers = FieldTable::default();
    headers.insert("traceparent".into(), text("00-1-1-00"));
    headers.insert("CC".into(), AMQPValue::FieldArray(FieldArray::from(vec![text("another")])));
    headers.insert("x-death".into(), text("no list"));
    let properties = BasicProperties::default()
        .with_message_id("m1".into())
        .with_user_id("service".into())
        .with_expiration("60000".into())
        .with_priority(200)
        .with_delivery_mode(1)
        .with_headers(headers);
    assert!(service.publish_with("weather.today", json!({}), properties).await);
    let dead_letter = backend.dead_letters().await.next().await;
    assert_eq!((dead_letter.message_id.as_deref(), dead_letter.reason.as_deref()), (Some("m1"), Some("unknown_key")));
    let properties = &dead_letter.properties;
    assert_eq!((properties.user_id(), properties.expiration(), properties.priority()), (&None, &None, &None));
    assert_eq!(*properties.delivery_mode(), Some(2));
    let headers = properties.headers().clone().unwrap();
    assert!(headers.contains_key("traceparent") && !headers.contains_key("CC") && !headers.contains_key("x-death"));
    let original = original(&dead_letter);
    assert_eq!(original.inner().get("user_id"), Some(&text("service")));
    assert_eq!(original.inner().get("expiration"), Some(&text("60000")));
    alice.chat("c", "still published").await;
    events.expect("chat.message.c").await;
    assert_eq!(metric(&gateway.api(), "gateway_bus_reconnects_total").await, 0.0);
    assert_eq!(gateway.api().get("/health").await["status"], "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn omits_headers_as_large_as_a_frame() {
    let (_broker, backend, gateway) = own_broker().await;
    let mut headers = FieldTable::default();
    headers.insert("large".into(), text(&"x".repeat(130_700)));
    let properties = BasicProperties::default().with_message_id("m1".into()).with_headers(headers);
    assert!(backend.publish_with("weather.today", json!({}), properties).await);
    let dead_letter = backend.dead_letters().await.next().await;
    assert_eq!(dead_letter.message_id.as_deref(), Some("m1"));
    let headers = dead_letter.properties.headers().clone().unwrap();
    assert!(headers.contains_key("x-gateway-original-omitted") && !headers.contains_key("large"));
    assert_eq!(metric(&gateway.api(), "gateway_bus_reconnects_total").await, 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_refused_dead_letters_and_delivers_other_events() {
    let (broker, backend, gateway) = own_broker().await;
    let mut events = backend.listen("chat.#").await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.request(json!({ "type": "subscribe_notifications" })).await;
    // The gateway may publish to every exchange except that of the dead letters.
    broker.ctl(&["set_permissions", "guest", ".*", "^((?!dead_letter).)*$", ".*"]);
    backend.publish("weather.today", json!({})).await;
    let api = gateway.api();
    let is_named = || async { api.get("/health").await["warnings"].to_string().contains("moved to the dead letters") };
    eventually("health names the refused dead letters", is_named).await;
    let health = api.get("/health").await;
    assert_eq!((&health["status"], &health["bus"]["state"]), (&json!("degraded"), &json!("connected")));
    for n in 0..20 {
        alice.chat("c", &n.to_string()).await;
        assert_eq!(events.expect("chat.message.c").await["content"], n.to_string());
    }
    backend.publish("notification.alice", json!({ "title": "t", "message": "m" })).await;
    alice.wait_for("notification").await;
    assert_eq!(metric(&api, "gateway_bus_reconnects_total").await, 0.0);
    broker.ctl(&["set_permissions", "guest", ".*", ".*", ".*"]);
    let dead_letter = backend.dead_letters().await.next().await;
    assert_eq!((dead_letter.key.as_str(), dead_letter.reason.as_deref()), ("weather.today", Some("unknown_key")));
    let is_healthy = || async { api.get("/health").await["status"] == "ok" };
    eventually("health is ok again", is_healthy).await;
}

#[tokio::test]
async fn reports_mismatched_dead_letter_queue_and_serves() {
    let backend = Backend::connect(&shared()).await;
    let (name, classic) = (backend.name("dead_letter"), QueueDeclareOptions { durable: true, ..Default::default() });
    backend.channel().queue_declare(name.as_str().into(), classic, FieldTable::default()).await.unwrap();
    let gateway = Gateway::with(backend.settings()).await;
    gateway.wait_for_broker().await;
    let health = gateway.api().get("/health").await;
    assert_eq!(health["status"], "degraded");
    assert!(health["warnings"].to_string().contains(&name), "{health}");
    let mut events = backend.listen("chat.#").await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.chat("c", "still published").await;
    events.expect("chat.message.c").await;
    // Invalid events stay in the inbound queue until the dead letter queue can be declared.
    backend.publish("weather.today", json!({})).await;
    backend.channel().queue_delete(name.into(), Default::default()).await.unwrap();
    let is_healthy = || async { gateway.api().get("/health").await["status"] == "ok" };
    eventually("health is ok again", is_healthy).await;
    assert_eq!(backend.dead_letters().await.next().await.key, "weather.today");
}

/// Publishes an event that no service accepts.
async fn publish_refused(backend: &Backend, number: usize) {
    let key = format!("weather.{number}");
    assert!(backend.publish_with(&key, json!({}), BasicProperties::default()).await, "{key} reached no queue");
}

/// RabbitMQ may confirm several dead letters with one acknowledgement after it has returned some of them.
#[tokio::test]
async fn republishes_returned_dead_letters() {
    const ROUNDS: usize = 10;
    const EVENTS: usize = 200;
    let backend = Backend::connect(&shared()).await;
    let gateway = Gateway::with(backend.settings()).await;
    gateway.wait_for_broker().await;
    let (dead, other) = (backend.name("dead_letter"), backend.reconnect().await);
    let (dead, inbound) = (dead.as_str(), backend.name("inbound"));
    for round in 0..ROUNDS {
        let unbinding = other.channel().queue_unbind(dead.into(), dead.into(), "".into(), FieldTable::default());
        let publishing = (0..EVENTS).map(|n| publish_refused(&backend, round * EVENTS + n));
        let (unbound, _) = tokio::join!(unbinding, join_all(publishing));
        unbound.unwrap();
        let is_handled = || async {
            let declared = QueueDeclareOptions { passive: true, ..Default::default() };
            let queue = other.channel().queue_declare(inbound.as_str().into(), declared, FieldTable::default());
            queue.await.unwrap().message_count() == 0
        };
        eventually("the inbound queue is empty", is_handled).await;
    }
    let mut dead_letters = backend.dead_letters().await;
    let mut missing: HashSet<_> = (0..ROUNDS * EVENTS).map(|n| format!("weather.{n}")).collect();
    while !missing.is_empty() {
        // A dead letter may arrive twice.
        missing.remove(&dead_letters.next().await.key);
    }
    let is_healthy = || async { gateway.api().get("/health").await["status"] == "ok" };
    eventually("health is ok again", is_healthy).await;
}
