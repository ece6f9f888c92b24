//! Events with malformed AMQP strings, which brokers pass on: the client library closes the connection when it reads
//! one, and the other events must still be delivered.

use realtime_gateway_brokers::rabbitmq::shared;
use realtime_gateway_tests::{
    Backend, Gateway, RawPublisher, Socket, eventually,
    raw_amqp::{long, short},
};
use serde_json::json;

use super::rabbitmq::metric;

const BODY: &[u8] = b"{\"title\":\"a-secret-word\",\"message\":\"m\"}";

/// A publication that lapin cannot parse: the expected error detail, the routing key and the properties.
struct UnreadableEvent {
    detail: String,
    key: Vec<u8>,
    properties: Vec<u8>,
}

impl UnreadableEvent {
    fn new(detail: &str, key: &[u8], properties: Vec<u8>) -> Self {
        Self { detail: detail.into(), key: key.into(), properties }
    }

    fn headers(detail: &str, table: &[u8]) -> Self {
        Self::new(detail, b"notification.alice", [b"\x20\0".as_slice(), &long(table)].concat())
    }
}

/// Encodes `depth` nested tables.
fn nested(depth: usize) -> Vec<u8> {
    let mut table = Vec::new();
    for _ in 0..depth {
        table = [b"\x01kF".as_slice(), &long(&table)].concat();
    }
    table
}

fn unreadable_events() -> Vec<UnreadableEvent> {
    let latin = b"notification.gr\xf6\xdfe";
    let mut bad = vec![
        UnreadableEvent::new("routing_key", latin, b"\0\0".to_vec()),
        UnreadableEvent::new("routing_key", &[0xff; 255], b"\0\0".to_vec()),
        UnreadableEvent::headers("header name", &[&short(b"\xff")[..], b"V"].concat()),
        UnreadableEvent::headers(
            "header name",
            &[b"\x01aF".as_slice(), &long(&[&short(b"\xe9")[..], b"t\x01"].concat())].concat(),
        ),
        UnreadableEvent::headers("nest deeper", &nested(40)),
        UnreadableEvent::headers("nest deeper", &nested(15_000)),
    ];
    // `expiration` and `user_id` are missing here because brokers validate them.
    let properties = [
        ("content_type", 15),
        ("content_encoding", 14),
        ("correlation_id", 10),
        ("reply_to", 9),
        ("message_id", 7),
        ("type", 5),
        ("app_id", 3),
        ("cluster_id", 2),
    ];
    for (name, bit) in properties {
        let properties = [&(1_u16 << bit).to_be_bytes()[..], &short(b"gr\xf6\xdfe")].concat();
        bad.push(UnreadableEvent::new(name, b"notification.alice", properties));
    }
    bad
}

async fn publish_valid(backend: &Backend, n: usize) {
    backend.publish("notification.alice", json!({ "title": n.to_string(), "message": "m" })).await;
}

async fn expect_dead_letters(backend: &Backend, bad: &[UnreadableEvent]) {
    let mut dead_letters = backend.dead_letters().await;
    for bad in bad {
        let dead_letter = dead_letters.next().await;
        let detail = dead_letter.detail.unwrap();
        assert!(detail.contains(&bad.detail), "{detail} for {}", bad.detail);
        assert_eq!(dead_letter.reason.as_deref(), Some("invalid_message"));
        assert_eq!(dead_letter.body["title"], "a-secret-word");
        let headers = dead_letter.properties.headers().clone().unwrap();
        assert!(headers.contains_key("x-gateway-original"), "{headers:?}");
    }
}

#[tokio::test]
async fn dead_letters_unreadable_events_and_delivers_the_others() {
    let backend = Backend::connect(&shared()).await;
    let gateway = Gateway::with(backend.settings()).await;
    gateway.wait_for_broker().await;
    let (mut raw, bad) = (RawPublisher::connect(&shared()).await, unreadable_events());
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.request(json!({ "type": "subscribe_notifications" })).await;
    for (n, bad) in bad.iter().enumerate() {
        publish_valid(&backend, n).await;
        raw.publish(&backend.name("inbound"), &bad.key, &bad.properties, BODY).await;
    }
    publish_valid(&backend, bad.len()).await;
    for n in 0..=bad.len() {
        assert_eq!(alice.expect("notification").await["title"], n.to_string());
    }
    expect_dead_letters(&backend, &bad).await;
    assert!(alice.messages_until_pong().await.is_empty());
    let (api, count) = (gateway.api(), bad.len() as f64);
    let is_counted =
        || async { metric(&api, "gateway_dead_lettered_total{reason=\"invalid_message\"}").await == count };
    eventually("the dead letters are counted", is_counted).await;
    assert_eq!(metric(&api, "gateway_bus_reconnects_total").await, 0.0);
    assert_eq!(api.get("/health").await["status"], "ok");
    let is_logged = |line: &String| line.contains("dead letters") && line.contains("routing_key: it is not UTF-8");
    eventually("the log names the reason", async || gateway.log().iter().any(is_logged)).await;
    assert!(!gateway.log().iter().any(|line| line.contains("a-secret-word")));
}

#[tokio::test]
async fn delivers_events_queued_behind_unreadable_ones() {
    let backend = Backend::connect(&shared()).await;
    let mut gateway = Gateway::with(backend.settings()).await;
    gateway.wait_for_broker().await;
    gateway.kill().await;
    let (mut raw, bad) = (RawPublisher::connect(&shared()).await, unreadable_events());
    for bad in &bad {
        raw.publish(&backend.name("inbound"), &bad.key, &bad.properties, BODY).await;
    }
    for n in 0..50 {
        publish_valid(&backend, n).await;
    }
    gateway.restart().await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.request(json!({ "type": "subscribe_notifications" })).await;
    for n in 0..50 {
        assert_eq!(alice.expect("notification").await["title"], n.to_string());
    }
    expect_dead_letters(&backend, &bad).await;
    assert!(alice.messages_until_pong().await.is_empty());
    assert_eq!(metric(&gateway.api(), "gateway_bus_reconnects_total").await, 0.0);
}
