//! Dead letters that a broker would refuse, lose or not take: events for backend services go on.

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

/// What was kept of an event's own properties.
fn original(letter: &Event) -> FieldTable {
    match letter.properties.headers().as_ref().unwrap().inner().get("x-gateway-original") {
        Some(AMQPValue::FieldTable(table)) => table.clone(),
        other => panic!("{other:?}"),
    }
}

/// A gateway at a broker of its own.
async fn own_broker() -> (RabbitServer, Backend, Gateway) {
    let broker = tokio::task::spawn_blocking(RabbitServer::start).await.unwrap();
    let backend = Backend::at(&broker.url()).await;
    let gateway = Gateway::with(backend.settings()).await;
    gateway.connected().await;
    (broker, backend, gateway)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn properties_that_a_broker_checks_stop_nothing() {
    let (broker, backend, gateway) = own_broker().await;
    broker.ctl(&["add_user", "service", "password"]);
    broker.ctl(&["set_permissions", "service", ".*", ".*", ".*"]);
    let service = backend.as_user("service", "password").await;
    let mut events = backend.listen("chat.#").await;
    let mut alice = Socket::of(&gateway, "alice").await;
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
    let letter = backend.dead_letters().await.next().await;
    assert_eq!((letter.message_id.as_deref(), letter.reason.as_deref()), (Some("m1"), Some("unknown_key")));
    let properties = &letter.properties;
    assert_eq!((properties.user_id(), properties.expiration(), properties.priority()), (&None, &None, &None));
    assert_eq!(*properties.delivery_mode(), Some(2));
    let headers = properties.headers().clone().unwrap();
    assert!(headers.contains_key("traceparent") && !headers.contains_key("CC") && !headers.contains_key("x-death"));
    let original = original(&letter);
    assert_eq!(original.inner().get("user_id"), Some(&text("service")));
    assert_eq!(original.inner().get("expiration"), Some(&text("60000")));
    alice.chat("c", "all the same").await;
    events.expect("chat.message.c").await;
    assert_eq!(metric(&gateway.api(), "gateway_bus_reconnects_total").await, 0.0);
    assert_eq!(gateway.api().get("/health").await["status"], "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_as_large_as_a_frame_are_left_out() {
    let (_broker, backend, gateway) = own_broker().await;
    let mut headers = FieldTable::default();
    headers.insert("large".into(), text(&"x".repeat(130_700)));
    let properties = BasicProperties::default().with_message_id("m1".into()).with_headers(headers);
    assert!(backend.publish_with("weather.today", json!({}), properties).await);
    let letter = backend.dead_letters().await.next().await;
    assert_eq!(letter.message_id.as_deref(), Some("m1"));
    let headers = letter.properties.headers().clone().unwrap();
    assert!(headers.contains_key("x-gateway-original-omitted") && !headers.contains_key("large"));
    assert_eq!(metric(&gateway.api(), "gateway_bus_reconnects_total").await, 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_that_the_broker_refuses_wait_and_nothing_else_does() {
    let (broker, backend, gateway) = own_broker().await;
    let mut events = backend.listen("chat.#").await;
    let mut alice = Socket::of(&gateway, "alice").await;
    alice.ask(json!({ "type": "subscribe_notifications" })).await;
    // The gateway may publish anywhere but to the dead letters.
    broker.ctl(&["set_permissions", "guest", ".*", "^((?!dead_letter).)*$", ".*"]);
    backend.publish("weather.today", json!({})).await;
    let api = gateway.api();
    let is_named = || async { api.get("/health").await["warnings"].to_string().contains("moved to the dead letters") };
    eventually("the warning", is_named).await;
    let health = api.get("/health").await;
    assert_eq!((&health["status"], &health["bus"]["state"]), (&json!("degraded"), &json!("connected")));
    for n in 0..20 {
        alice.chat("c", &n.to_string()).await;
        assert_eq!(events.expect("chat.message.c").await["content"], n.to_string());
    }
    backend.publish("notification.alice", json!({ "title": "t", "message": "m" })).await;
    alice.until("notification").await;
    assert_eq!(metric(&api, "gateway_bus_reconnects_total").await, 0.0);
    broker.ctl(&["set_permissions", "guest", ".*", ".*", ".*"]);
    let letter = backend.dead_letters().await.next().await;
    assert_eq!((letter.key.as_str(), letter.reason.as_deref()), ("weather.today", Some("unknown_key")));
    let is_well = || async { api.get("/health").await["status"] == "ok" };
    eventually("the recovery", is_well).await;
}

#[tokio::test]
async fn a_dead_letter_queue_with_other_arguments_is_named_and_stops_nothing() {
    let backend = Backend::at(&shared()).await;
    let (name, classic) = (backend.name("dead_letter"), QueueDeclareOptions { durable: true, ..Default::default() });
    backend.channel().queue_declare(name.as_str().into(), classic, FieldTable::default()).await.unwrap();
    let gateway = Gateway::with(backend.settings()).await;
    gateway.connected().await;
    let health = gateway.api().get("/health").await;
    assert_eq!(health["status"], "degraded");
    assert!(health["warnings"].to_string().contains(&name), "{health}");
    let mut events = backend.listen("chat.#").await;
    let mut alice = Socket::of(&gateway, "alice").await;
    alice.chat("c", "all the same").await;
    events.expect("chat.message.c").await;
    // The events that cannot be accepted wait for the queue.
    backend.publish("weather.today", json!({})).await;
    backend.channel().queue_delete(name.into(), Default::default()).await.unwrap();
    let is_well = || async { gateway.api().get("/health").await["status"] == "ok" };
    eventually("the recovery", is_well).await;
    assert_eq!(backend.dead_letters().await.next().await.key, "weather.today");
}

/// Publishes an event that no service takes.
async fn publish_refused(backend: &Backend, number: usize) {
    let key = format!("weather.{number}");
    assert!(backend.publish_with(&key, json!({}), BasicProperties::default()).await, "{key} reached no queue");
}

/// RabbitMQ confirms several letters with one acknowledgement, and some of them it has returned.
#[tokio::test]
async fn dead_letters_that_are_returned_among_others_are_not_lost() {
    const ROUNDS: usize = 10;
    const EVENTS: usize = 200;
    let backend = Backend::at(&shared()).await;
    let gateway = Gateway::with(backend.settings()).await;
    gateway.connected().await;
    let (dead, other) = (backend.name("dead_letter"), backend.again().await);
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
        eventually("an empty queue", is_handled).await;
    }
    let mut letters = backend.dead_letters().await;
    let mut missing: HashSet<_> = (0..ROUNDS * EVENTS).map(|n| format!("weather.{n}")).collect();
    while !missing.is_empty() {
        // A letter may come twice.
        missing.remove(&letters.next().await.key);
    }
    let is_well = || async { gateway.api().get("/health").await["status"] == "ok" };
    eventually("the recovery", is_well).await;
}
