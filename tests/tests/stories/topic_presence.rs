//! Presence in a topic of a service: a snapshot, then changes, with data that each user shows.

use realtime_gateway_brokers::redis;
use realtime_gateway_tests::{Gateway, Settings, Socket, Token, eventually};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const PRESENCE: &str = "/api/v1/services/dice/topics/table-1/presence";

fn token(user: &str) -> Token {
    Token::for_user(user).claim("topics", json!({ "dice": ["table-1"] }))
}

fn without_grace() -> Settings {
    Settings::default().set("presence.grace", "\"0s\"")
}

fn subscribe(fields: Value) -> Value {
    let mut command = json!({ "type": "subscribe", "service": "dice", "topic": "table-1" });
    command.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    command
}

fn get_presence() -> Value {
    json!({ "type": "topic_presence", "service": "dice", "topic": "table-1" })
}

/// Receives the next change and returns its user, its status and its data.
async fn change(socket: &mut Socket) -> Value {
    let change = socket.expect("topic_presence_changed").await;
    assert_eq!((&change["service"], &change["topic"]), (&json!("dice"), &json!("table-1")));
    json!([change["userId"], change["status"], change.get("data")])
}

#[tokio::test]
async fn reports_users_and_their_data() {
    let gateway = Gateway::custom_service_with(without_grace()).await;
    let mut alice = Socket::connect_with(&gateway, &token("alice")).await;
    alice.send(subscribe(json!({ "presence": true, "presenceData": { "at": 1.0 } }))).await;
    alice.expect("subscription_confirmed").await;
    let snapshot = alice.expect("topic_presence").await;
    assert_eq!(snapshot["users"], json!([{ "userId": "alice", "sessions": 1, "data": { "at": 1.0 } }]));

    let mut bob = Socket::connect_with(&gateway, &token("bob")).await;
    bob.request(subscribe(json!({}))).await;
    assert_eq!(change(&mut alice).await, json!(["bob", "online", null]));
    bob.request(subscribe(json!({ "presenceData": "red" }))).await;
    assert_eq!(change(&mut alice).await, json!(["bob", "updated", "red"]));
    // Neither the same data nor a subscription without data is a change.
    bob.request(subscribe(json!({ "presenceData": "red" }))).await;
    bob.request(subscribe(json!({}))).await;
    bob.request(subscribe(json!({ "presenceData": ["blue"] }))).await;
    assert_eq!(change(&mut alice).await, json!(["bob", "updated", ["blue"]]));

    let present = bob.request(get_presence()).await;
    let expected = json!([
        { "userId": "alice", "sessions": 1, "data": { "at": 1.0 } },
        { "userId": "bob", "sessions": 1, "data": ["blue"] },
    ]);
    assert_eq!((&present["users"], &present["count"]), (&expected, &json!(2)));
    let (status, over_http) = gateway.api().json(Method::GET, PRESENCE, None).await;
    assert_eq!((status, over_http), (StatusCode::OK, json!({ "users": expected, "count": 2 })));

    bob.close().await;
    assert_eq!(change(&mut alice).await, json!(["bob", "offline", null]));
    let mut bob = Socket::connect_with(&gateway, &token("bob")).await;
    bob.request(subscribe(json!({}))).await;
    assert_eq!(change(&mut alice).await, json!(["bob", "online", null]), "the data of before is gone");
}

#[tokio::test]
async fn keeps_data_when_user_reconnects_within_grace() {
    let gateway = Gateway::custom_service_with(Settings::default().set("presence.grace", "\"60s\"")).await;
    let mut bob = Socket::connect_with(&gateway, &token("bob")).await;
    bob.request(subscribe(json!({ "presenceData": 1 }))).await;
    bob.close().await;
    let mut bob = Socket::connect_with(&gateway, &token("bob")).await;
    bob.request(subscribe(json!({}))).await;
    let present = bob.request(get_presence()).await;
    assert_eq!(present["users"], json!([{ "userId": "bob", "sessions": 1, "data": 1 }]));
}

#[tokio::test]
async fn shows_users_of_all_nodes_with_newest_data() {
    let store = tokio::task::spawn_blocking(|| redis::shared().url()).await.unwrap();
    let prefix = uuid::Uuid::now_v7().simple().to_string();
    let settings = without_grace()
        .set("sessions.max_per_user", "2")
        .set("store.url", &format!("\"{store}\""))
        .set("store.prefix", &format!("\"{prefix}\""));
    let near = Gateway::custom_service_with(settings.clone().set("node_id", "\"near\"")).await;
    let far = Gateway::custom_service_with(settings.set("node_id", "\"far\"")).await;
    for node in [&near, &far] {
        eventually("the node is connected to the other nodes", || async {
            node.api().health().await["cluster"]["state"] == "connected"
        })
        .await;
    }
    let mut alice = Socket::connect_with(&near, &token("alice")).await;
    alice.send(subscribe(json!({ "presence": true }))).await;
    alice.wait_for("topic_presence").await;
    let mut bob_far = Socket::connect_with(&far, &token("bob")).await;
    bob_far.request(subscribe(json!({ "presenceData": 1 }))).await;
    assert_eq!(change(&mut alice).await, json!(["bob", "online", 1]));
    let mut bob_near = Socket::connect_with(&near, &token("bob")).await;
    bob_near.request(subscribe(json!({ "presenceData": 2 }))).await;
    assert_eq!(change(&mut alice).await, json!(["bob", "updated", 2]));
    // The far node does not bring its older data back when it stores another number of sessions.
    bob_far.request(json!({ "type": "unsubscribe", "service": "dice", "topic": "table-1" })).await;
    bob_far.request(subscribe(json!({}))).await;
    let present = bob_far.request(get_presence()).await;
    assert_eq!(present["users"][1], json!({ "userId": "bob", "sessions": 2, "data": 2 }));
    bob_near.close().await;
    bob_far.close().await;
    assert_eq!(change(&mut alice).await, json!(["bob", "offline", null]));
    let present = alice.request(get_presence()).await;
    assert_eq!(present["users"], json!([{ "userId": "alice", "sessions": 1 }]));
}

#[tokio::test]
async fn rejects_invalid_requests_for_presence() {
    let gateway = Gateway::custom_service().await;
    let mut alice = Socket::connect_with(&gateway, &token("alice")).await;
    let largest = json!("x".repeat(1022));
    assert_eq!(alice.request(subscribe(json!({ "presenceData": largest }))).await["type"], "subscription_confirmed");
    let refused = alice.request(subscribe(json!({ "presenceData": "x".repeat(1023) }))).await;
    assert_eq!(
        (&refused["code"], &refused["details"]["field"]),
        (&json!("invalid_message"), &json!("presenceData")),
        "{refused}"
    );
    for (service, topic, code) in [
        ("dice", "nowhere", "unknown_service"),
        ("cards", "table-1", "unknown_service"),
        ("dice", "table-2", "forbidden"),
    ] {
        let refused = alice.request(json!({ "type": "topic_presence", "service": service, "topic": topic })).await;
        assert_eq!(refused["code"], code, "{refused}");
        let path = format!("/api/v1/services/{service}/topics/{topic}/presence");
        let expected = if code == "forbidden" { StatusCode::OK } else { StatusCode::NOT_FOUND };
        assert_eq!(gateway.api().json(Method::GET, &path, None).await.0, expected, "{path}");
    }
}

#[tokio::test]
async fn topic_of_service_without_presence_has_none() {
    let gateway = Gateway::custom_service().await;
    let lobby = Token::for_user("alice").claim("topics", json!({ "dice": ["table-lobby"] }));
    let mut alice = Socket::connect_with(&gateway, &lobby).await;
    let about = json!({ "service": "dice", "topic": "table-lobby" });
    for (command, fields, field) in [
        ("subscribe", json!({ "presence": true }), "presence"),
        ("subscribe", json!({ "presenceData": 1 }), "presenceData"),
        ("topic_presence", json!({}), "topic"),
    ] {
        let mut request = json!({ "type": command });
        for fields in [&about, &fields] {
            request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        }
        let refused = alice.request(request).await;
        assert_eq!((&refused["code"], &refused["details"]["field"]), (&json!("invalid_message"), &json!(field)));
    }
    alice.request(json!({ "type": "subscribe", "service": "dice", "topic": "table-lobby", "presence": false })).await;
    let path = "/api/v1/services/dice/topics/table-lobby/presence";
    assert_eq!(gateway.api().json(Method::GET, path, None).await.0, StatusCode::BAD_REQUEST);
}
