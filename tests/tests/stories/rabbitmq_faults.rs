//! A broker that is hurt: clients notice nothing, nothing confirmed is lost, and all of it goes on by itself.

use std::{collections::BTreeMap, time::Duration};

use realtime_gateway_brokers::{
    rabbitmq::{RabbitServer, shared},
    redis::{Persistence, RedisServer},
};
use realtime_gateway_tests::{Backend, Event, Events, Gateway, Socket, eventually};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::rabbitmq::metric;

/// A broker that was hurt may owe a confirmation for so long, before it is asked again.
const CONFIRMED: Duration = Duration::from_secs(10);

/// A gateway at a broker of its own, with a client and a backend service that listens.
struct House {
    broker: RabbitServer,
    backend: Backend,
    gateway: Gateway,
    alice: Socket,
    said: u64,
}

impl House {
    async fn new() -> Self {
        let broker = tokio::task::spawn_blocking(RabbitServer::start).await.unwrap();
        let backend = Backend::at(&broker.url()).await;
        let settings = backend.settings().set("drain.delay", "\"0s\"").set("drain.spread", "\"100ms\"");
        let gateway = Gateway::with(settings).await;
        let mut alice = Socket::of(&gateway, "alice").await;
        alice.ask(json!({ "type": "subscribe_notifications" })).await;
        alice.join("c").await;
        backend.listen("chat.#").await;
        Self { broker, backend, gateway, alice, said: 0 }
    }

    /// Says something, which is confirmed and comes back whatever the broker does.
    async fn say(&mut self, times: u64) {
        for _ in 0..times {
            let sent = self.alice.ask(json!({ "type": "chat", "clanId": "c", "content": self.said.to_string() })).await;
            assert_eq!(sent["type"], "message_sent");
            self.said += 1;
        }
    }

    async fn state(&self) -> String {
        self.gateway.api().get("/health").await["bus"]["state"].as_str().unwrap().to_owned()
    }

    async fn until_state(&self, wanted: &str) {
        eventually(wanted, || async { self.state().await == wanted }).await;
    }

    async fn is_ready(&self) {
        self.gateway.api().get("/health/ready").await;
    }

    /// Connects the backend anew, and tells what it gets until all that was said has come.
    async fn all_said(&mut self) -> Vec<u64> {
        self.backend = self.backend.again().await;
        let mut events = self.backend.consume(&self.backend.name("backend.chat.#")).await;
        let (mut contents, mut seen) = (Vec::new(), BTreeMap::new());
        while (seen.len() as u64) < self.said {
            let event = next(&mut events).await;
            let content: u64 = event.body["content"].as_str().unwrap().parse().unwrap();
            let first = seen.insert(event.message_id.clone().unwrap(), content);
            assert!(first.is_none_or(|before| before == content), "one id for one event");
            contents.push(content);
        }
        contents
    }

    /// Publishes as a backend service should: again, by another connection, where no confirmation came.
    async fn publish_until_confirmed(&mut self, body: Value) {
        while timeout(CONFIRMED, self.backend.publish("notification.alice", body.clone())).await.is_err() {
            self.backend = self.backend.again().await;
        }
    }

    /// Whatever was said has come, in order apart from what came twice, and the way in works too.
    async fn is_whole(&mut self) {
        let said = self.all_said().await;
        let mut highest = None;
        for content in said {
            if highest.is_none_or(|highest| content > highest) {
                assert_eq!(content, highest.map_or(0, |highest| highest + 1), "no hole");
                highest = Some(content);
            }
        }
        self.publish_until_confirmed(json!({ "id": "after", "title": "after", "message": "m" })).await;
        assert_eq!(self.alice.until("notification").await["title"], "after");
        let api = self.gateway.api();
        let is_empty = || async { api.get("/health").await["bus"]["outbox"]["entries"] == json!(0) };
        eventually("an empty outbox", is_empty).await;
        assert_eq!(api.get("/health").await["status"], "ok");
    }
}

async fn next(events: &mut Events) -> Event {
    events.next().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_for_three_seconds() {
    let mut house = House::new().await;
    house.say(20).await;
    house.broker.ctl(&["stop_app"]);
    house.until_state("reconnecting").await;
    house.is_ready().await;
    house.say(50).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let health = house.gateway.api().get("/health").await;
    assert!(health["bus"]["outbox"]["entries"].as_u64().unwrap() >= 50, "{health}");
    assert_eq!(health["status"], "degraded");
    house.broker.ctl(&["start_app"]);
    house.until_state("connected").await;
    house.say(10).await;
    house.is_whole().await;
    let warnings =
        |what: &str| house.gateway.log().iter().filter(|line| line.contains("WARN") && line.contains(what)).count();
    // Two connections, and a cause or two each: not a line for every try.
    assert!(warnings("the broker is away") <= 6, "{:#?}", house.gateway.log());
    assert!(metric(&house.gateway.api(), "gateway_bus_reconnects_total").await >= 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_and_begun_again() {
    let mut house = House::new().await;
    house.backend.publish("notification.alice", json!({ "id": "before", "title": "before", "message": "m" })).await;
    house.alice.until("notification").await;
    house.say(200).await;
    house.broker.process().kill();
    house.say(50).await;
    house.until_state("reconnecting").await;
    house.broker.restart();
    house.until_state("connected").await;
    house.say(10).await;
    house.is_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_connections_closed() {
    let mut house = House::new().await;
    for _ in 0..3 {
        house.say(100).await;
        house.broker.ctl(&["close_all_connections", "a test"]);
        house.say(100).await;
        house.until_state("connected").await;
    }
    house.is_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn short_of_memory() {
    let mut house = House::new().await;
    house.say(10).await;
    house.broker.ctl(&["set_vm_memory_high_watermark", "0"]);
    house.say(50).await;
    house.until_state("blocked").await;
    house.is_ready().await;
    let health = house.gateway.api().get("/health").await;
    assert!(health["bus"]["blockedReason"].as_str().unwrap().contains("memory"), "{health}");
    assert_eq!(health["status"], "degraded");
    house.say(50).await;
    house.broker.ctl(&["set_vm_memory_high_watermark", "0.4"]);
    house.until_state("connected").await;
    house.is_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn halted_without_a_word() {
    let mut house = House::new().await;
    house.say(10).await;
    house.broker.process().pause();
    house.say(50).await;
    // No confirmation comes, so the connection is given up, and every try ends in time.
    house.until_state("reconnecting").await;
    house.is_ready().await;
    house.broker.process().resume();
    house.until_state("connected").await;
    house.is_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broker_and_gateway_both_begun_again() {
    let mut house = House::new().await;
    house.say(30).await;
    house.broker.process().kill();
    house.say(30).await;
    house.until_state("reconnecting").await;
    // It goes without waiting for a broker that is not there.
    house.gateway.signal("TERM").await;
    assert_eq!(house.alice.closed().await, 1012);
    assert_eq!(house.gateway.exit_code().await, Some(0));
    // And begins without it.
    house.gateway.restart().await;
    house.is_ready().await;
    house.alice = Socket::of(&house.gateway, "alice").await;
    house.alice.ask(json!({ "type": "subscribe_notifications" })).await;
    house.say(30).await;
    house.broker.restart();
    house.until_state("connected").await;
    house.is_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_store_is_away_events_wait_in_their_order() {
    let mut store = tokio::task::spawn_blocking(|| RedisServer::start(Persistence::Always)).await.unwrap();
    let backend = Backend::at(&shared()).await;
    let settings = backend.settings().set("store.url", &format!("{:?}", store.url()));
    let gateway = Gateway::with(settings).await;
    gateway.connected().await;
    let mut alice = Socket::of(&gateway, "alice").await;
    alice.ask(json!({ "type": "subscribe_notifications" })).await;
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
    eventually("the pause", wait).await;
    publish(60, 100).await;
    store.process().resume();
    for n in 0..100 {
        assert_eq!(alice.until("notification").await["title"], n.to_string());
    }
    let refused = metric(&gateway.api(), "gateway_bus_consumed_total{outcome=\"refused\"}").await;
    assert_eq!(refused, 0.0, "nothing was wrong with them");
}
