//! Server-side subscriptions: a claim of the token or the HTTP API subscribes sessions without a command of the client.

mod changes;
mod nodes;
mod sdk;

use realtime_gateway_tests::{Gateway, Settings, Socket, Token};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::declared_services::{Contracts, comment, subscribe};

/// Subscribes a user through the HTTP API, and returns the status and the body.
async fn add(gateway: &Gateway, user: &str, body: Value) -> (StatusCode, Value) {
    gateway.api().json(Method::POST, &format!("/api/v1/users/{user}/subscriptions"), Some(body)).await
}

async fn add_topic(gateway: &Gateway, user: &str, topic: &str) {
    let (status, body) = add(gateway, user, json!({ "service": "orders", "topic": topic })).await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{body}");
}

/// Ends subscriptions through the HTTP API, and returns the status and the body.
async fn end(gateway: &Gateway, user: &str, query: &str) -> (StatusCode, Value) {
    gateway.api().json(Method::DELETE, &format!("/api/v1/users/{user}/subscriptions?{query}"), None).await
}

/// Returns the stored topics of a user.
async fn stored(gateway: &Gateway, user: &str) -> Vec<String> {
    let body = gateway.api().get(&format!("/api/v1/users/{user}/subscriptions")).await;
    let topics = body["subscriptions"].as_array().unwrap().iter();
    topics.map(|subscription| subscription["topic"].as_str().unwrap().to_owned()).collect()
}

async fn post(gateway: &Gateway, topic: &str, text: &str) -> u64 {
    let path = format!("/api/v1/services/orders/topics/{topic}/events");
    gateway.api().post(&path, json!({ "data": comment(text) })).await["offset"].as_u64().unwrap()
}

/// Returns a token without any grant whose claim subscribes to topics of `orders`.
fn claiming(user: &str, topics: &[&str]) -> Token {
    let claim: Vec<_> = topics.iter().map(|topic| json!({ "service": "orders", "topic": topic })).collect();
    Token::for_user(user).claim("topics", json!({})).claim("subscribe", json!(claim))
}

async fn confirmed_by_server(socket: &mut Socket) -> Value {
    let confirmed = socket.expect("subscription_confirmed").await;
    assert_eq!((&confirmed["origin"], &confirmed["requestId"]), (&json!("server"), &Value::Null), "{confirmed}");
    assert_eq!((&confirmed["service"], &confirmed["status"]), (&json!("orders"), &json!("subscribed")));
    confirmed
}

#[tokio::test]
async fn subscribes_live_and_later_sessions_without_grant() {
    let gateway = Contracts::new().gateway().await;
    assert_eq!(post(&gateway, "order-42", "before").await, 1);
    let mut alice = Socket::connect_with(&gateway, &claiming("alice", &[])).await;
    assert_eq!(alice.request(subscribe("order-42")).await["code"], "forbidden");
    add_topic(&gateway, "alice", "order-42").await;
    let confirmed = confirmed_by_server(&mut alice).await;
    assert_eq!((&confirmed["topic"], &confirmed["offset"]), (&json!("order-42"), &json!(1)));
    post(&gateway, "order-42", "live").await;
    let event = alice.expect("event").await;
    assert_eq!((&event["data"], &event["offset"]), (&comment("live"), &json!(2)), "entries from the head on");

    let mut later = Socket::connect_with(&gateway, &claiming("alice", &[]).claim("deviceId", json!("phone"))).await;
    assert_eq!(confirmed_by_server(&mut later).await["offset"], 2);
    let mut other = Socket::connect_with(&gateway, &claiming("bob", &[])).await;
    post(&gateway, "order-42", "both").await;
    assert_eq!(later.expect("event").await["data"], comment("both"));
    assert_eq!(other.messages_until_pong().await, [json!(null); 0], "another user gets nothing");
    assert_eq!(stored(&gateway, "alice").await, ["order-42"]);
}

#[tokio::test]
async fn stores_subscription_over_restart_until_its_end() {
    let contracts = Contracts::new();
    let mut gateway = contracts.gateway().await;
    add_topic(&gateway, "alice", "order-42").await;
    gateway.kill().await;
    gateway.restart().await;
    let mut alice = Socket::anonymous(&gateway).await;
    alice.send(json!({ "type": "authenticate", "token": claiming("alice", &[]).text() })).await;
    alice.expect("connected").await;
    assert_eq!(confirmed_by_server(&mut alice).await["topic"], "order-42");
    let ending = json!({ "service": "orders", "topic": "order-7", "ttlSeconds": 1 });
    assert_eq!(add(&gateway, "alice", ending).await.0, StatusCode::NO_CONTENT);
    assert_eq!(confirmed_by_server(&mut alice).await["topic"], "order-7");
    let ended = alice.expect("subscription_ended").await;
    assert_eq!((&ended["topic"], &ended["code"]), (&json!("order-7"), &json!("forbidden")));
    assert_eq!(stored(&gateway, "alice").await, ["order-42"]);
    let (status, body) = end(&gateway, "alice", "service=orders&topic=order-42").await;
    assert_eq!((status, body), (StatusCode::OK, json!({ "subscriptions": 1 })));
    let ended = alice.expect("subscription_ended").await;
    assert_eq!((&ended["topic"], &ended["code"]), (&json!("order-42"), &json!("forbidden")));
    assert_eq!(stored(&gateway, "alice").await, [""; 0]);
    alice.close().await;
    let mut alice = Socket::connect_with(&gateway, &claiming("alice", &[])).await;
    assert_eq!(alice.messages_until_pong().await, [json!(null); 0]);
}

#[tokio::test]
async fn refuses_what_cannot_be_subscribed() {
    let gateway = Contracts::new().gateway().await;
    let order = |topic: &str| json!({ "service": "orders", "topic": topic });
    for (body, status, code) in [
        (json!({ "service": "nothing", "topic": "order-1" }), 404, "unknown_service"),
        (order("unknown-1"), 404, "unknown_service"),
        (json!({ "service": "clan_chat", "topic": "c" }), 404, "unknown_service"),
        (order("user-bob"), 422, "other_users_topic"),
        (json!({ "service": "orders" }), 400, "invalid_message"),
        (json!({ "service": "orders", "topic": "order-1", "ttlSeconds": 0 }), 400, "invalid_message"),
    ] {
        let (found, problem) = add(&gateway, "alice", body.clone()).await;
        assert_eq!((found.as_u16(), &problem["code"]), (status, &json!(code)), "{body}: {problem}");
    }
    assert_eq!(add(&gateway, "bob", order("user-bob")).await.0, StatusCode::NO_CONTENT);
    for n in 0..100 {
        assert_eq!(add(&gateway, "alice", order(&format!("order-{n}"))).await.0, StatusCode::NO_CONTENT);
    }
    let (status, problem) = add(&gateway, "alice", order("order-100")).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("subscription_limit")));
    assert_eq!(add(&gateway, "alice", order("order-7")).await.0, StatusCode::NO_CONTENT, "a repeat is none too many");
    assert_eq!(end(&gateway, "alice", "service=orders").await.0, StatusCode::OK);
    assert_eq!(stored(&gateway, "alice").await, [""; 0]);
    let (status, problem) = end(&gateway, "alice", "service=nothing").await;
    assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("unknown_service")));
}

#[tokio::test]
async fn does_not_count_towards_limit_of_client() {
    let contracts = Contracts::new();
    let gateway = Gateway::with(contracts.settings(Settings::default().set("limits.subscriptions", "1"))).await;
    let grants = json!({ "orders": ["*"] });
    let token = claiming("alice", &["order-1", "order-2", "order-1", "user-bob", "unknown-1"]).claim("topics", grants);
    let mut alice = Socket::connect_with(&gateway, &token).await;
    let mut topics = Vec::new();
    for _ in 0..2 {
        topics.push(confirmed_by_server(&mut alice).await["topic"].as_str().unwrap().to_owned());
    }
    topics.sort();
    assert_eq!(
        topics,
        ["order-1", "order-2"],
        "neither twice, nor a topic of another user, nor one that does not exist"
    );
    assert_eq!(alice.request(subscribe("order-3")).await["status"], "subscribed");
    assert_eq!(alice.request(subscribe("order-4")).await["code"], "subscription_limit");
    let crowded = async |count: usize| {
        let topics: Vec<_> =
            (0..count).map(|n| json!({ "service": "orders", "topic": format!("order-{n}") })).collect();
        let token = claiming("alice", &[]).claim("subscribe", json!(topics)).text();
        Socket::open(&gateway, "/ws", Some(&token)).await.err()
    };
    assert_eq!(crowded(100).await, None);
    assert_eq!(crowded(101).await, Some(StatusCode::UNAUTHORIZED), "more than 100 topics");
}

#[tokio::test]
async fn core_client_gets_events_too() {
    let gateway = Contracts::new().gateway().await;
    // A token in the query, and no command at all: as a client of the core protocol connects.
    let path = format!("/ws?token={}", claiming("alice", &["order-1"]).text());
    let mut alice = Socket::open(&gateway, &path, None).await.unwrap();
    alice.expect("connected").await;
    confirmed_by_server(&mut alice).await;
    post(&gateway, "order-1", "a").await;
    assert_eq!(alice.expect("event").await["data"], comment("a"));
}

#[tokio::test]
async fn recovers_without_grant_after_reconnection() {
    let gateway = Contracts::new().gateway().await;
    add_topic(&gateway, "alice", "order-1").await;
    let mut alice = Socket::connect_with(&gateway, &claiming("alice", &[])).await;
    let epoch = confirmed_by_server(&mut alice).await["epoch"].clone();
    post(&gateway, "order-1", "1").await;
    assert_eq!(alice.expect("event").await["offset"], 1);
    alice.close().await;
    for text in ["2", "3"] {
        post(&gateway, "order-1", text).await;
    }
    let recover = json!({ "offset": 1, "epoch": epoch });
    let base = json!({ "type": "subscribe", "service": "orders", "topic": "order-1", "recover": recover });
    for server_side in [json!(true), Value::Null] {
        let mut alice = Socket::connect_with(&gateway, &claiming("alice", &[])).await;
        assert_eq!(confirmed_by_server(&mut alice).await["offset"], 3);
        let mut command = base.clone();
        if !server_side.is_null() {
            command["serverSide"] = server_side;
        }
        let reply = alice.request(command).await;
        assert_eq!((&reply["recovered"], &reply["origin"]), (&json!(true), &json!("server")), "{reply}");
        for offset in [2, 3] {
            assert_eq!(alice.expect("event").await["offset"], offset);
        }
        alice.close().await;
    }
    let mut bob = Socket::connect_with(&gateway, &claiming("bob", &[])).await;
    let mut command = base;
    command["serverSide"] = json!(true);
    assert_eq!(bob.request(command).await["code"], "forbidden", "only what the server has subscribed");
}

#[tokio::test]
async fn client_that_sends_no_command_is_informed_of_all_that_happens_to_its_subscription() {
    let gateway = Contracts::new().gateway().await;
    add_topic(&gateway, "alice", "order-42").await;
    // Its token is in a header, so that the client has used the core protocol only.
    let mut alice = Socket::connect_with(&gateway, &claiming("alice", &[])).await;
    confirmed_by_server(&mut alice).await;
    post(&gateway, "order-42", "live").await;
    assert_eq!(alice.expect("event").await["data"], comment("live"));
    assert_eq!(end(&gateway, "alice", "service=orders&topic=order-42").await.0, StatusCode::OK);
    let ended = alice.expect("subscription_ended").await;
    assert_eq!((&ended["topic"], &ended["code"]), (&json!("order-42"), &json!("forbidden")));
}
