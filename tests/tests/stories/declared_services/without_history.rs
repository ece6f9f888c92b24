//! Topics without history: events reach the current subscribers of all nodes, and are stored nowhere.

mod sdk;

use realtime_gateway_brokers::{rabbitmq, redis};
use realtime_gateway_tests::{Backend, Gateway, Settings, Socket, eventually};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Contracts, RELOADED, comment, publish, reload, subscribe, token};

const EVENTS: &str = "/api/v1/services/orders/topics/courier-eu/events";

async fn join(gateway: &Gateway, user: &str) -> Socket {
    let mut socket = Socket::connect_with(gateway, &token(user, &["*"])).await;
    assert_eq!(socket.request(subscribe("courier-eu")).await["status"], "subscribed");
    socket
}

/// Publishes as a client, and returns the reply without its `requestId`.
async fn publish_and_reply(socket: &mut Socket, command: Value) -> Value {
    let mut reply = socket.request(command).await;
    reply.as_object_mut().unwrap().remove("requestId");
    reply
}

fn accepted() -> Value {
    json!({ "type": "publish_accepted", "service": "orders", "topic": "courier-eu" })
}

/// Returns the value of a metric; 0 if it has none yet.
async fn metric(gateway: &Gateway, name: &str) -> f64 {
    let page = gateway.api().call(Method::GET, "/metrics", None).await.text().await.unwrap();
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.unwrap_or(0.0)
}

/// Returns the events of a topic without history among messages, in order.
fn texts(messages: &[Value]) -> Vec<&str> {
    let events = messages.iter().filter(|message| message["type"] == "ephemeral_event");
    events.map(|event| event["data"]["text"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn sends_events_to_current_subscribers_without_position() {
    let contracts = Contracts::new();
    let gateway = contracts.gateway().await;
    let mut alice = Socket::open(&gateway, "/ws", Some(&token("alice", &["courier-*"]).text())).await.unwrap();
    let features = alice.expect("connected").await["features"].clone();
    assert!(features.as_array().unwrap().contains(&json!("ephemeral")), "{features}");
    let confirmed = alice.request(subscribe("courier-eu")).await;
    for absent in ["offset", "epoch", "recovered"] {
        assert_eq!(confirmed.get(absent), None, "{confirmed}");
    }
    let mut bob = Socket::connect_with(&gateway, &token("bob", &["courier-eu"])).await;
    let mut command = publish("courier-eu", comment("a"));
    command["clientMessageId"] = json!("m1");
    let mut expected = accepted();
    expected["clientMessageId"] = json!("m1");
    assert_eq!(publish_and_reply(&mut bob, command.clone()).await, expected);
    let event = alice.expect("ephemeral_event").await;
    assert!(event["publishedAt"].is_string());
    let members = json!({
        "type": "ephemeral_event", "service": "orders", "topic": "courier-eu", "data": comment("a"),
        "publishedAt": event["publishedAt"], "userId": "bob", "clientMessageId": "m1",
    });
    assert_eq!(event, members);
    // Nothing recognises a repeat. Other content under the same id is no conflict either.
    command["data"] = comment("b");
    assert_eq!(publish_and_reply(&mut bob, command).await, expected);
    assert_eq!(alice.expect("ephemeral_event").await["data"], comment("b"));
    // A backend publishes any event, and no user is named.
    let placed = json!({ "type": "placed", "items": [] });
    let response = gateway.api().call(Method::POST, EVENTS, Some(json!({ "data": placed, "id": "m2" }))).await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert_eq!(response.bytes().await.unwrap().len(), 0);
    let event = alice.expect("ephemeral_event").await;
    assert_eq!((&event["data"], &event["clientMessageId"], event.get("userId")), (&placed, &json!("m2"), None));
    // Nothing is stored, so that a later subscriber gets nothing, whatever it asks for.
    let mut carol = Socket::connect_with(&gateway, &token("carol", &["courier-eu"])).await;
    let mut later = subscribe("courier-eu");
    later["history"] = json!(10);
    later["recover"] = json!({ "offset": 0, "epoch": "e" });
    let confirmed = carol.request(later).await;
    assert_eq!((&confirmed["status"], confirmed.get("recovered")), (&json!("subscribed"), None));
    assert_eq!(carol.messages_until_pong().await, [json!(null); 0]);
    // The publisher gets its own event too, if it subscribes.
    carol.send(publish("courier-eu", comment("c"))).await;
    let both = [carol.next().await.unwrap(), carol.next().await.unwrap()];
    assert_eq!(texts(&both), ["c"]);
}

#[tokio::test]
async fn validates_and_permits_as_for_every_topic() {
    let contracts = Contracts::new();
    let gateway = contracts.gateway().await;
    let mut alice = join(&gateway, "alice").await;
    let refused = alice.request(publish("courier-eu", comment(""))).await;
    let details = json!({ "field": "data", "pointer": "/text", "keyword": "minLength" });
    assert_eq!((&refused["code"], &refused["details"]), (&json!("invalid_message"), &details));
    let placed = json!({ "type": "placed", "items": [] });
    assert_eq!(alice.request(publish("courier-eu", placed)).await["details"]["field"], "data");
    let (status, problem) = gateway.api().json(Method::POST, EVENTS, Some(json!({ "data": comment("") }))).await;
    assert_eq!((status, &problem["details"]), (StatusCode::UNPROCESSABLE_ENTITY, &details));
    let large = gateway.api().json(Method::POST, EVENTS, Some(json!({ "data": comment(&"x".repeat(70_000)) }))).await;
    assert_eq!((large.0, &large.1["code"]), (StatusCode::PAYLOAD_TOO_LARGE, &json!("message_too_large")));
    let mut bob = Socket::connect_with(&gateway, &token("bob", &["order-1"])).await;
    for command in [subscribe("courier-eu"), publish("courier-eu", comment("a"))] {
        assert_eq!(bob.request(command).await["code"], "forbidden");
    }
    let history = json!({ "type": "topic_history", "service": "orders", "topic": "courier-eu" });
    let refused = alice.request(history).await;
    assert_eq!((&refused["code"], &refused["details"]["field"]), (&json!("invalid_message"), &json!("topic")));
    let (status, problem) = gateway.api().json(Method::GET, EVENTS, None).await;
    assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!("invalid_message")));
    assert_eq!(alice.messages_until_pong().await, [json!(null); 0], "nothing that was refused was sent");
}

#[tokio::test]
async fn subscribers_are_present() {
    let contracts = Contracts::new();
    let gateway = contracts.gateway().await;
    let mut alice = Socket::connect_with(&gateway, &token("alice", &["*"])).await;
    let mut watch = subscribe("courier-eu");
    watch["presence"] = json!(true);
    alice.send(watch).await;
    alice.wait_for("topic_presence").await;
    let _bob = join(&gateway, "bob").await;
    let changed = alice.wait_for("topic_presence_changed").await;
    assert_eq!((&changed["userId"], &changed["status"]), (&json!("bob"), &json!("online")));
}

#[tokio::test]
async fn server_subscribes_users_without_position() {
    let contracts = Contracts::new();
    let gateway = contracts.gateway().await;
    let mut alice = Socket::connect_with(&gateway, &token("alice", &[])).await;
    let new = json!({ "service": "orders", "topic": "courier-eu" });
    let path = "/api/v1/users/alice/subscriptions";
    assert_eq!(gateway.api().call(Method::POST, path, Some(new)).await.status(), StatusCode::NO_CONTENT);
    let confirmed = alice.expect("subscription_confirmed").await;
    assert_eq!((&confirmed["origin"], confirmed.get("offset")), (&json!("server"), None));
    gateway.api().call(Method::POST, EVENTS, Some(json!({ "data": comment("a") }))).await;
    assert_eq!(alice.expect("ephemeral_event").await["data"], comment("a"));
}

#[tokio::test]
async fn acknowledges_events_of_the_broker_and_reports_none() {
    let backend = Backend::connect(&tokio::task::spawn_blocking(rabbitmq::shared).await.unwrap()).await;
    let contracts = Contracts::new();
    let gateway = Gateway::with(contracts.settings(backend.settings())).await;
    gateway.wait_for_broker().await;
    let mut reports = backend.listen("service.#").await;
    let mut dead_letters = backend.dead_letters().await;
    let mut alice = join(&gateway, "alice").await;
    for text in ["a", "b", "c"] {
        backend.publish("service.orders.courier-eu", json!({ "data": comment(text) })).await;
    }
    for text in ["a", "b", "c"] {
        assert_eq!(alice.expect("ephemeral_event").await["data"], comment(text));
    }
    backend.publish("service.orders.courier-eu", json!({ "data": comment("") })).await;
    assert_eq!(dead_letters.next().await.detail.as_deref(), Some("/text: minLength"));
    alice.send(publish("courier-eu", comment("d"))).await;
    alice.wait_for("publish_accepted").await;
    // The first report is about the first event that is stored.
    alice.send(publish("order-1", comment("e"))).await;
    alice.wait_for("message_sent").await;
    assert_eq!(reports.expect("service.orders.order-1").await["data"], comment("e"));
    eventually("the events are acknowledged", || async {
        metric(&gateway, "gateway_bus_consumed_total{outcome=\"stored\"}").await == 3.0
    })
    .await;
}

#[tokio::test]
async fn reaches_subscribers_of_other_nodes_in_order() {
    let store = tokio::task::spawn_blocking(|| redis::shared().url()).await.unwrap();
    let prefix = uuid::Uuid::now_v7().simple().to_string();
    let contracts = Contracts::new();
    let settings = contracts.settings(Settings::default());
    let settings = settings.set("store.url", &format!("\"{store}\"")).set("store.prefix", &format!("\"{prefix}\""));
    let near = Gateway::with(settings.clone().set("node_id", "\"near\"")).await;
    let far = Gateway::with(settings.set("node_id", "\"far\"")).await;
    for node in [&near, &far] {
        eventually("the node is connected to the other nodes", || async {
            node.api().health().await["cluster"]["state"] == "connected"
        })
        .await;
    }
    let (mut alice, mut bob) = (join(&near, "alice").await, join(&far, "bob").await);
    for number in 0..50 {
        far.api().call(Method::POST, EVENTS, Some(json!({ "data": comment(&number.to_string()) }))).await;
    }
    for socket in [&mut alice, &mut bob] {
        for number in 0..50 {
            assert_eq!(socket.expect("ephemeral_event").await["data"], comment(&number.to_string()));
        }
    }
    // While the contracts differ, both kinds of events arrive on both nodes.
    contracts.edit("history = false", "history = { max_entries = 3 }");
    reload(&near, RELOADED).await;
    assert_eq!(alice.expect("subscription_ended").await["code"], "unavailable");
    assert_eq!(alice.request(subscribe("courier-eu")).await["offset"], 0);
    near.api().post(EVENTS, json!({ "data": comment("stored") })).await;
    far.api().call(Method::POST, EVENTS, Some(json!({ "data": comment("sent") }))).await;
    for socket in [&mut alice, &mut bob] {
        let mut kinds = Vec::new();
        for _ in 0..2 {
            let message = socket.next().await.unwrap();
            kinds.push((message["type"].clone(), message["data"]["text"].clone()));
        }
        kinds.sort_by_key(|(kind, _)| kind.to_string());
        assert_eq!(kinds, [(json!("ephemeral_event"), json!("sent")), (json!("event"), json!("stored"))]);
    }
}

#[tokio::test]
async fn slow_client_misses_events_and_keeps_its_connection() {
    let contracts = Contracts::new();
    let gateway = contracts.gateway().await;
    let (mut slow, mut fast) = (join(&gateway, "slow").await, join(&gateway, "fast").await);
    let text = "x".repeat(4_000);
    let mut sent = 0;
    while metric(&gateway, "gateway_ephemeral_dropped_total").await < 100.0 {
        for number in sent..sent + 50 {
            fast.send(publish("courier-eu", comment(&format!("{number} {text}")))).await;
            fast.wait_for("publish_accepted").await;
        }
        sent += 50;
        assert!(sent < 20_000, "nothing was dropped");
    }
    // Stored events still arrive, and in order: they have the rest of the queue.
    let mut all = subscribe("order-1");
    all["history"] = json!(10);
    slow.send(all).await;
    for number in 1..=3 {
        fast.send(publish("order-1", comment(&number.to_string()))).await;
        fast.wait_for("message_sent").await;
    }
    let (mut missed, mut before, mut kept) = (false, -1, Vec::new());
    while kept.len() < 3 {
        let message = slow.next().await.expect("the connection lasts");
        if message["type"] == "event" {
            kept.push(message["data"]["text"].as_str().unwrap().to_owned());
        } else if message["type"] == "ephemeral_event" {
            let number: i64 = message["data"]["text"].as_str().unwrap().split(' ').next().unwrap().parse().unwrap();
            assert!(number > before, "{number} came after {before}");
            missed |= number != before + 1;
            before = number;
        }
    }
    assert_eq!(kept, ["1", "2", "3"]);
    assert!(missed || before < sent - 1);
}

#[tokio::test]
async fn reload_gives_subscriptions_a_position_and_takes_it() {
    let contracts = Contracts::new();
    let gateway = contracts.gateway().await;
    let mut alice = join(&gateway, "alice").await;
    contracts.edit("history = false", "history = { max_entries = 3 }");
    reload(&gateway, RELOADED).await;
    let ended = alice.expect("subscription_ended").await;
    assert_eq!((&ended["topic"], &ended["code"]), (&json!("courier-eu"), &json!("unavailable")));
    let confirmed = alice.request(subscribe("courier-eu")).await;
    assert_eq!(confirmed["offset"], 0);
    gateway.api().post(EVENTS, json!({ "data": comment("a") })).await;
    assert_eq!(alice.expect("event").await["offset"], 1);
    // The subscription continues without history.
    contracts.edit("history = false", "history = false # again");
    reload(&gateway, RELOADED).await;
    gateway.api().call(Method::POST, EVENTS, Some(json!({ "data": comment("b") }))).await;
    assert_eq!(alice.expect("ephemeral_event").await["data"], comment("b"));
    // What was stored before is not sent.
    let mut again = subscribe("courier-eu");
    again["recover"] = json!({ "offset": 0, "epoch": confirmed["epoch"] });
    assert_eq!(alice.request(again.clone()).await.get("offset"), None);
    assert_eq!(alice.messages_until_pong().await, [json!(null); 0]);
    // With a history again, a position of the earlier time is still good.
    contracts.edit("history = false", "history = { max_entries = 3 }");
    reload(&gateway, RELOADED).await;
    assert_eq!(alice.expect("subscription_ended").await["code"], "unavailable");
    assert_eq!(alice.request(again).await["recovered"], true);
    assert_eq!(alice.expect("event").await["data"], comment("a"));
}
