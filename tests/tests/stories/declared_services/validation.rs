//! Publications on all ways in: valid data passes unchanged, invalid data is refused with its position.

use realtime_gateway_brokers::rabbitmq;
use realtime_gateway_tests::{Api, Backend, Gateway, Socket, Token, http_client};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Contracts, EVENTS, comment, details, invalid, publish, subscribe, token};

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
        assert_eq!(refused["service"], "orders");
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
