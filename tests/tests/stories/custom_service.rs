//! A custom service that is added in code: subscribe, publish and recovery work as for the built-in services.

use realtime_gateway_brokers::rabbitmq::shared;
use realtime_gateway_tests::{Backend, Gateway, Socket, Token};
use reqwest::{Method, StatusCode};
use serde_json::json;

fn token(user: &str) -> Token {
    Token::for_user(user).claim("topics", json!({ "dice": ["table-1", "nowhere"] }))
}

#[tokio::test]
async fn delivers_publication_to_all_subscribers_of_topic() {
    let gateway = Gateway::custom_service().await;
    let mut alice = Socket::connect_with(&gateway, &token("alice")).await;
    let mut bob = Socket::connect_with(&gateway, &token("bob")).await;
    let subscribe = json!({ "type": "subscribe", "service": "dice", "topic": "table-1" });
    let confirmed = alice.request(subscribe.clone()).await;
    assert_eq!((&confirmed["service"], &confirmed["topic"]), (&json!("dice"), &json!("table-1")));

    let publish =
        json!({ "type": "publish", "service": "dice", "topic": "table-1", "data": 6, "clientMessageId": "t1" });
    let sent = bob.request(publish.clone()).await;
    assert_eq!((&sent["type"], &sent["topic"]), (&json!("message_sent"), &json!("table-1")));
    let event = alice.expect("event").await;
    assert_eq!((&event["userId"], &event["data"]["by"], &event["offset"]), (&json!("bob"), &json!("bob"), &json!(1)));
    assert!((1..=6).contains(&event["data"]["thrown"].as_u64().unwrap()));
    assert_eq!(bob.request(publish).await["duplicate"], true);

    let mut late = subscribe.clone();
    late["recover"] = json!({ "offset": 0, "epoch": confirmed["epoch"] });
    bob.send(late).await;
    assert_eq!(bob.expect("subscription_confirmed").await["recovered"], true);
    assert_eq!(bob.expect("event").await["data"], event["data"]);
    assert_eq!(
        bob.request(json!({ "type": "unsubscribe", "service": "dice", "topic": "table-1" })).await["status"],
        "unsubscribed"
    );
}

#[tokio::test]
async fn rejects_data_and_topics_that_service_does_not_accept() {
    let gateway = Gateway::custom_service().await;
    let mut alice = Socket::connect_with(&gateway, &token("alice")).await;
    let publish = |topic: &str, data| json!({ "type": "publish", "service": "dice", "topic": topic, "data": data });
    assert_eq!(alice.request(publish("table-1", json!("six"))).await["details"]["field"], "data");
    for command in ["subscribe", "unsubscribe", "publish"] {
        let unknown = json!({ "type": command, "service": "dice", "topic": "nowhere", "data": 6 });
        let refused = alice.request(unknown).await;
        assert_eq!((&refused["code"], &refused["topic"]), (&json!("unknown_service"), &json!("nowhere")), "{command}");
    }
    assert_eq!(alice.request(publish("table-2", json!(6))).await["code"], "forbidden");
    let mut connected = Socket::open(&gateway, "/ws", Some(&token("bob").text())).await.unwrap();
    let services = connected.expect("connected").await["services"].clone();
    assert_eq!(services, json!(["notifications", "clan_chat", "dice"]));
}

#[tokio::test]
async fn reports_unknown_topic_over_http_and_amqp() {
    let backend = Backend::connect(&tokio::task::spawn_blocking(shared).await.unwrap()).await;
    let gateway = Gateway::custom_service_with(backend.settings()).await;
    gateway.wait_for_broker().await;
    let api = gateway.api();
    let unknown = (StatusCode::NOT_FOUND, json!("unknown_service"));
    for (method, path, body) in [
        (Method::POST, "/api/v1/services/dice/topics/nowhere/events", Some(json!({ "data": 1 }))),
        (Method::POST, "/api/v1/services/cards/topics/table-1/events", Some(json!({ "data": 1 }))),
        (Method::DELETE, "/api/v1/users/alice/subscriptions?service=dice&topic=nowhere", None),
        (Method::DELETE, "/api/v1/users/alice/subscriptions?service=cards", None),
    ] {
        let (status, problem) = api.json(method, path, body).await;
        assert_eq!((status, problem["code"].clone()), unknown, "{path}: {problem}");
    }
    for service in ["dice", "clan_chat", "notifications"] {
        let path = format!("/api/v1/users/alice/subscriptions?service={service}");
        assert_eq!(api.json(Method::DELETE, &path, None).await.0, StatusCode::OK, "{path}");
    }
    let mut dead_letters = backend.dead_letters().await;
    for (key, body) in [
        ("service.dice.nowhere", json!({ "data": 1 })),
        ("service.cards.table-1", json!({ "data": 1 })),
        ("control.unsubscribe.alice", json!({ "service": "dice", "topic": "nowhere" })),
        ("control.unsubscribe.alice", json!({ "service": "cards" })),
    ] {
        backend.publish(key, body).await;
        let dead_letter = dead_letters.next().await;
        assert_eq!((dead_letter.key.as_str(), dead_letter.reason.as_deref()), (key, Some("unknown_service")));
    }
}
