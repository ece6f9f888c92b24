//! Events with strings that AMQP forbids and brokers pass on: a client library ends the connection over them, and the
//! events around them must not notice.

use realtime_gateway_brokers::{rabbitmq::shared, redis};
use realtime_gateway_tests::{
    Backend, Gateway, RawPublisher, Socket, eventually,
    raw_amqp::{long, short},
};
use serde_json::json;

use super::rabbitmq::metric;

const BODY: &[u8] = b"{\"title\":\"a-secret-word\",\"message\":\"m\"}";

/// A publication that lapin cannot read: what is wrong, its routing key and its properties.
struct Bad {
    detail: String,
    key: Vec<u8>,
    properties: Vec<u8>,
}

impl Bad {
    fn new(detail: &str, key: &[u8], properties: Vec<u8>) -> Self {
        Self { detail: detail.into(), key: key.into(), properties }
    }

    fn headers(detail: &str, table: &[u8]) -> Self {
        Self::new(detail, b"notification.alice", [b"\x20\0".as_slice(), &long(table)].concat())
    }
}

/// So many tables, one in the other.
fn nested(depth: usize) -> Vec<u8> {
    let mut table = Vec::new();
    for _ in 0..depth {
        table = [b"\x01kF".as_slice(), &long(&table)].concat();
    }
    table
}

fn bad_events() -> Vec<Bad> {
    let latin = b"notification.gr\xf6\xdfe";
    let mut bad = vec![
        Bad::new("routing_key", latin, b"\0\0".to_vec()),
        Bad::new("routing_key", &[0xff; 255], b"\0\0".to_vec()),
        Bad::headers("header name", &[&short(b"\xff")[..], b"V"].concat()),
        Bad::headers("header name", &[b"\x01aF".as_slice(), &long(&[&short(b"\xe9")[..], b"t\x01"].concat())].concat()),
        Bad::headers("nest deeper", &nested(40)),
        Bad::headers("nest deeper", &nested(15_000)),
    ];
    // Brokers look at `expiration` and `user_id` themselves.
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
        bad.push(Bad::new(name, b"notification.alice", properties));
    }
    bad
}

async fn good(backend: &Backend, n: usize) {
    backend.publish("notification.alice", json!({ "title": n.to_string(), "message": "m" })).await;
}

async fn expect_dead_letters(backend: &Backend, bad: &[Bad]) {
    let mut letters = backend.dead_letters().await;
    for bad in bad {
        let letter = letters.next().await;
        let detail = letter.detail.unwrap();
        assert!(detail.contains(&bad.detail), "{detail} for {}", bad.detail);
        assert_eq!(letter.reason.as_deref(), Some("invalid_message"));
        assert_eq!(letter.body["title"], "a-secret-word");
        let headers = letter.properties.headers().clone().unwrap();
        assert!(headers.contains_key("x-gateway-original"), "{headers:?}");
    }
}

#[tokio::test]
async fn delivers_the_events_around_unreadable_ones() {
    let backend = Backend::at(&shared()).await;
    let gateway = Gateway::with(backend.settings()).await;
    gateway.connected().await;
    let (mut raw, bad) = (RawPublisher::connect(&shared()).await, bad_events());
    let mut alice = Socket::of(&gateway, "alice").await;
    alice.ask(json!({ "type": "subscribe_notifications" })).await;
    for (n, bad) in bad.iter().enumerate() {
        good(&backend, n).await;
        raw.publish(&backend.name("inbound"), &bad.key, &bad.properties, BODY).await;
    }
    good(&backend, bad.len()).await;
    for n in 0..=bad.len() {
        assert_eq!(alice.expect("notification").await["title"], n.to_string());
    }
    expect_dead_letters(&backend, &bad).await;
    assert!(alice.drain().await.is_empty());
    let (api, count) = (gateway.api(), bad.len() as f64);
    let is_counted =
        || async { metric(&api, "gateway_dead_lettered_total{reason=\"invalid_message\"}").await == count };
    eventually("the count of dead letters", is_counted).await;
    assert_eq!(metric(&api, "gateway_bus_reconnects_total").await, 0.0);
    assert_eq!(api.get("/health").await["status"], "ok");
    let is_logged = |line: &String| line.contains("dead letters") && line.contains("routing_key: it is not UTF-8");
    eventually("the reason in the log", async || gateway.log().iter().any(is_logged)).await;
    assert!(!gateway.log().iter().any(|line| line.contains("a-secret-word")));
}

#[tokio::test]
async fn unreadable_events_that_waited_first_stop_nothing() {
    let backend = Backend::at(&shared()).await;
    let mut gateway = Gateway::with(backend.settings()).await;
    gateway.connected().await;
    gateway.kill().await;
    let (mut raw, bad) = (RawPublisher::connect(&shared()).await, bad_events());
    for bad in &bad {
        raw.publish(&backend.name("inbound"), &bad.key, &bad.properties, BODY).await;
    }
    for n in 0..50 {
        good(&backend, n).await;
    }
    gateway.restart().await;
    let mut alice = Socket::of(&gateway, "alice").await;
    alice.ask(json!({ "type": "subscribe_notifications" })).await;
    for n in 0..50 {
        assert_eq!(alice.expect("notification").await["title"], n.to_string());
    }
    expect_dead_letters(&backend, &bad).await;
    assert!(alice.drain().await.is_empty());
    assert_eq!(metric(&gateway.api(), "gateway_bus_reconnects_total").await, 0.0);
}

#[tokio::test]
async fn an_unreadable_message_between_nodes_is_ignored() {
    let backend = Backend::at(&shared()).await;
    let store = tokio::task::spawn_blocking(|| redis::shared().url()).await.unwrap();
    let settings = backend.settings().set("store.url", &format!("\"{store}\""));
    let settings = settings.set("store.prefix", &format!("\"{}\"", uuid::Uuid::now_v7().simple()));
    let near = Gateway::with(settings.clone().set("node_id", "\"near\"")).await;
    let far = Gateway::with(settings.set("node_id", "\"far\"")).await;
    near.connected().await;
    far.connected().await;
    let mut raw = RawPublisher::connect(&shared()).await;
    for bad in bad_events() {
        raw.publish("", backend.name("nodes.far").as_bytes(), &bad.properties, b"?").await;
    }
    let mut bob = Socket::of(&far, "bob").await;
    bob.join("c").await;
    Socket::of(&near, "alice").await.chat("c", "hello").await;
    assert_eq!(bob.expect("chat").await["content"], "hello");
    assert_eq!(metric(&far.api(), "gateway_bus_reconnects_total").await, 0.0);
}
