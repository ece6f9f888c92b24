//! The history of a topic of a service: pages over the socket and over HTTP.

use realtime_gateway_tests::{Gateway, Settings, Socket, Token};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const EVENTS: &str = "/api/v1/services/dice/topics/table-1/events";

fn token(user: &str) -> Token {
    Token::for_user(user).claim("topics", json!({ "dice": ["table-1", "nowhere"] }))
}

fn history(fields: Value) -> Value {
    let mut command = json!({ "type": "topic_history", "service": "dice", "topic": "table-1" });
    command.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    command
}

fn offsets(page: &Value) -> Vec<u64> {
    page["events"].as_array().unwrap().iter().map(|event| event["offset"].as_u64().unwrap()).collect()
}

/// Publishes events with the data 1 to `count`.
async fn publish(gateway: &Gateway, count: u64) {
    for data in 1..=count {
        publish_data(gateway, data).await;
    }
}

/// Publishes an event whose data is the offset that it gets.
async fn publish_data(gateway: &Gateway, data: u64) {
    let (status, sent) = gateway.api().json(Method::POST, EVENTS, Some(json!({ "data": data }))).await;
    assert_eq!((status, sent["offset"].as_u64()), (StatusCode::ACCEPTED, Some(data)), "{sent}");
}

#[tokio::test]
async fn pages_in_both_directions_over_socket_and_http() {
    let gateway = Gateway::custom_service().await;
    publish(&gateway, 5).await;
    let mut alice = Socket::connect_with(&gateway, &token("alice")).await;
    let pages = [
        (json!({ "limit": 2 }), vec![4, 5], true),
        (json!({ "limit": 2, "before": 4 }), vec![2, 3], true),
        (json!({ "limit": 2, "before": 2 }), vec![1], false),
        (json!({ "limit": 2, "after": 0 }), vec![1, 2], true),
        (json!({ "after": 3 }), vec![4, 5], false),
        (json!({ "after": 5 }), vec![], false),
        (json!({ "before": 1 }), vec![], false),
        (json!({}), vec![1, 2, 3, 4, 5], false),
    ];
    for (fields, expected, has_more) in pages {
        let page = alice.request(history(fields.clone())).await;
        assert_eq!((offsets(&page), &page["hasMore"]), (expected.clone(), &json!(has_more)), "{fields}: {page}");
        let query: Vec<_> = fields.as_object().unwrap().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let (status, over_http) = gateway.api().json(Method::GET, &format!("{EVENTS}?{}", query.join("&")), None).await;
        assert_eq!(status, StatusCode::OK, "{over_http}");
        for member in ["epoch", "events", "hasMore", "trimmed"] {
            assert_eq!(over_http[member], page[member], "{member} of {fields}");
        }
    }
}

#[tokio::test]
async fn response_to_a_publication_is_a_position_to_subscribe_from() {
    let gateway = Gateway::custom_service().await;
    publish(&gateway, 1).await;
    let body = json!({ "data": 2, "id": "second" });
    let (_, second) = gateway.api().json(Method::POST, EVENTS, Some(body.clone())).await;
    let (_, repeated) = gateway.api().json(Method::POST, EVENTS, Some(body)).await;
    assert_eq!(repeated, second, "a repeat has the same position");
    publish_data(&gateway, 3).await;
    let mut alice = Socket::connect_with(&gateway, &token("alice")).await;
    let recover = json!({ "offset": second["offset"], "epoch": second["epoch"] });
    let subscribe = json!({ "type": "subscribe", "service": "dice", "topic": "table-1", "recover": recover });
    let confirmed = alice.request(subscribe).await;
    assert_eq!((&confirmed["recovered"], &confirmed["epoch"]), (&json!(true), &second["epoch"]));
    assert_eq!(alice.wait_for("event").await["data"], 3);

    let message = json!({ "content": "Hello!" });
    let (_, chat) = gateway.api().json(Method::POST, "/api/v1/clans/c/messages", Some(message)).await;
    assert_eq!(chat["epoch"], second["epoch"]);
}

#[tokio::test]
async fn page_continues_what_a_subscription_delivered() {
    let gateway = Gateway::custom_service().await;
    publish(&gateway, 3).await;
    let mut alice = Socket::connect_with(&gateway, &token("alice")).await;
    let subscribe = json!({ "type": "subscribe", "service": "dice", "topic": "table-1", "history": 1 });
    let confirmed = alice.request(subscribe).await;
    let delivered = alice.expect("event").await;
    let page = alice.request(history(json!({ "before": delivered["offset"] }))).await;
    assert_eq!((offsets(&page), &page["epoch"]), (vec![1, 2], &confirmed["epoch"]));
    let newest = alice.request(history(json!({ "limit": 1 }))).await;
    let mut event = newest["events"][0].clone();
    event["type"] = json!("event");
    assert_eq!(event, delivered);
}

#[tokio::test]
async fn page_has_publisher_and_data_as_they_were_published() {
    let gateway = Gateway::custom_service().await;
    let mut alice = Socket::connect_with(&gateway, &token("alice")).await;
    let publish =
        json!({ "type": "publish", "service": "dice", "topic": "table-1", "data": 6, "clientMessageId": "t1" });
    alice.request(publish).await;
    let null = gateway.api().json(Method::POST, EVENTS, Some(json!({ "data": null }))).await;
    assert_eq!(null.0, StatusCode::ACCEPTED);
    let page = alice.request(history(json!({}))).await;
    let [thrown, null] = page["events"].as_array().unwrap().as_slice() else { panic!("{page}") };
    assert_eq!((&thrown["userId"], &thrown["clientMessageId"]), (&json!("alice"), &json!("t1")));
    assert_eq!(thrown["data"]["by"], "alice");
    assert_eq!((null.get("data"), null.get("userId")), (Some(&Value::Null), None));
}

#[tokio::test]
async fn rejects_topics_that_do_not_exist_or_are_not_permitted() {
    let gateway = Gateway::custom_service().await;
    let mut alice = Socket::connect_with(&gateway, &token("alice")).await;
    for (service, topic, code) in [
        ("dice", "nowhere", "unknown_service"),
        ("cards", "table-1", "unknown_service"),
        ("clan_chat", "c", "unknown_service"),
        ("notifications", "alice", "unknown_service"),
        ("dice", "table-2", "forbidden"),
    ] {
        let refused = alice.request(json!({ "type": "topic_history", "service": service, "topic": topic })).await;
        assert_eq!((&refused["code"], &refused["inReplyTo"]), (&json!(code), &json!("topic_history")), "{refused}");
    }
    let both = alice.request(history(json!({ "before": 3, "after": 1 }))).await;
    assert_eq!((&both["code"], &both["details"]["field"]), (&json!("invalid_message"), &json!("before")));
    let (status, problem) = gateway.api().json(Method::GET, &format!("{EVENTS}?before=3&after=1"), None).await;
    assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!("invalid_message")), "{problem}");
    let unknown = "/api/v1/services/dice/topics/nowhere/events";
    assert_eq!(gateway.api().json(Method::GET, unknown, None).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn marks_pages_with_trimmed_entries() {
    let gateway = Gateway::custom_service_with(Settings::default().set("history.max_entries", "3")).await;
    publish(&gateway, 6).await;
    let mut alice = Socket::connect_with(&gateway, &token("alice")).await;
    let page = alice.request(history(json!({ "after": 1 }))).await;
    assert_eq!((offsets(&page), &page["trimmed"]), (vec![4, 5, 6], &json!(true)));
    let page = alice.request(history(json!({ "after": 3 }))).await;
    assert_eq!((offsets(&page), page.get("trimmed")), (vec![4, 5, 6], None));
}
