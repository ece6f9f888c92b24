//! Idempotency keys: each sender has its own, and the same key with other content is a conflict.

use realtime_gateway_brokers::{rabbitmq, redis};
use realtime_gateway_tests::{Api, Backend, Gateway, Settings, Socket, Token, http_client};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const MESSAGES: &str = "/api/v1/clans/c/messages";

/// A gateway on each kind of store that outlives its process.
async fn gateways() -> Vec<Gateway> {
    let redis = tokio::task::spawn_blocking(redis::shared).await.unwrap();
    let prefix = format!("\"{}\"", uuid::Uuid::now_v7().simple());
    let on_redis = Settings::default().set("store.url", &format!("\"{}\"", redis.url())).set("store.prefix", &prefix);
    vec![Gateway::start().await, Gateway::with(on_redis).await]
}

fn chat(content: &str, id: &str) -> Value {
    json!({ "type": "chat", "clanId": "c", "content": content, "clientMessageId": id })
}

async fn contents(gateway: &Gateway) -> Vec<Value> {
    let page = gateway.api().get(MESSAGES).await;
    page["messages"].as_array().unwrap().iter().map(|chat| chat["content"].clone()).collect()
}

#[tokio::test]
async fn backend_service_cannot_take_the_id_of_a_user() {
    for gateway in gateways().await {
        let mut alice = Socket::of(&gateway, "alice").await;
        for user in [json!("alice"), Value::Null] {
            let id = format!("id-{user}");
            let body = json!({ "content": "from the backend", "userId": user, "id": id });
            let first = gateway.api().post(MESSAGES, body.clone()).await;
            let sent = alice.ask(chat("from alice", &id)).await;
            assert_eq!((&sent["type"], &sent["duplicate"]), (&json!("message_sent"), &Value::Null), "{sent}");
            assert_eq!(gateway.api().post(MESSAGES, body).await, first);
            assert_eq!(alice.ask(chat("from alice", &id)).await["duplicate"], true);
        }
        let said = [json!("from the backend"), json!("from alice")];
        assert_eq!(contents(&gateway).await, [&said[..], &said[..]].concat());
    }
}

#[tokio::test]
async fn no_message_prevents_a_deletion() {
    for gateway in gateways().await {
        let mut alice = Socket::of(&gateway, "alice").await;
        alice.join("c").await;
        let message = alice.ask(chat("secret", "m1")).await["messageId"].as_str().unwrap().to_owned();
        for id in [message.clone(), format!("delete:{message}")] {
            for user in [json!("alice"), Value::Null] {
                let body = json!({ "content": "decoy", "userId": user, "id": format!("{id}{user}").replace('"', "") });
                gateway.api().post(MESSAGES, body).await;
            }
            gateway.api().post(MESSAGES, json!({ "content": "decoy", "id": id })).await;
            alice.ask(chat("decoy", &id)).await;
        }
        let deleted = gateway.api().call(Method::DELETE, &format!("{MESSAGES}/{message}"), None).await;
        assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
        assert_eq!(alice.until("chat_deleted").await["messageId"], json!(message));
        assert!(contents(&gateway).await.iter().all(|content| content == "decoy"));
    }
}

#[tokio::test]
async fn same_id_with_other_content_is_a_conflict() {
    for gateway in gateways().await {
        let api = gateway.api();
        let mut alice = Socket::of(&gateway, "alice").await;
        let first = alice.ask(chat("one", "m1")).await;
        for other in [
            chat("two", "m1"),
            json!({ "type": "chat", "clanId": "c", "content": "one", "messageType": "IMAGE", "clientMessageId": "m1" }),
            json!({ "type": "chat", "clanId": "c", "content": "one", "data": {}, "clientMessageId": "m1" }),
        ] {
            let refused = alice.ask(other).await;
            assert_eq!((&refused["type"], &refused["code"]), (&json!("error"), &json!("conflict")), "{refused}");
        }
        let again = alice.ask(chat("one", "m1")).await;
        assert_eq!((&again["duplicate"], &again["offset"]), (&json!(true), &first["offset"]));

        let says = |content: &str, data: Value| json!({ "content": content, "id": "b1", "data": data });
        let first = api.post(MESSAGES, says("one", json!({ "a": 1, "b": [1, 2] }))).await;
        let (status, problem) = api.json(Method::POST, MESSAGES, Some(says("one", json!({ "a": 2 })))).await;
        assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("conflict")), "{problem}");
        assert_eq!(problem["type"], "/docs/protocol#error-conflict");
        // A backend that was restarted may write the members in another order.
        let rewritten = r#"{"id":"b1","data":{ "b":[1, 2],"a":1},"content":"one"}"#;
        let answer = http_client().post(format!("http://{}{MESSAGES}", gateway.address())).bearer_auth(Api::KEY);
        let answer = answer.header("content-type", "application/json").body(rewritten).send().await.unwrap();
        assert_eq!(answer.json::<Value>().await.unwrap(), first);
        assert_eq!(contents(&gateway).await, ["one", "one"]);

        let notification = |title: &str| json!({ "userId": "alice", "title": title, "message": "m", "id": "n1" });
        api.post("/api/v1/notifications", notification("one")).await;
        let (status, problem) = api.json(Method::POST, "/api/v1/notifications", Some(notification("two"))).await;
        assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("conflict")), "{problem}");
        let to_both = json!({ "userIds": ["alice", "bob"], "title": "two", "message": "m", "id": "n1" });
        let (status, problem) = api.json(Method::POST, "/api/v1/notifications", Some(to_both.clone())).await;
        assert_eq!((status, &problem["details"]["userIds"]), (StatusCode::CONFLICT, &json!(["alice"])), "{problem}");
        let mut bob = Socket::of(&gateway, "bob").await;
        bob.send(json!({ "type": "subscribe_notifications" })).await;
        assert_eq!(bob.until("notification").await["title"], "two", "the other user got it");
        api.post("/api/v1/notifications", notification("one")).await;
        alice.send(json!({ "type": "subscribe_notifications" })).await;
        assert_eq!(alice.until("subscription_confirmed").await["pending"], 1);
        assert_eq!(alice.expect("notification").await["title"], "one");
    }
}

#[tokio::test]
async fn conflicting_event_is_a_dead_letter_and_stops_no_other() {
    let backend = Backend::at(&tokio::task::spawn_blocking(rabbitmq::shared).await.unwrap()).await;
    let gateway = Gateway::custom_service_with(backend.settings()).await;
    gateway.connected().await;
    let token = Token::of("alice").claim("topics", json!({ "dice": ["table-1"] }));
    let mut alice = Socket::with(&gateway, &token).await;
    alice.ask(json!({ "type": "subscribe", "service": "dice", "topic": "table-1" })).await;
    let key = "service.dice.table-1";
    // The first comes over HTTP, its repeat and the conflict over AMQP: backend services are one sender.
    let path = "/api/v1/services/dice/topics/table-1/events";
    gateway.api().post(path, json!({ "data": { "n": 1 }, "id": "e1" })).await;
    backend.publish(key, json!({ "data": { "n": 1 }, "id": "e1" })).await;
    let mut letters = backend.dead_letters().await;
    backend.publish(key, json!({ "data": { "n": 2 }, "id": "e1" })).await;
    backend.publish(key, json!({ "data": { "n": 3 } })).await;
    let letter = letters.next().await;
    assert_eq!(letter.reason.as_deref(), Some("conflict"));
    assert!(letter.detail.is_some_and(|detail| detail.contains("use a new id")));
    assert_eq!(alice.expect("event").await["data"]["n"], 1);
    assert_eq!(alice.expect("event").await["data"]["n"], 3);
}

#[tokio::test]
async fn service_that_makes_something_else_each_time_is_asked_for_the_content_of_the_client() {
    let gateway = Gateway::custom_service().await;
    let token = Token::of("alice").claim("topics", json!({ "dice": ["table-1"] }));
    let mut alice = Socket::with(&gateway, &token).await;
    let publish = |data: u64| json!({ "type": "publish", "service": "dice", "topic": "table-1", "data": data, "clientMessageId": "t1" });
    assert_eq!(alice.ask(publish(6)).await["type"], "message_sent");
    for _ in 0..8 {
        assert_eq!(alice.ask(publish(6)).await["duplicate"], true);
        assert_eq!(alice.ask(publish(20)).await["code"], "conflict");
    }
}
