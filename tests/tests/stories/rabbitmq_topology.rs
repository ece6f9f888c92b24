//! Exchanges and queues that are deleted or declared differently, and gateways that cannot share a broker.

use std::process::Output;

use lapin::{
    BasicProperties, ExchangeKind,
    options::{
        ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
    },
    types::{AMQPValue, FieldTable},
};
use realtime_gateway_brokers::rabbitmq::{CA, RabbitServer, shared};
use realtime_gateway_tests::{Backend, Gateway, Settings, Socket, eventually};
use serde_json::json;

#[tokio::test]
async fn redeclares_deleted_queues() {
    let backend = Backend::connect(&shared()).await;
    let gateway = Gateway::with(backend.settings()).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.request(json!({ "type": "subscribe_notifications" })).await;
    for n in 0..3 {
        let queue = backend.name("inbound");
        backend.channel().queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
        // An event published immediately would reach no queue. A backend service notices that by the `mandatory` flag.
        let is_back = || async {
            let declared = QueueDeclareOptions { passive: true, ..Default::default() };
            let probe = backend.reconnect().await;
            probe.channel().queue_declare(queue.as_str().into(), declared, FieldTable::default()).await.is_ok()
        };
        eventually("the queue is declared again", is_back).await;
        gateway.wait_for_broker().await;
        backend.publish("notification.alice", json!({ "title": n.to_string(), "message": "m" })).await;
        assert_eq!(alice.expect("notification").await["title"], n.to_string());
    }
    let dead = backend.name("dead_letter");
    backend.channel().queue_delete(dead.into(), QueueDeleteOptions::default()).await.unwrap();
    backend.publish("weather.today", json!({})).await;
    let is_declared =
        || async { gateway.log().iter().any(|line| line.contains("the queue of the dead letters is gone")) };
    eventually("the gateway notices that the queue is gone", is_declared).await;
    let is_counted = || async {
        super::rabbitmq::metric(&gateway.api(), "gateway_dead_lettered_total{reason=\"unknown_key\"}").await >= 1.0
    };
    eventually("the dead letter is counted", is_counted).await;
    assert_eq!(backend.dead_letters().await.next().await.key, "weather.today");
}

/// Publishes until an event reaches a queue, as a backend service does whose events are returned.
async fn publish_until_routed(backend: &Backend, title: &str) {
    let routed = || async {
        let body = json!({ "id": title.replace(' ', "-"), "title": title, "message": "m" });
        // Publishing to a missing exchange closes the channel, so each attempt uses a new connection.
        backend.reconnect().await.publish_with("notification.alice", body, BasicProperties::default()).await
    };
    eventually("an event reaches the queue", routed).await;
}

#[tokio::test]
async fn redeclares_deleted_bindings_and_exchanges() {
    let backend = Backend::connect(&shared()).await;
    let gateway = Gateway::with(backend.settings()).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.request(json!({ "type": "subscribe_notifications" })).await;
    gateway.wait_for_broker().await;
    let (inbound, dead) = (backend.name("inbound"), backend.name("dead_letter"));
    let none = FieldTable::default;

    let channel = backend.channel();
    channel.queue_unbind(inbound.as_str().into(), inbound.as_str().into(), "#".into(), none()).await.unwrap();
    publish_until_routed(&backend, "after the binding").await;
    assert_eq!(alice.expect("notification").await["title"], "after the binding");

    channel.exchange_delete(inbound.as_str().into(), ExchangeDeleteOptions::default()).await.unwrap();
    publish_until_routed(&backend, "after the exchange").await;
    assert_eq!(alice.expect("notification").await["title"], "after the exchange");

    channel.queue_unbind(dead.as_str().into(), dead.as_str().into(), "".into(), none()).await.unwrap();
    backend.publish("weather.today", json!({})).await;
    assert_eq!(backend.dead_letters().await.next().await.key, "weather.today");
    channel.exchange_delete(dead.as_str().into(), ExchangeDeleteOptions::default()).await.unwrap();
    backend.publish("weather.tomorrow", json!({})).await;
    assert_eq!(backend.dead_letters().await.next().await.key, "weather.tomorrow");
    let is_healthy = || async { gateway.api().get("/health").await["status"] == "ok" };
    eventually("health is ok again", is_healthy).await;
    assert_eq!(super::rabbitmq::metric(&gateway.api(), "gateway_bus_reconnects_total").await, 0.0);
}

#[tokio::test]
async fn degrades_health_while_published_events_are_unroutable() {
    let backend = Backend::connect(&shared()).await;
    let gateway = Gateway::with(backend.settings()).await;
    gateway.wait_for_broker().await;
    let (api, outbound) = (gateway.api(), backend.name("outbound"));
    let mut events = backend.listen("chat.#").await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.chat("c", "still there").await;
    events.expect("chat.message.c").await;
    assert_eq!(
        api.get("/health").await["status"],
        "ok",
        "unroutable events without any earlier queue must not degrade health"
    );
    let status = || async { api.get("/health").await["status"].clone() };
    let queue = backend.name("backend.chat.#");
    let (none, bind) = (FieldTable::default, QueueBindOptions::default());
    for lose in ["binding", "exchange"] {
        let channel = backend.channel();
        if lose == "binding" {
            let unbinding =
                channel.queue_unbind(queue.as_str().into(), outbound.as_str().into(), "chat.#".into(), none());
            unbinding.await.unwrap();
        } else {
            let deleting = channel.exchange_delete(outbound.as_str().into(), ExchangeDeleteOptions::default());
            deleting.await.unwrap();
        }
        alice.chat("c", "lost").await;
        let is_named = || async { api.get("/health").await["warnings"].to_string().contains("chat.message") };
        eventually("health names the unroutable events", is_named).await;
        assert_eq!(status().await, "degraded");
        // The gateway redeclares its exchange, and the backend service its binding.
        let bound = || async {
            let probe = backend.reconnect().await;
            let (queue, exchange) = (queue.as_str().into(), outbound.as_str().into());
            probe.channel().queue_bind(queue, exchange, "chat.#".into(), bind, none()).await.is_ok()
        };
        eventually("the exchange can be bound", bound).await;
        alice.chat("c", "still there").await;
        assert_eq!(events.expect("chat.message.c").await["content"], "still there");
        eventually("health is ok again", || async { status().await == "ok" }).await;
    }
}

/// RabbitMQ may confirm several events with one acknowledgement after it has returned some of them.
#[tokio::test]
async fn never_bound_events_do_not_degrade_health() {
    let backend = Backend::connect(&shared()).await;
    // Each notification drops the previous one, which publishes an event for which no queue is bound.
    let gateway = Gateway::with(backend.settings().set("notifications.max_pending", "1")).await;
    gateway.wait_for_broker().await;
    let (queue, outbound, channel) = (backend.name("backend"), backend.name("outbound"), backend.channel());
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.as_str().into(), durable, FieldTable::default()).await.unwrap();
    let bind = QueueBindOptions::default();
    let binding = channel.queue_bind(
        queue.as_str().into(),
        outbound.as_str().into(),
        "chat.#".into(),
        bind,
        FieldTable::default(),
    );
    binding.await.unwrap();
    let api = gateway.api();
    let mut alice = Socket::connect(&gateway, "alice").await;
    let chats = async {
        for n in 0..500 {
            alice.chat("c", &n.to_string()).await;
        }
    };
    let notifications = async {
        for n in 0..500 {
            api.notify("bob", &n.to_string()).await;
        }
    };
    tokio::join!(chats, notifications);
    let is_empty = || async { api.get("/health").await["bus"]["outbox"]["entries"] == json!(0) };
    eventually("the outbox is empty", is_empty).await;
    let health = api.get("/health").await;
    assert_eq!(health["status"], "ok", "{health}");
    assert!(!health["warnings"].to_string().contains("reach no queue"), "{health}");
    let false_alarms: Vec<_> = gateway.log().into_iter().filter(|line| line.contains("a binding is missing")).collect();
    assert_eq!(false_alarms, [""; 0]);
    // One event for the session, and one for each notification except the last.
    assert_eq!(super::rabbitmq::metric(&api, "gateway_bus_unroutable_total").await, 500.0);
    channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
}

#[tokio::test]
async fn accepts_queue_declared_by_earlier_version() {
    let backend = Backend::connect(&shared()).await;
    let (inbound, channel) = (backend.name("inbound"), backend.channel());
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(20));
    let dead_letters = AMQPValue::LongString(backend.name("dead_letter").into());
    arguments.insert("x-dead-letter-exchange".into(), dead_letters);
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(inbound.as_str().into(), durable, arguments).await.unwrap();
    let gateway = Gateway::with(backend.settings()).await;
    gateway.wait_for_broker().await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.request(json!({ "type": "subscribe_notifications" })).await;
    publish_until_routed(&backend, "old").await;
    assert_eq!(alice.expect("notification").await["title"], "old");
    let health = gateway.api().get("/health").await;
    assert_eq!(health["status"], "ok");
    assert!(health["warnings"].to_string().contains(&inbound), "{health}");
    // As documented: once the empty queue is deleted, the gateway declares it without the delivery limit.
    channel.queue_delete(inbound.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
    publish_until_routed(&backend, "new").await;
    assert_eq!(alice.expect("notification").await["title"], "new");
    let is_quiet = || async { !gateway.api().get("/health").await["warnings"].to_string().contains(&inbound) };
    eventually("the warning is gone", is_quiet).await;
}

#[tokio::test]
async fn reports_mismatched_exchange_and_retries() {
    let backend = Backend::connect(&shared()).await;
    let exchange = backend.name("inbound");
    let transient = ExchangeDeclareOptions::default();
    let declaring = backend.channel().exchange_declare(
        exchange.as_str().into(),
        ExchangeKind::Fanout,
        transient,
        FieldTable::default(),
    );
    declaring.await.unwrap();
    let gateway = Gateway::with(backend.settings()).await;
    let api = gateway.api();
    let health = api.get("/health").await;
    assert_eq!((&health["status"], &health["bus"]["state"]), (&json!("degraded"), &json!("reconnecting")));
    let error = health["bus"]["lastError"].as_str().unwrap().to_owned();
    assert!(error.contains("PRECONDITION_FAILED") && error.contains(&exchange), "{error}");
    api.get("/health/ready").await;
    // Outbound events use a connection of their own, so they are still published.
    let mut events = backend.listen("chat.#").await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.chat("c", "still published").await;
    events.expect("chat.message.c").await;
    let logged_errors =
        || gateway.log().iter().filter(|line| line.contains("PRECONDITION_FAILED") && line.contains("ERROR")).count();
    eventually("the error is logged", async || logged_errors() == 1).await;
    let deleting = backend.channel().exchange_delete(exchange.into(), ExchangeDeleteOptions::default());
    deleting.await.unwrap();
    let is_healthy = || async { api.get("/health").await["status"] == "ok" };
    eventually("health is ok again", is_healthy).await;
    assert_eq!(logged_errors(), 1, "the error is logged once, whatever the number of attempts");
}

#[tokio::test]
async fn rejects_second_gateway_with_local_store() {
    let backend = Backend::connect(&shared()).await;
    let mut first = Gateway::with(backend.settings()).await;
    first.wait_for_broker().await;
    let refused = run(&backend.settings(), "serve").await;
    assert_eq!(refused.status.code(), Some(1));
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        error.contains("another gateway with a store of its own") && error.contains(&backend.name("single")),
        "{error}"
    );
    first.kill().await;
    let _second = Gateway::with(backend.settings()).await;
}

#[tokio::test]
async fn check_reports_whether_broker_accepts_credentials() {
    let backend = Backend::connect(&shared()).await;
    let found = run(&backend.settings(), "check").await;
    let text = String::from_utf8_lossy(&found.stdout).into_owned();
    assert!(text.contains("ok       the broker lets the gateway in"), "{text}");
    assert_eq!(found.status.code(), Some(0), "{text}");
    let wrong = shared().replace("guest:guest@", "guest:a-wrong-password@");
    let found = run(&backend.settings().set("bus.url", &format!("{wrong:?}")), "check").await;
    let text = String::from_utf8_lossy(&found.stdout).into_owned();
    assert!(text.contains("error    the broker cannot be used") && text.contains("ACCESS_REFUSED"), "{text}");
    assert!(!text.contains("a-wrong-password"), "{text}");
    assert_eq!(found.status.code(), Some(1));
}

#[tokio::test]
async fn connects_to_first_reachable_host() {
    let backend = Backend::connect(&shared()).await;
    let urls = format!("amqp://u:a-password@127.0.0.1:1,{},amqp://no-such-host.invalid", shared());
    let gateway = Gateway::with(backend.settings().set("bus.url", &format!("{urls:?}"))).await;
    gateway.wait_for_broker().await;
    assert!(!gateway.log().iter().any(|line| line.contains("a-password")));
}

#[tokio::test]
async fn verifies_broker_certificate_with_configured_ca() {
    let (broker, port) = tokio::task::spawn_blocking(RabbitServer::with_tls).await.unwrap();
    let backend = Backend::connect(&broker.url()).await;
    let secure = backend.settings().set("bus.url", &format!("\"amqps://guest:guest@localhost:{port}\""));
    let trusting = Gateway::with(secure.clone().set("bus.ca", &format!("{CA:?}"))).await;
    trusting.wait_for_broker().await;
    let mut alice = Socket::connect(&trusting, "alice").await;
    alice.request(json!({ "type": "subscribe_notifications" })).await;
    backend.publish("notification.alice", json!({ "title": "safe", "message": "m" })).await;
    assert_eq!(alice.expect("notification").await["title"], "safe");

    let without_ca = Gateway::with(secure.set("bus.prefix", "\"another\"")).await;
    let health = without_ca.api().get("/health").await;
    assert!(health["bus"]["lastError"].as_str().unwrap().contains("certificate"), "{health}");
    let wrong = Settings::default().set("bus.url", "\"amqps://localhost\"").set("bus.ca", "\"no-such-file.pem\"");
    let refused = run(&wrong, "serve").await;
    assert!(String::from_utf8_lossy(&refused.stderr).contains("bus.ca: no-such-file.pem cannot be used"));
}

/// Runs a command of the gateway's binary.
async fn run(settings: &Settings, command: &str) -> Output {
    Gateway::run_once(settings.clone(), command).await
}
