//! Events over RabbitMQ: inbound events of backend services reach clients, and client activity reaches backend
//! services.

use realtime_gateway_brokers::rabbitmq::shared;
use realtime_gateway_tests::{Api, Backend, Gateway, Socket, Token, eventually};
use serde_json::{Value, json};

async fn gateway() -> (Backend, Gateway) {
    let backend = Backend::connect(&shared()).await;
    let gateway = Gateway::with(backend.settings()).await;
    (backend, gateway)
}

/// Returns the value of a metric, given its name and labels as `/metrics` writes them; 0 if it is absent.
pub(crate) async fn metric(api: &Api, name: &str) -> f64 {
    let text = api.call(reqwest::Method::GET, "/metrics", None).await.text().await.unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    line.unwrap_or(0.0)
}

#[tokio::test]
async fn delivers_every_kind_of_inbound_event() {
    let (backend, gateway) = gateway().await;
    let mut alice = Socket::connect(&gateway, "alice@home").await;
    alice.request(json!({ "type": "subscribe_notifications" })).await;
    alice.join("c.1").await;
    // A routing key contains `.` and `@` percent-encoded.
    let notification = json!({ "id": "n1", "title": "Quest", "message": "It is open.", "data": { "n": 1 } });
    backend.publish("notification.alice%40home", notification).await;
    let notification_received = alice.expect("notification").await;
    assert_eq!(
        (&notification_received["id"], &notification_received["title"], &notification_received["data"]),
        (&json!("n1"), &json!("Quest"), &json!({ "n": 1 }))
    );
    backend
        .publish("clan_chat.c%2E1", json!({ "content": "War!", "userId": "herald", "data": { "at": "noon" } }))
        .await;
    let chat = alice.expect("chat").await;
    assert_eq!((&chat["content"], &chat["userId"]), (&json!("War!"), &json!("herald")));
    assert_eq!((&chat["messageType"], &chat["clanId"]), (&json!("SYSTEM"), &json!("c.1")));
    backend.publish("control.unsubscribe.alice%40home", json!({ "service": "clan_chat", "topic": "c.1" })).await;
    assert_eq!(alice.expect("subscription_ended").await["clanId"], "c.1");
    backend.publish("control.disconnect.alice%40home", json!({ "reconnect": true })).await;
    assert_eq!(alice.close_code().await, 4500);
    let mut alice = Socket::connect(&gateway, "alice@home").await;
    backend.publish("control.disconnect.alice%40home", json!({})).await;
    assert_eq!(alice.close_code().await, 4403);
    let stored = || async { metric(&gateway.api(), "gateway_bus_consumed_total{outcome=\"stored\"}").await >= 5.0 };
    eventually("all events are acknowledged", stored).await;
}

#[tokio::test]
async fn delivers_events_of_custom_service() {
    let backend = Backend::connect(&shared()).await;
    let gateway = Gateway::custom_service_with(backend.settings()).await;
    let mut events = backend.listen("service.#").await;
    let mut alice =
        Socket::connect_with(&gateway, &Token::for_user("alice").claim("topics", json!({ "dice": ["*"] }))).await;
    alice.request(json!({ "type": "subscribe", "service": "dice", "topic": "table-1" })).await;
    backend.publish("service.dice.table-1", json!({ "id": "e1", "data": { "closes": "at noon" } })).await;
    assert_eq!(alice.expect("event").await["data"], json!({ "closes": "at noon" }));
    let reported = events.expect("service.dice.table-1").await;
    assert_eq!((&reported["data"], &reported["offset"]), (&json!({ "closes": "at noon" }), &json!(1)));
    assert!(reported.get("userId").is_none(), "{reported}");
    alice.request(json!({ "type": "publish", "service": "dice", "topic": "table-1", "data": 6 })).await;
    assert_eq!(events.expect("service.dice.table-1").await["userId"], "alice");
    backend.publish("service.dice.elsewhere", json!({ "data": 1 })).await;
    let dead_letter = backend.dead_letters().await.next().await;
    assert_eq!(dead_letter.reason.as_deref(), Some("unknown_service"));
    assert_eq!(dead_letter.detail.as_deref(), Some("the service has no such topic"));
}

#[tokio::test]
async fn delivers_events_of_topic_in_order_and_drops_duplicates() {
    let (backend, gateway) = gateway().await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.request(json!({ "type": "subscribe_notifications" })).await;
    for n in 0..100 {
        let body = json!({ "id": format!("n{n}"), "title": n.to_string(), "message": "m" });
        backend.publish("notification.alice", body.clone()).await;
        if n % 3 == 0 {
            backend.publish("notification.alice", body).await;
        }
        if n % 7 == 0 {
            // The `message_id` property serves as idempotency key like an `id` in the body.
            let (body, id) = (json!({ "title": "copy", "message": "m" }).to_string(), format!("n{n}"));
            backend.publish_as("notification.alice", body.as_bytes(), Some(&id)).await;
        }
    }
    for n in 0..100 {
        assert_eq!(alice.expect("notification").await["title"], n.to_string());
    }
    assert!(alice.messages_until_pong().await.is_empty());
}

#[tokio::test]
async fn delivers_queued_events_in_order_after_restart() {
    let backend = Backend::connect(&shared()).await;
    let mut gateway = Gateway::with(backend.settings()).await;
    gateway.wait_for_broker().await;
    gateway.kill().await;
    for n in 0..300 {
        let body = json!({ "title": n.to_string(), "message": "m" });
        backend.publish(&format!("notification.user{}", n % 3), body).await;
    }
    // The restarted gateway receives all queued events in one burst.
    gateway.restart().await;
    for user in 0..3 {
        let mut socket = Socket::connect(&gateway, &format!("user{user}")).await;
        socket.request(json!({ "type": "subscribe_notifications" })).await;
        for n in (user..300).step_by(3) {
            assert_eq!(socket.expect("notification").await["title"], n.to_string());
        }
    }
}

#[tokio::test]
async fn dead_letters_invalid_events_and_delivers_the_others() {
    let (backend, gateway) = gateway().await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.request(json!({ "type": "subscribe_notifications" })).await;
    let invalid_events: [(&str, &[u8], &str, &str); 7] = [
        ("notification.alice", b"{\"title\":", "invalid_json", "not JSON"),
        ("notification.alice", b"\xff\xfe", "invalid_json", "UTF-8"),
        ("notification.alice", b"{\"title\":\"a-secret-word\"}", "invalid_message", "message: missing"),
        ("notification.%zz", b"{\"title\":\"t\",\"message\":\"m\"}", "invalid_message", "userId"),
        ("clan_chat.c", b"{\"content\":7}", "invalid_message", "content"),
        ("service.orders.a", b"{\"data\":1}", "unknown_service", "no service"),
        ("weather.today", b"{}", "unknown_key", "routing key"),
    ];
    for (n, (key, body, ..)) in invalid_events.iter().enumerate() {
        backend.publish("notification.alice", json!({ "title": n.to_string(), "message": "m" })).await;
        backend.publish_as(key, body, Some(&format!("poison-{n}"))).await;
    }
    backend.publish("notification.alice", json!({ "title": "last", "message": "m" })).await;
    for n in 0..invalid_events.len() {
        assert_eq!(alice.expect("notification").await["title"], n.to_string());
    }
    assert_eq!(alice.expect("notification").await["title"], "last");

    let mut dead_letters = backend.dead_letters().await;
    let mut received = Vec::new();
    for _ in &invalid_events {
        received.push(dead_letters.next().await);
    }
    for (n, (key, _, reason, detail)) in invalid_events.iter().enumerate() {
        let dead_letter = received
            .iter()
            .find(|dead_letter| dead_letter.message_id.as_deref() == Some(&format!("poison-{n}")))
            .unwrap();
        assert_eq!((dead_letter.key.as_str(), dead_letter.reason.as_deref()), (*key, Some(*reason)));
        assert!(dead_letter.detail.as_deref().is_some_and(|text| text.contains(detail)), "{dead_letter:?}");
    }
    assert_eq!(metric(&gateway.api(), "gateway_dead_lettered_total{reason=\"invalid_message\"}").await, 3.0);
    assert!(!gateway.log().iter().any(|line| line.contains("a-secret-word")));
}

#[tokio::test]
async fn publishes_client_activity_to_backend_services() {
    let backend = Backend::connect(&shared()).await;
    let settings = backend.settings().set("notifications.max_pending", "1").set("node_id", "\"node-1\"");
    let gateway = Gateway::with(settings).await;
    let mut events = backend.listen("#").await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    let opened = events.expect("session.opened.alice").await;
    assert_eq!(opened["nodeId"], "node-1");
    assert!(opened["sessionId"].is_string() && opened["at"].is_string());

    let sent = alice
        .request(json!({ "type": "chat", "clanId": "c", "content": "Hi", "data": { "x": 1 }, "clientMessageId": "1" }))
        .await;
    let message = events.expect("chat.message.c").await;
    assert_eq!((&message["messageId"], &message["offset"]), (&sent["messageId"], &sent["offset"]));
    assert_eq!(
        (&message["userId"], &message["content"], &message["data"]),
        (&json!("alice"), &json!("Hi"), &json!({ "x": 1 }))
    );
    assert_eq!(message["messageType"], "TEXT");
    let again = alice
        .request(json!({ "type": "chat", "clanId": "c", "content": "Hi", "data": { "x": 1 }, "clientMessageId": "1" }))
        .await;
    assert_eq!(again["duplicate"], true);

    gateway.api().notify("bob", "one").await;
    let second = gateway.api().notify("bob", "two").await;
    let dropped = events.expect("notification.dropped.bob").await;
    assert_eq!(dropped["notificationIds"].as_array().unwrap().len(), 1);
    let mut bob = Socket::connect(&gateway, "bob").await;
    events.expect("session.opened.bob").await;
    bob.request(json!({ "type": "notification_ack", "notificationIds": [second, "never-there"] })).await;
    assert_eq!(events.expect("notification.acked.bob").await["notificationIds"], json!([second]));

    let mut newer = Socket::connect(&gateway, "alice").await;
    assert_eq!(alice.close_code().await, 4409);
    let closed = events.expect("session.closed.alice").await;
    assert_eq!((&closed["sessionId"], &closed["code"]), (&opened["sessionId"], &json!(4409)));
    events.expect("session.opened.alice").await;
    newer.messages_until_pong().await;
    newer.close().await;
    let closed = events.expect("session.closed.alice").await;
    assert!(closed["durationMs"].is_u64());
    let health = gateway.api().get("/health").await;
    assert_eq!((&health["bus"]["state"], &health["bus"]["kind"]), (&json!("connected"), &json!("rabbitmq")));
}

#[tokio::test]
async fn counts_and_drops_events_without_bound_queue() {
    let (_backend, gateway) = gateway().await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    for n in 0..10 {
        alice.chat("c", &n.to_string()).await;
    }
    let api = gateway.api();
    eventually("unroutable events are counted", || async {
        metric(&api, "gateway_bus_unroutable_total").await >= 11.0
    })
    .await;
    let is_empty = || async { api.get("/health").await["bus"]["outbox"]["entries"] == json!(0) };
    eventually("the outbox is empty", is_empty).await;
}

#[tokio::test]
async fn reports_sessions_of_killed_gateway_as_closed_after_restart() {
    let backend = Backend::connect(&shared()).await;
    let mut gateway = Gateway::with(backend.settings()).await;
    let mut events = backend.listen("session.#").await;
    let mut sockets = Vec::new();
    for n in 0..5 {
        sockets.push(Socket::connect(&gateway, &format!("user{n}")).await);
        events.expect(&format!("session.opened.user{n}")).await;
    }
    gateway.kill().await;
    gateway.restart().await;
    let mut closed: Vec<(String, Value)> = Vec::new();
    while closed.len() < 5 {
        let event = events.next().await;
        // The killed process may not have removed published events from the outbox; those are published again.
        if !event.key.starts_with("session.opened.") {
            closed.push((event.key, event.body["code"].clone()));
        }
    }
    closed.sort_by(|one, other| one.0.cmp(&other.0));
    let wanted: Vec<_> = (0..5).map(|n| (format!("session.closed.user{n}"), json!(1006))).collect();
    assert_eq!(closed, wanted);
}

#[tokio::test]
async fn publishes_last_session_events_before_shutdown_completes() {
    let backend = Backend::connect(&shared()).await;
    let settings = backend.settings().set("drain.delay", "\"0s\"").set("drain.spread", "\"100ms\"");
    let mut gateway = Gateway::with(settings).await;
    let mut events = backend.listen("session.closed.#").await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    gateway.signal("TERM").await;
    assert_eq!(alice.close_code().await, 1012);
    assert_eq!(gateway.exit_code().await, Some(0));
    assert_eq!(events.expect("session.closed.alice").await["code"], 1012);
}
