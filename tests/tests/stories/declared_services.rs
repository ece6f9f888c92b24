//! Declared services: a contract file declares topics, types and policies, and the gateway enforces them.

use realtime_gateway_brokers::{rabbitmq, redis};
use realtime_gateway_tests::{Api, Backend, Gateway, Settings, Socket, Token, eventually, http_client};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

const SCHEMA: &str = r##"{
  "$defs": {
    "OrderEvent": { "oneOf": [{ "$ref": "#/$defs/OrderPlaced" }, { "$ref": "#/$defs/OrderComment" }] },
    "OrderPlaced": {
      "type": "object",
      "required": ["type", "items"],
      "properties": {
        "type": { "const": "placed" },
        "items": { "type": "array", "items": { "$ref": "#/$defs/Item" } }
      }
    },
    "OrderComment": {
      "type": "object",
      "required": ["type", "text"],
      "properties": { "type": { "const": "comment" }, "text": { "type": "string", "minLength": 1 } }
    },
    "Item": {
      "type": "object",
      "required": ["sku", "qty"],
      "properties": { "sku": { "type": "string" }, "qty": { "type": "integer", "minimum": 1 } }
    }
  }
}"##;

const CONTRACT: &str = r#"
name = "orders"
title = "Order tracking"
schema = "orders.schema.json"

[topics.order]
pattern = "order-{orderId}"
event = "OrderEvent"
publish = "OrderComment"

[topics.mine]
pattern = "user-{userId}"
event = "OrderEvent"
publish = "OrderEvent"

[topics.news]
pattern = "news"
event = "OrderEvent"
subscribe = "user"

[topics.last]
pattern = "last-{orderId}"
event = "OrderEvent"
publish = "OrderEvent"
history = { max_entries = 3 }
"#;

const EVENTS: &str = "/api/v1/services/orders/topics/order-42/events";

/// A folder with contract files.
struct Contracts(TempDir);

impl Contracts {
    /// Creates a folder with the contract of the service `orders`.
    fn new() -> Self {
        let contracts = Self(tempfile::tempdir().unwrap());
        contracts.write("orders.service.toml", CONTRACT);
        contracts.write("orders.schema.json", SCHEMA);
        contracts
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).unwrap();
    }

    /// Adds the service `orders` to settings.
    fn settings(&self, settings: Settings) -> Settings {
        let path = self.0.path().join("orders.service.toml").display().to_string();
        settings.set("services.orders.contract", &format!("{path:?}"))
    }

    /// Replaces a part of the contract.
    fn edit(&self, from: &str, to: &str) {
        assert!(CONTRACT.contains(from), "{from}");
        self.write("orders.service.toml", &CONTRACT.replace(from, to));
    }

    async fn gateway(&self) -> Gateway {
        Gateway::with(self.settings(Settings::default())).await
    }
}

fn token(user: &str, topics: &[&str]) -> Token {
    Token::for_user(user).claim("topics", json!({ "orders": topics }))
}

fn subscribe(topic: &str) -> Value {
    json!({ "type": "subscribe", "service": "orders", "topic": topic })
}

fn publish(topic: &str, data: Value) -> Value {
    json!({ "type": "publish", "service": "orders", "topic": topic, "data": data })
}

fn comment(text: &str) -> Value {
    json!({ "type": "comment", "text": text })
}

/// Publishes as a subscriber, and returns the event. The event may arrive before the confirmation.
async fn publish_and_receive(subscriber: &mut Socket, topic: &str, data: Value) -> Value {
    subscriber.send(publish(topic, data)).await;
    let messages = [subscriber.next().await.unwrap(), subscriber.next().await.unwrap()];
    assert!(messages.iter().any(|message| message["type"] == "message_sent"), "{messages:?}");
    messages.into_iter().find(|message| message["type"] == "event").unwrap()
}

/// Data with a problem at a position, and the keyword that reports it. No text of it may appear in a refusal.
fn invalid() -> Vec<(Value, &'static str, &'static str)> {
    vec![
        (json!({ "type": "comment", "text": "" }), "/text", "minLength"),
        (json!({ "type": "comment", "text": 87_654_321 }), "/text", "type"),
        (json!({ "type": "comment" }), "", "required"),
        (
            json!({ "type": "placed", "items": [{ "sku": "a", "qty": 1 }, { "sku": "a", "qty": -87_654_321 }] }),
            "/items/1/qty",
            "minimum",
        ),
        (json!({ "type": "s3cret" }), "", "oneOf"),
    ]
}

fn details(pointer: &str, keyword: &str) -> Value {
    json!({ "field": "data", "pointer": pointer, "keyword": keyword })
}

/// Returns the number of log lines with this message, and the fields of the latest.
fn logged(gateway: &Gateway, message: &str) -> (usize, Value) {
    let lines = gateway.log();
    let lines = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let found: Vec<_> =
        lines.filter(|line| line["fields"]["message"].as_str().is_some_and(|text| text.starts_with(message))).collect();
    (found.len(), found.last().map(|line| line["fields"].clone()).unwrap_or_default())
}

const RELOADED: &str = "the configuration was reloaded";
const REFUSED: &str = "the configuration was not reloaded";

/// Sends SIGHUP, waits for a new log line with this message, and returns its fields.
async fn reload(gateway: &Gateway, message: &str) -> Value {
    let before = logged(gateway, message).0;
    gateway.signal("HUP").await;
    eventually(message, || async { logged(gateway, message).0 > before }).await;
    logged(gateway, message).1
}

#[tokio::test]
async fn delivers_publications_of_clients_and_backends_byte_for_byte() {
    let contracts = Contracts::new();
    let gateway = contracts.gateway().await;
    let mut alice = Socket::connect_with(&gateway, &token("alice", &["order-42"])).await;
    let mut bob = Socket::connect_with(&gateway, &token("bob", &["order-42"])).await;
    assert_eq!(alice.request(subscribe("order-42")).await["status"], "subscribed");

    let data =
        r#"{ "type":"comment" ,  "text" : "\u00e9\/", "more": [1.0, 1e2, 10000000000000000000000001], "a": null }"#;
    let command = format!(r#"{{"type":"publish","service":"orders","topic":"order-42","data":{data}}}"#);
    bob.send_text(&command).await;
    let sent = bob.expect("message_sent").await;
    assert_eq!((&sent["service"], &sent["topic"], &sent["offset"]), (&json!("orders"), &json!("order-42"), &json!(1)));
    let event = alice.next_text().await.unwrap();
    assert!(event.contains(&format!("\"data\":{data}")), "{event}");

    let request = http_client().post(format!("http://{}{EVENTS}", gateway.address()));
    let request = request.bearer_auth(Api::KEY).header("content-type", "application/json");
    assert_eq!(request.body(format!(r#"{{"data":{data}}}"#)).send().await.unwrap().status(), StatusCode::ACCEPTED);
    let event = alice.next_text().await.unwrap();
    assert!(event.contains(&format!("\"data\":{data}")), "{event}");
    // History and recovery do not validate and change nothing either.
    bob.send(json!({ "type": "subscribe", "service": "orders", "topic": "order-42", "history": 2 })).await;
    bob.expect("subscription_confirmed").await;
    for _ in 0..2 {
        assert!(bob.next_text().await.unwrap().contains(&format!("\"data\":{data}")));
    }
}

#[tokio::test]
async fn refuses_invalid_data_of_clients_without_closing_the_connection() {
    let contracts = Contracts::new();
    let gateway = contracts.gateway().await;
    let mut alice = Socket::connect_with(&gateway, &token("alice", &["last-1", "order-42"])).await;
    for (data, pointer, keyword) in invalid() {
        let refused = alice.request(publish("last-1", data)).await;
        assert_eq!((&refused["type"], &refused["code"]), (&json!("error"), &json!("invalid_message")), "{refused}");
        assert_eq!((&refused["inReplyTo"], &refused["topic"]), (&json!("publish"), &json!("last-1")));
        assert_eq!(refused["details"], details(pointer, keyword));
        assert!(!refused.to_string().contains("87654321") && !refused.to_string().contains("s3cret"), "{refused}");
    }
    // Valid as an event, but not as what clients publish to this topic.
    let placed = json!({ "type": "placed", "items": [] });
    assert_eq!(alice.request(publish("order-42", placed.clone())).await["details"]["field"], "data");
    assert_eq!(alice.request(publish("last-1", placed)).await["type"], "message_sent");
    for (data, pointer) in [
        (r#"{"type":"comment","text":"a","text":"b"}"#, "/text"),
        (r#"{"type":"comment","text":"a","t\u0065xt":"b"}"#, "/text"),
        (r#"{"type":"placed","items":[{"sku":"a","qty":1,"qty":-1}]}"#, "/items/0/qty"),
        (r#"{"type":"comment","text":"a","more":{"x":1,"x":1}}"#, "/more/x"),
    ] {
        alice.send_text(&format!(r#"{{"type":"publish","service":"orders","topic":"last-1","data":{data}}}"#)).await;
        assert_eq!(alice.expect("error").await["details"], details(pointer, "duplicate"), "{data}");
    }
    // 20 messages that are no commands would close the connection with 4400.
    for _ in 0..50 {
        assert_eq!(alice.request(publish("last-1", comment(""))).await["code"], "invalid_message");
    }
    assert_eq!(alice.request(publish("last-1", comment("a"))).await["offset"], 2, "nothing invalid was stored");
}

#[tokio::test]
async fn refuses_topics_and_publications_that_contract_does_not_declare() {
    let contracts = Contracts::new();
    let gateway = contracts.gateway().await;
    let mut alice = Socket::connect_with(&gateway, &token("alice", &["*"])).await;
    for topic in ["order-", "order", "orders", "Order-42", "news-1", "user-"] {
        for command in [subscribe(topic), publish(topic, comment("a"))] {
            assert_eq!(alice.request(command).await["code"], "unknown_service", "{topic}");
        }
        let path = format!("/api/v1/services/orders/topics/{topic}/events");
        let (status, problem) = gateway.api().json(Method::POST, &path, Some(json!({ "data": comment("a") }))).await;
        assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("unknown_service")), "{topic}");
    }
    assert_eq!(alice.request(publish("news", comment("a"))).await["code"], "forbidden");
    // `user` lets every authenticated user subscribe.
    let mut bob = Socket::connect(&gateway, "bob").await;
    assert_eq!(bob.request(subscribe("news")).await["status"], "subscribed");
    gateway.api().post("/api/v1/services/orders/topics/news/events", json!({ "data": comment("a") })).await;
    assert_eq!(bob.expect("event").await["data"], comment("a"));
    let mut connected = Socket::open(&gateway, "/ws", Some(&Token::for_user("carol").text())).await.unwrap();
    let services = connected.expect("connected").await["services"].clone();
    assert_eq!(services, json!(["notifications", "clan_chat", "orders"]));
}

#[tokio::test]
async fn refuses_invalid_events_over_http_with_422() {
    let contracts = Contracts::new();
    let gateway = contracts.gateway().await;
    let api = gateway.api();
    for (data, pointer, keyword) in invalid() {
        let (status, problem) = api.json(Method::POST, EVENTS, Some(json!({ "data": data }))).await;
        assert_eq!((status, &problem["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("invalid_message")));
        assert_eq!(problem["details"], details(pointer, keyword));
        assert!(!problem.to_string().contains("87654321") && !problem.to_string().contains("s3cret"), "{problem}");
    }
    let request = http_client().post(format!("http://{}{EVENTS}", gateway.address()));
    let request = request.bearer_auth(Api::KEY).header("content-type", "application/json");
    let body = r#"{"data":{"type":"comment","text":"a","text":"b"}}"#;
    let response = request.body(body).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(response.json::<Value>().await.unwrap()["details"], details("/text", "duplicate"));
    // Other mistakes keep their status.
    for (body, status) in [(json!({}), 400), (json!({ "data": comment("a"), "id": "" }), 400)] {
        assert_eq!(api.json(Method::POST, EVENTS, Some(body)).await.0, status);
    }
    assert_eq!(api.post(EVENTS, json!({ "data": comment("a") })).await["offset"], 1, "nothing invalid was stored");
}

#[tokio::test]
async fn sends_invalid_events_over_amqp_to_the_dead_letters() {
    let backend = Backend::connect(&tokio::task::spawn_blocking(rabbitmq::shared).await.unwrap()).await;
    let contracts = Contracts::new();
    let gateway = Gateway::with(contracts.settings(backend.settings())).await;
    gateway.wait_for_broker().await;
    let mut alice = Socket::connect_with(&gateway, &token("alice", &["order-42"])).await;
    alice.request(subscribe("order-42")).await;
    let mut dead_letters = backend.dead_letters().await;
    for (data, pointer, keyword) in invalid() {
        backend.publish("service.orders.order-42", json!({ "data": data })).await;
        let dead_letter = dead_letters.next().await;
        assert_eq!(dead_letter.reason.as_deref(), Some("invalid_message"));
        assert_eq!(dead_letter.detail, Some(format!("{pointer}: {keyword}")));
    }
    let body = br#"{"data":{"type":"comment","text":"a","text":"b"}}"#;
    backend.publish_as("service.orders.order-42", body, None).await;
    assert_eq!(dead_letters.next().await.detail.as_deref(), Some("/text: duplicate"));
    // The position contains names of the data, which may be long and contain any character.
    let name = "\u{1}é~/".repeat(4_000);
    let nested = json!({ "type": "placed", "items": [{ "sku": "a", "qty": 1, &*name: 1 }] });
    let body = nested.to_string().replacen("\"sku\"", &format!("{}:1,\"sku\"", json!(name)), 1);
    backend.publish_as("service.orders.order-42", format!("{{\"data\":{body}}}").as_bytes(), None).await;
    let dead_letter = dead_letters.next().await;
    assert_eq!(dead_letter.reason.as_deref(), Some("invalid_message"));
    assert!(dead_letter.detail.is_some_and(|detail| detail.len() < 1_000 && detail.ends_with(": duplicate")));
    backend.publish("service.orders.nowhere", json!({ "data": comment("a") })).await;
    assert_eq!(dead_letters.next().await.reason.as_deref(), Some("unknown_service"));
    backend.publish("service.orders.order-42", json!({ "data": comment("a") })).await;
    let event = alice.expect("event").await;
    assert_eq!((&event["data"], &event["offset"]), (&comment("a"), &json!(1)));
}

#[tokio::test]
async fn grants_cover_topics_and_prefixes() {
    let contracts = Contracts::new();
    let gateway = contracts.gateway().await;
    let mut alice = Socket::connect_with(&gateway, &token("alice", &["order-eu-*", "order-7", "last-*x"])).await;
    for (topic, allowed) in [
        ("order-eu-", true),
        ("order-eu-1", true),
        ("order-7", true),
        ("order-77", false),
        ("order-eu", false),
        ("order-us-1", false),
        ("last-1", false),
        // Only a final `*` is a prefix.
        ("last-1x", false),
        ("last-*x", true),
    ] {
        let reply = alice.request(subscribe(topic)).await;
        let published = alice.request(publish(topic, comment("a"))).await;
        if allowed {
            assert_eq!(
                (&reply["status"], &published["type"]),
                (&json!("subscribed"), &json!("message_sent")),
                "{topic}"
            );
        } else {
            assert_eq!((&reply["code"], &published["code"]), (&json!("forbidden"), &json!("forbidden")), "{topic}");
        }
    }
    // A grant for another service covers nothing here.
    let other = Token::for_user("bob").claim("topics", json!({ "order": ["*"], "*": ["*"] }));
    let mut bob = Socket::connect_with(&gateway, &other).await;
    assert_eq!(bob.request(subscribe("order-7")).await["code"], "forbidden");
}

#[tokio::test]
async fn topic_of_user_belongs_to_that_user_even_with_dev() {
    let contracts = Contracts::new();
    let gateway =
        Gateway::dev_with(contracts.settings(Settings::default()).set("permissions.source", "\"allow_all\"")).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    let mut bob = Socket::connect_with(&gateway, &token("bob", &["*"])).await;
    assert_eq!(bob.request(subscribe("order-1")).await["status"], "subscribed", "everything else is open");
    for topic in ["user-alice", "user-Bob", "user-bob2", "user-*"] {
        for command in [subscribe(topic), publish(topic, comment("a"))] {
            assert_eq!(bob.request(command).await["code"], "forbidden", "{topic}");
        }
    }
    // Needs no grant.
    assert_eq!(alice.request(subscribe("user-alice")).await["status"], "subscribed");
    assert_eq!(publish_and_receive(&mut alice, "user-alice", comment("a")).await["data"], comment("a"));
    gateway.api().post("/api/v1/services/orders/topics/user-alice/events", json!({ "data": comment("b") })).await;
    assert_eq!(alice.expect("event").await["data"], comment("b"));
}

#[tokio::test]
async fn topic_of_user_with_grants_needs_both() {
    let contracts = Contracts::new();
    contracts.edit("publish = \"OrderEvent\"\n\n[topics.news]", "subscribe = \"grants\"\n\n[topics.news]");
    let gateway = contracts.gateway().await;
    let mut with_grant = Socket::connect_with(&gateway, &token("alice", &["user-*"])).await;
    let mut without = Socket::connect_with(&gateway, &token("bob", &["order-1"])).await;
    assert_eq!(with_grant.request(subscribe("user-alice")).await["status"], "subscribed");
    assert_eq!(with_grant.request(subscribe("user-bob")).await["code"], "forbidden");
    assert_eq!(without.request(subscribe("user-bob")).await["code"], "forbidden");
}

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
    // Every subscription reads the log anew, until the entry is too old.
    let mut attempts = 0;
    loop {
        let mut subscribe = subscribe("last-1");
        subscribe["history"] = json!(10);
        alice.request(subscribe).await;
        let events = alice.messages_until_pong().await;
        alice.request(json!({ "type": "unsubscribe", "service": "orders", "topic": "last-1" })).await;
        if events.is_empty() {
            break;
        }
        attempts += 1;
        assert!(attempts < 200, "the entry is still there");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let mut subscribe = subscribe("order-1");
    subscribe["history"] = json!(10);
    alice.request(subscribe).await;
    assert_eq!(alice.messages_until_pong().await.len(), 1, "history.max_age is longer");
}

#[tokio::test]
async fn recognizes_retry_with_same_client_message_id() {
    let contracts = Contracts::new();
    let gateway = contracts.gateway().await;
    let mut alice = Socket::connect_with(&gateway, &token("alice", &["*"])).await;
    let with_id = |data: Value| {
        let mut command = publish("order-42", data);
        command["clientMessageId"] = json!("m1");
        command
    };
    // A refused publication does not use up its id.
    assert_eq!(alice.request(with_id(comment(""))).await["code"], "invalid_message");
    let sent = alice.request(with_id(comment("a"))).await;
    assert_eq!((&sent["type"], &sent["duplicate"]), (&json!("message_sent"), &Value::Null));
    let again = alice.request(with_id(comment("a"))).await;
    assert_eq!((&again["duplicate"], &again["messageId"]), (&json!(true), &sent["messageId"]));
    assert_eq!(alice.request(with_id(comment("b"))).await["code"], "conflict");
    let post = |data: Value| json!({ "data": data, "id": "b1" });
    let first = gateway.api().post(EVENTS, post(comment("a"))).await;
    assert_eq!(gateway.api().post(EVENTS, post(comment("a"))).await["offset"], first["offset"]);
}

#[tokio::test]
async fn reload_applies_changed_contract() {
    let contracts = Contracts::new();
    let mut gateway = contracts.gateway().await;
    let mut alice = Socket::connect_with(&gateway, &token("alice", &["*"])).await;
    alice.request(subscribe("order-42")).await;
    contracts.write("orders.schema.json", &SCHEMA.replace("\"minLength\": 1", "\"minLength\": 0"));
    assert_eq!(alice.request(publish("order-42", comment(""))).await["code"], "invalid_message");
    assert_eq!(reload(&gateway, RELOADED).await["contracts"], "orders");
    // The subscription continues.
    assert_eq!(publish_and_receive(&mut alice, "order-42", comment("")).await["data"], comment(""));
    // Nothing has changed.
    assert_eq!(reload(&gateway, RELOADED).await["contracts"], "");
    // A service that is new.
    contracts.write("rooms.service.toml", "name = \"rooms\"\nschema = \"orders.schema.json\"\n[topics.room]\npattern = \"room-{id}\"\nevent = \"OrderEvent\"\nsubscribe = \"user\"\n");
    let rooms = format!("{:?}", contracts.0.path().join("rooms.service.toml").display().to_string());
    gateway.rewrite_config(contracts.settings(Settings::default()).set("services.rooms.contract", &rooms));
    let fields = reload(&gateway, RELOADED).await;
    assert_eq!((&fields["contracts"], &fields["changed"]), (&json!("rooms"), &json!("services")));
    let subscribe = json!({ "type": "subscribe", "service": "rooms", "topic": "room-1" });
    assert_eq!(alice.request(subscribe).await["status"], "subscribed");
    // A service that is gone.
    gateway.rewrite_config(Settings::default());
    reload(&gateway, RELOADED).await;
    let mut ended: Vec<_> = Vec::new();
    for _ in 0..2 {
        let message = alice.expect("subscription_ended").await;
        assert_eq!(message["code"], "unknown_service");
        ended.push(message["topic"].as_str().unwrap().to_owned());
    }
    ended.sort();
    assert_eq!(ended, ["order-42", "room-1"]);
    assert_eq!(alice.request(publish("order-42", comment("a"))).await["code"], "unknown_service");
    let mut connected = Socket::open(&gateway, "/ws", Some(&Token::for_user("bob").text())).await.unwrap();
    assert_eq!(connected.expect("connected").await["services"], json!(["notifications", "clan_chat"]));
}

#[tokio::test]
async fn reload_ends_subscriptions_that_contract_no_longer_allows() {
    let contracts = Contracts::new();
    let gateway = contracts.gateway().await;
    let mut alice = Socket::connect_with(&gateway, &token("alice", &["order-1"])).await;
    let mut carol = Socket::connect_with(&gateway, &token("carol", &["news", "order-1"])).await;
    for topic in ["news", "order-1", "user-alice"] {
        assert_eq!(alice.request(subscribe(topic)).await["status"], "subscribed");
    }
    for topic in ["news", "order-1"] {
        assert_eq!(carol.request(subscribe(topic)).await["status"], "subscribed");
    }
    contracts.edit("subscribe = \"user\"", "subscribe = \"grants\"");
    reload(&gateway, RELOADED).await;
    let ended = alice.expect("subscription_ended").await;
    assert_eq!((&ended["code"], &ended["topic"]), (&json!("forbidden"), &json!("news")));
    // The others continue.
    for topic in ["order-1", "user-alice", "news"] {
        let path = format!("/api/v1/services/orders/topics/{topic}/events");
        gateway.api().post(&path, json!({ "data": comment("a") })).await;
    }
    for topic in ["order-1", "user-alice"] {
        assert_eq!(alice.expect("event").await["topic"], topic);
    }
    for topic in ["order-1", "news"] {
        assert_eq!(carol.expect("event").await["topic"], topic);
    }
    assert_eq!(alice.request(subscribe("news")).await["code"], "forbidden");
    // A kind of topics that is gone.
    contracts.edit("[topics.order]\npattern = \"order-{orderId}\"", "[topics.order]\npattern = \"purchase-{orderId}\"");
    reload(&gateway, RELOADED).await;
    let ended = alice.expect("subscription_ended").await;
    assert_eq!((&ended["code"], &ended["topic"]), (&json!("unknown_service"), &json!("order-1")));
    assert_eq!(carol.expect("subscription_ended").await["code"], "unknown_service");
}

#[tokio::test]
async fn contract_that_cannot_be_served_changes_nothing() {
    let contracts = Contracts::new();
    let mut gateway = contracts.gateway().await;
    let mut alice = Socket::connect_with(&gateway, &token("alice", &["*"])).await;
    alice.request(subscribe("order-42")).await;
    let path = |name: &str| contracts.0.path().join(name);
    let file = path("orders.service.toml").display().to_string();
    let schema = path("orders.schema.json").display().to_string();
    let restore = || {
        let _ = std::fs::remove_dir(path("orders.service.toml"));
        contracts.write("orders.service.toml", CONTRACT);
        contracts.write("orders.schema.json", SCHEMA);
    };
    let remove = || std::fs::remove_file(path("orders.service.toml")).unwrap();
    let breaks: [(&str, &dyn Fn(), String); 9] = [
        ("missing", &remove, format!("services.orders.contract is {file}, which cannot be read")),
        (
            "a folder",
            &|| {
                remove();
                std::fs::create_dir(path("orders.service.toml")).unwrap()
            },
            format!("services.orders.contract is {file}, which cannot be read"),
        ),
        (
            "schema of 300 KiB",
            &|| contracts.write("orders.schema.json", &format!("{SCHEMA}{}", " ".repeat(300 * 1024))),
            format!("{schema}, which is over 256 KiB"),
        ),
        (
            "another key",
            &|| contracts.edit("title =", "titel ="),
            format!("{file}, line 3: `titel` is an unknown key; the nearest known one is `title`"),
        ),
        (
            "presence",
            &|| contracts.edit("subscribe = \"user\"", "presence = true"),
            format!("{file}, line 19: `topics.news.presence` needs presence"),
        ),
        (
            "no history",
            &|| contracts.edit("subscribe = \"user\"", "history = false"),
            format!("{file}, line 19: `topics.news.history` is false"),
        ),
        (
            "backend",
            &|| contracts.edit("subscribe = \"user\"", "subscribe = \"backend\""),
            format!("{file}, line 19: `topics.news.subscribe` needs a backend"),
        ),
        (
            "calls",
            &|| {
                contracts.write(
                    "orders.service.toml",
                    &format!("{CONTRACT}\n[calls.cancel]\nrequest = \"Item\"\nresponse = \"Item\"\n"),
                )
            },
            "`calls.cancel` needs a backend".into(),
        ),
        (
            "retention",
            &|| contracts.edit("max_entries = 3", "max_entries = 10001"),
            "is 10001, over the limit of this gateway, history.limit_entries (10000)".into(),
        ),
    ];
    for (what, break_it, error) in breaks {
        break_it();
        let fields = reload(&gateway, REFUSED).await;
        let text = fields["error"].as_str().unwrap();
        assert!(text.contains(&error), "{what}: {text}");
        // The earlier contract stays in force.
        assert_eq!(alice.request(publish("order-42", comment(""))).await["code"], "invalid_message", "{what}");
        assert_eq!(publish_and_receive(&mut alice, "order-42", comment(what)).await["data"], comment(what));
        restore();
    }
    // The rest of the configuration is not applied either.
    contracts.edit("title =", "titel =");
    gateway.rewrite_config(contracts.settings(Settings::default()).set("limits.subscriptions", "1"));
    reload(&gateway, REFUSED).await;
    assert_eq!(alice.request(subscribe("order-43")).await["status"], "subscribed");
    restore();
    assert_eq!(reload(&gateway, RELOADED).await["contracts"], "");
}

#[tokio::test]
async fn start_and_check_name_file_line_and_nearest_key() {
    let contracts = Contracts::new();
    let settings = || contracts.settings(Settings::default());
    contracts.edit("event = \"OrderEvent\"\nsubscribe", "evnt = \"OrderEvent\"\nsubscribe");
    for command in ["serve", "check", "services"] {
        let output = Gateway::run_once(settings(), command).await;
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(1), "{command}: {text}");
        let line = format!("{}, line 18: `topics.news.evnt`", contracts.0.path().join("orders.service.toml").display());
        assert!(text.contains(&line) && text.contains("the nearest known one is `event`"), "{command}: {text}");
    }
    contracts.write("orders.service.toml", &CONTRACT.replace("name = \"orders\"", "name = \"order\""));
    let output = Gateway::run_once(settings(), "check").await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("line 2: `name` is \"order\"") && text.contains("[services.orders]"), "{text}");
    contracts.write("orders.service.toml", CONTRACT);
    let output = Gateway::run_once(settings(), "check").await;
    assert!(String::from_utf8(output.stdout).unwrap().contains("ok       services.orders can be served"));
    let output = Gateway::run_once(settings(), "services").await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.starts_with("orders: Order tracking (") && text.contains("order-{orderId}  event OrderEvent"),
        "{text}"
    );
}

#[tokio::test]
async fn path_of_contract_is_relative_to_the_configuration_file() {
    let gateway = Gateway::start().await;
    let folder = gateway.dir().join("services");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("orders.service.toml"), CONTRACT).unwrap();
    std::fs::write(folder.join("orders.schema.json"), SCHEMA).unwrap();
    let mut gateway = gateway;
    gateway.rewrite_config(Settings::default().set("services.orders.contract", "\"services/orders.service.toml\""));
    assert_eq!(reload(&gateway, RELOADED).await["contracts"], "orders");
}

#[tokio::test]
async fn documents_list_declared_services_for_operators_only() {
    let contracts = Contracts::new();
    let mut gateway = contracts.gateway().await;
    let documents = ["/openapi.json", "/asyncapi.json", "/docs/protocol", "/contracts.json", "/schema/orders.json"];
    let get = async |address: String, path: &str, key: Option<&str>| {
        let request = http_client().get(format!("http://{address}{path}"));
        let response = key.into_iter().fold(request, |request, key| request.bearer_auth(key)).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    for path in documents {
        let address = || gateway.address().to_owned();
        let (status, with_key) = get(address(), path, Some(Api::KEY)).await;
        assert_eq!(status, 200, "{path}");
        assert!(with_key.contains("OrderComment"), "{path}");
        for key in [None, Some("unknown")] {
            let (status, public) = get(address(), path, key).await;
            let expected = match path {
                "/contracts.json" => 401,
                "/schema/orders.json" => 404,
                _ => 200,
            };
            assert_eq!(status, expected, "{path}");
            assert!(!public.contains("OrderComment") && !public.contains("order-{orderId}"), "{path}");
        }
    }
    let found = gateway.api().get("/contracts.json").await;
    let orders = &found["contracts"][0];
    assert_eq!((&orders["name"], &orders["title"]), (&json!("orders"), &json!("Order tracking")));
    let last = json!({
        "pattern": "last-{orderId}", "event": "OrderEvent", "publish": { "type": "OrderEvent", "allow": "grants" },
        "subscribe": "grants", "history": { "max_entries": 3 }, "presence": false,
    });
    assert_eq!(orders["topics"]["last"], last);
    assert_eq!(orders["schema"], serde_json::from_str::<Value>(SCHEMA).unwrap());
    // A reload changes the documents.
    contracts.edit("pattern = \"news\"", "pattern = \"headlines\"");
    gateway.rewrite_config(contracts.settings(Settings::default()).set("docs.services", "\"public\""));
    reload(&gateway, RELOADED).await;
    for path in documents {
        let (status, public) = get(gateway.address().to_owned(), path, None).await;
        assert!(status == 200 && public.contains("OrderComment"), "{path}");
        assert!(path == "/schema/orders.json" || public.contains("headlines"), "{path}");
    }
}

#[tokio::test]
async fn api_key_is_limited_to_its_services() {
    let contracts = Contracts::new();
    let key = |services: &str| {
        format!(
            "[{{ name = \"team\", sha256 = \"{}\", scopes = [\"publish\", \"read\", \"admin\"], services = [\"{services}\"] }}]",
            Api::KEY_SHA256
        )
    };
    let settings = |services: &str| contracts.settings(Settings::default()).set("auth.api_keys", &key(services));
    let mut gateway = Gateway::with(settings("orders")).await;
    gateway.api().post(EVENTS, json!({ "data": comment("a") })).await;
    let elsewhere = [
        (Method::POST, "/api/v1/services/rooms/topics/order-42/events", Some(json!({ "data": comment("a") }))),
        (Method::POST, "/api/v1/services/orders%2F/topics/order-42/events", Some(json!({ "data": comment("a") }))),
        (Method::POST, "/api/v1/notifications", Some(json!({ "userId": "a", "title": "t", "message": "m" }))),
        (Method::DELETE, "/api/v1/users/alice/subscriptions?service=orders", None),
        (Method::GET, "/api/v1/nodes", None),
        (Method::GET, "/contracts.json", None),
    ];
    for (method, path, body) in elsewhere {
        let (status, problem) = gateway.api().json(method, path, body).await;
        assert_eq!((status, &problem["code"]), (StatusCode::FORBIDDEN, &json!("forbidden")), "{path}");
    }
    gateway.rewrite_config(settings("rooms"));
    reload(&gateway, RELOADED).await;
    assert_eq!(
        gateway.api().json(Method::POST, EVENTS, Some(json!({ "data": comment("a") }))).await.0,
        StatusCode::FORBIDDEN
    );
}
