//! Broker failures: clients stay connected, no confirmed event is lost, and the gateway recovers by itself.

use std::{collections::BTreeMap, time::Duration};

use realtime_gateway_brokers::{
    rabbitmq::{RabbitServer, shared},
    redis::{Persistence, RedisServer},
};
use realtime_gateway_tests::{Backend, Event, Events, Gateway, Socket, eventually};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::rabbitmq::metric;

/// How long a publisher waits for a confirmation before it publishes again. A broker that failed may never confirm.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(10);

/// A gateway with its own broker, a client and the queue of a backend service.
struct GatewayWithBroker {
    broker: RabbitServer,
    backend: Backend,
    gateway: Gateway,
    alice: Socket,
    sent: u64,
}

impl GatewayWithBroker {
    async fn new() -> Self {
        let broker = tokio::task::spawn_blocking(RabbitServer::start).await.unwrap();
        let backend = Backend::connect(&broker.url()).await;
        let settings = backend.settings().set("drain.delay", "\"0s\"").set("drain.spread", "\"100ms\"");
        let gateway = Gateway::with(settings).await;
        let mut alice = Socket::connect(&gateway, "alice").await;
        alice.request(json!({ "type": "subscribe_notifications" })).await;
        alice.join("c").await;
        backend.listen("chat.#").await;
        Self { broker, backend, gateway, alice, sent: 0 }
    }

    /// Sends chat messages, which must be confirmed whatever state the broker is in.
    async fn send_chat(&mut self, times: u64) {
        for _ in 0..times {
            let sent =
                self.alice.request(json!({ "type": "chat", "clanId": "c", "content": self.sent.to_string() })).await;
            assert_eq!(sent["type"], "message_sent");
            self.sent += 1;
        }
    }

    async fn state(&self) -> String {
        self.gateway.api().get("/health").await["bus"]["state"].as_str().unwrap().to_owned()
    }

    async fn wait_for_state(&self, wanted: &str) {
        eventually(wanted, || async { self.state().await == wanted }).await;
    }

    async fn expect_ready(&self) {
        self.gateway.api().get("/health/ready").await;
    }

    /// Reconnects the backend service and returns the contents that it receives until every sent message has arrived.
    async fn reported_contents(&mut self) -> Vec<u64> {
        self.backend = self.backend.reconnect().await;
        let mut events = self.backend.consume(&self.backend.name("backend.chat.#")).await;
        let (mut contents, mut seen) = (Vec::new(), BTreeMap::new());
        while (seen.len() as u64) < self.sent {
            let event = next(&mut events).await;
            let content: u64 = event.body["content"].as_str().unwrap().parse().unwrap();
            let first = seen.insert(event.message_id.clone().unwrap(), content);
            assert!(first.is_none_or(|before| before == content), "two events have the same id");
            contents.push(content);
        }
        contents
    }

    /// Publishes as a backend service should: without a confirmation it publishes again over a new connection.
    async fn publish_until_confirmed(&mut self, body: Value) {
        while timeout(CONFIRM_TIMEOUT, self.backend.publish("notification.alice", body.clone())).await.is_err() {
            self.backend = self.backend.reconnect().await;
        }
    }

    /// Checks that every sent message was reported, in order apart from repeats, and that inbound events are delivered.
    async fn expect_no_loss(&mut self) {
        let reported = self.reported_contents().await;
        let mut highest = None;
        for content in reported {
            if highest.is_none_or(|highest| content > highest) {
                assert_eq!(content, highest.map_or(0, |highest| highest + 1), "a message is missing");
                highest = Some(content);
            }
        }
        self.publish_until_confirmed(json!({ "id": "after", "title": "after", "message": "m" })).await;
        assert_eq!(self.alice.wait_for("notification").await["title"], "after");
        let api = self.gateway.api();
        let is_empty = || async { api.get("/health").await["bus"]["outbox"]["entries"] == json!(0) };
        eventually("the outbox is empty", is_empty).await;
        assert_eq!(api.get("/health").await["status"], "ok");
    }
}

async fn next(events: &mut Events) -> Event {
    events.next().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recovers_after_broker_stops_for_3_seconds() {
    let mut fixture = GatewayWithBroker::new().await;
    fixture.send_chat(20).await;
    fixture.broker.ctl(&["stop_app"]);
    fixture.wait_for_state("reconnecting").await;
    fixture.expect_ready().await;
    fixture.send_chat(50).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let health = fixture.gateway.api().get("/health").await;
    assert!(health["bus"]["outbox"]["entries"].as_u64().unwrap() >= 50, "{health}");
    assert_eq!(health["status"], "degraded");
    fixture.broker.ctl(&["start_app"]);
    fixture.wait_for_state("connected").await;
    fixture.send_chat(10).await;
    fixture.expect_no_loss().await;
    let warnings =
        |what: &str| fixture.gateway.log().iter().filter(|line| line.contains("WARN") && line.contains(what)).count();
    // There are two connections with up to two causes each; the log has no line per attempt.
    assert!(warnings("the broker is away") <= 6, "{:#?}", fixture.gateway.log());
    assert!(metric(&fixture.gateway.api(), "gateway_bus_reconnects_total").await >= 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recovers_after_broker_is_killed_and_restarted() {
    let mut fixture = GatewayWithBroker::new().await;
    fixture.backend.publish("notification.alice", json!({ "id": "before", "title": "before", "message": "m" })).await;
    fixture.alice.wait_for("notification").await;
    fixture.send_chat(200).await;
    fixture.broker.process().kill();
    fixture.send_chat(50).await;
    fixture.wait_for_state("reconnecting").await;
    fixture.broker.restart();
    fixture.wait_for_state("connected").await;
    fixture.send_chat(10).await;
    fixture.expect_no_loss().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recovers_after_broker_closes_all_connections() {
    let mut fixture = GatewayWithBroker::new().await;
    for _ in 0..3 {
        fixture.send_chat(100).await;
        fixture.broker.ctl(&["close_all_connections", "a test"]);
        fixture.send_chat(100).await;
        fixture.wait_for_state("connected").await;
    }
    fixture.expect_no_loss().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_blocked_broker_and_keeps_confirming_chat() {
    let mut fixture = GatewayWithBroker::new().await;
    fixture.send_chat(10).await;
    fixture.broker.ctl(&["set_vm_memory_high_watermark", "0"]);
    fixture.send_chat(50).await;
    fixture.wait_for_state("blocked").await;
    fixture.expect_ready().await;
    let health = fixture.gateway.api().get("/health").await;
    assert!(health["bus"]["blockedReason"].as_str().unwrap().contains("memory"), "{health}");
    assert_eq!(health["status"], "degraded");
    fixture.send_chat(50).await;
    fixture.broker.ctl(&["set_vm_memory_high_watermark", "0.4"]);
    fixture.wait_for_state("connected").await;
    fixture.expect_no_loss().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recovers_after_broker_process_is_suspended() {
    let mut fixture = GatewayWithBroker::new().await;
    fixture.send_chat(10).await;
    fixture.broker.process().pause();
    fixture.send_chat(50).await;
    // The suspended broker does not confirm, so the gateway drops the connection, and every reconnect attempt times
    // out.
    fixture.wait_for_state("reconnecting").await;
    fixture.expect_ready().await;
    fixture.broker.process().resume();
    fixture.wait_for_state("connected").await;
    fixture.expect_no_loss().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recovers_after_broker_and_gateway_restart() {
    let mut fixture = GatewayWithBroker::new().await;
    fixture.send_chat(30).await;
    fixture.broker.process().kill();
    fixture.send_chat(30).await;
    fixture.wait_for_state("reconnecting").await;
    // The gateway shuts down without waiting for the unreachable broker.
    fixture.gateway.signal("TERM").await;
    assert_eq!(fixture.alice.close_code().await, 1012);
    assert_eq!(fixture.gateway.exit_code().await, Some(0));
    // It also starts without the broker.
    fixture.gateway.restart().await;
    fixture.expect_ready().await;
    fixture.alice = Socket::connect(&fixture.gateway, "alice").await;
    fixture.alice.request(json!({ "type": "subscribe_notifications" })).await;
    fixture.send_chat(30).await;
    fixture.broker.restart();
    fixture.wait_for_state("connected").await;
    fixture.expect_no_loss().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delivers_events_in_order_after_store_outage() {
    let mut store = tokio::task::spawn_blocking(|| RedisServer::start(Persistence::Always)).await.unwrap();
    let backend = Backend::connect(&shared()).await;
    let settings = backend.settings().set("store.url", &format!("{:?}", store.url()));
    let gateway = Gateway::with(settings).await;
    gateway.wait_for_broker().await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.request(json!({ "type": "subscribe_notifications" })).await;
    let publish = async |from: u64, to: u64| {
        for n in from..to {
            let body = json!({ "id": format!("n{n}"), "title": n.to_string(), "message": "m" });
            backend.publish("notification.alice", body).await;
        }
    };
    publish(0, 10).await;
    store.process().pause();
    publish(10, 60).await;
    let wait = || async { gateway.log().iter().any(|line| line.contains("the store takes no inbound events")) };
    eventually("the gateway stops accepting inbound events", wait).await;
    publish(60, 100).await;
    store.process().resume();
    for n in 0..100 {
        assert_eq!(alice.wait_for("notification").await["title"], n.to_string());
    }
    let refused = metric(&gateway.api(), "gateway_bus_consumed_total{outcome=\"refused\"}").await;
    assert_eq!(refused, 0.0, "valid events were refused");
}
