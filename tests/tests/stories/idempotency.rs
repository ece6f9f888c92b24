//! Idempotency keys: they are separate per sender, and reusing a key with different content is a conflict.

use realtime_gateway_brokers::{rabbitmq, redis};
use realtime_gateway_tests::{Api, Backend, Gateway, Settings, Socket, Token, http_client};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const MESSAGES: &str = "/api/v1/clans/c/messages";

/// Starts a gateway on each kind of durable store.
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
async fn keeps_ids_of_backend_services_and_users_apart() {
    for gateway in gateways().await {
        let mut alice = Socket::connect(&gateway, "alice").await;
        for user in [json!("alice"), Value::Null] {
            let id = format!("id-{user}");
            let body = json!({ "content": "from the backend", "userId": user, "id": id });
            let first = gateway.api().post(MESSAGES, body.clone()).await;
            let sent = alice.request(chat("from alice", &id)).await;
            assert_eq!((&sent["type"], &sent["duplicate"]), (&json!("message_sent"), &Value::Null), "{sent}");
            assert_eq!(gateway.api().post(MESSAGES, body).await, first);
            assert_eq!(alice.request(chat("from alice", &id)).await["duplicate"], true);
        }
        let expected = [json!("from the backend"), json!("from alice")];
        assert_eq!(contents(&gateway).await, [&expected[..], &expected[..]].concat());
    }
}

#[tokio::test]
async fn deletes_message_despite_conflicting_ids() {
    for gateway in gateways().await {
        let mut alice = Socket::connect(&gateway, "alice").await;
        alice.join("c").await;
        let message = alice.request(chat("secret", "m1")).await["messageId"].as_str().unwrap().to_owned();
        for id in [message.clone(), format!("delete:{message}")] {
            for user in [json!("alice"), Value::Null] {
                let body = json!({ "content": "decoy", "userId": user, "id": format!("{id}{user}").replace('"', "") });
                gateway.api().post(MESSAGES, body).await;
            }
            gateway.api().post(MESSAGES, json!({ "content": "decoy", "id": id })).await;
            alice.request(chat("decoy", &id)).await;
        }
        let deleted = gateway.api().call(Method::DELETE, &format!("{MESSAGES}/{message}"), None).await;
        assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
        assert_eq!(alice.wait_for("chat_deleted").await["messageId"], json!(message));
        assert!(contents(&gateway).await.iter().all(|content| content == "decoy"));
    }
}

#[tokio::test]
async fn rejects_same_id_with_different_content() {
    for gateway in gateways().await {
        let api = gateway.api();
        let mut alice = Socket::connect(&gateway, "alice").await;
        let first = alice.request(chat("one", "m1")).await;
        for other in [
            chat("two", "m1"),
            json!({ "type": "chat", "clanId": "c", "content": "one", "messageType": "IMAGE", "clientMessageId": "m1" }),
            json!({ "type": "chat", "clanId": "c", "content": "one", "data": {}, "clientMessageId": "m1" }),
        ] {
            let refused = alice.request(other).await;
            assert_eq!((&refused["type"], &refused["code"]), (&json!("error"), &json!("conflict")), "{refused}");
        }
        let again = alice.request(chat("one", "m1")).await;
        assert_eq!((&again["duplicate"], &again["offset"]), (&json!(true), &first["offset"]));

        let message = |content: &str, data: Value| json!({ "content": content, "id": "b1", "data": data });
        let first = api.post(MESSAGES, message("one", json!({ "a": 1, "b": [1, 2] }))).await;
        let (status, problem) = api.json(Method::POST, MESSAGES, Some(message("one", json!({ "a": 2 })))).await;
        assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("conflict")), "{problem}");
        assert_eq!(problem["type"], "/docs/protocol#error-conflict");
        // A restarted backend service may write the members in another order; that is the same content.
        let rewritten = r#"{"id":"b1","data":{ "b":[1, 2],"a":1},"content":"one"}"#;
        let response = http_client().post(format!("http://{}{MESSAGES}", gateway.address())).bearer_auth(Api::KEY);
        let response = response.header("content-type", "application/json").body(rewritten).send().await.unwrap();
        assert_eq!(response.json::<Value>().await.unwrap(), first);
        assert_eq!(contents(&gateway).await, ["one", "one"]);

        let notification = |title: &str| json!({ "userId": "alice", "title": title, "message": "m", "id": "n1" });
        api.post("/api/v1/notifications", notification("one")).await;
        let (status, problem) = api.json(Method::POST, "/api/v1/notifications", Some(notification("two"))).await;
        assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("conflict")), "{problem}");
        let to_both = json!({ "userIds": ["alice", "bob"], "title": "two", "message": "m", "id": "n1" });
        let (status, problem) = api.json(Method::POST, "/api/v1/notifications", Some(to_both.clone())).await;
        assert_eq!((status, &problem["details"]["userIds"]), (StatusCode::CONFLICT, &json!(["alice"])), "{problem}");
        let mut bob = Socket::connect(&gateway, "bob").await;
        bob.send(json!({ "type": "subscribe_notifications" })).await;
        assert_eq!(bob.wait_for("notification").await["title"], "two", "the notification did not reach the other user");
        api.post("/api/v1/notifications", notification("one")).await;
        alice.send(json!({ "type": "subscribe_notifications" })).await;
        assert_eq!(alice.wait_for("subscription_confirmed").await["pending"], 1);
        assert_eq!(alice.expect("notification").await["title"], "one");
    }
}

#[tokio::test]
async fn dead_letters_conflicting_event_and_delivers_the_next() {
    let backend = Backend::connect(&tokio::task::spawn_blocking(rabbitmq::shared).await.unwrap()).await;
    let gateway = Gateway::custom_service_with(backend.settings()).await;
    gateway.wait_for_broker().await;
    let token = Token::for_user("alice").claim("topics", json!({ "dice": ["table-1"] }));
    let mut alice = Socket::connect_with(&gateway, &token).await;
    alice.request(json!({ "type": "subscribe", "service": "dice", "topic": "table-1" })).await;
    let key = "service.dice.table-1";
    // The first event is sent over HTTP, its repeat and the conflict over AMQP: all backend services count as one
    // sender.
    let path = "/api/v1/services/dice/topics/table-1/events";
    gateway.api().post(path, json!({ "data": { "n": 1 }, "id": "e1" })).await;
    backend.publish(key, json!({ "data": { "n": 1 }, "id": "e1" })).await;
    let mut dead_letters = backend.dead_letters().await;
    backend.publish(key, json!({ "data": { "n": 2 }, "id": "e1" })).await;
    backend.publish(key, json!({ "data": { "n": 3 } })).await;
    let dead_letter = dead_letters.next().await;
    assert_eq!(dead_letter.reason.as_deref(), Some("conflict"));
    assert!(dead_letter.detail.is_some_and(|detail| detail.contains("use a new id")));
    assert_eq!(alice.expect("event").await["data"]["n"], 1);
    assert_eq!(alice.expect("event").await["data"]["n"], 3);
}

#[tokio::test]
async fn compares_client_content_for_service_with_random_results() {
    let gateway = Gateway::custom_service().await;
    let token = Token::for_user("alice").claim("topics", json!({ "dice": ["table-1"] }));
    let mut alice = Socket::connect_with(&gateway, &token).await;
    let publish = |data: u64| json!({ "type": "publish", "service": "dice", "topic": "table-1", "data": data, "clientMessageId": "t1" });
    assert_eq!(alice.request(publish(6)).await["type"], "message_sent");
    for _ in 0..8 {
        assert_eq!(alice.request(publish(6)).await["duplicate"], true);
        assert_eq!(alice.request(publish(20)).await["code"], "conflict");
    }
}
