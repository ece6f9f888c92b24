//! Notifications that are not acknowledged in time: each is reported to backends once, and never after its end.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use realtime_gateway_brokers::rabbitmq;
use realtime_gateway_tests::{Backend, within};

use super::{nodes::shared, *};

/// How long a test waits for what takes a second or two.
const SOON: Duration = Duration::from_secs(30);
/// How long a test waits for a node that takes over from a killed one.
pub(super) const LEASE_ENDS: Duration = Duration::from_secs(60);

impl Receiver {
    pub(super) fn unacked(&self, settings: Settings) -> Settings {
        self.named(settings, NAME, "[\"notification.unacked\"]")
    }

    /// Takes events until each of these notifications of users was reported. Returns the ids of the events of each.
    pub(super) async fn take_unacked(&mut self, expected: &BTreeSet<String>) -> BTreeMap<String, Vec<String>> {
        let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
        while seen.len() < expected.len() {
            // After a kill, the other node sends when the lease of the killed one has ended.
            within(LEASE_ENDS, "a request", || async { self.receiver.has_request() }).await;
            let request = self.receiver.next().await;
            for event in events(&request) {
                let name =
                    format!("{} {}", event["userId"].as_str().unwrap(), event["notificationId"].as_str().unwrap());
                assert!(expected.contains(&name), "{name}");
                seen.entry(name).or_default().push(event["id"].as_str().unwrap().to_owned());
            }
            request.answer(200, &json!({})).await;
        }
        seen
    }
}

pub(super) fn notification(user: &str, id: &str, escalate_after: u64) -> Value {
    json!({ "userId": user, "id": id, "title": "t", "message": "m", "escalateAfterSeconds": escalate_after })
}

pub(super) async fn notify(gateway: &Gateway, body: Value) {
    gateway.api().post("/api/v1/notifications", body).await;
}

async fn metric(gateway: &Gateway) -> f64 {
    crate::rabbitmq::metric(&gateway.api(), "gateway_notifications_escalated_total").await
}

#[tokio::test]
async fn reports_unacknowledged_notification_once() {
    let mut shop = Receiver::start().await;
    let gateway = Gateway::with(shop.named(Settings::default(), NAME, "[\"notification.*\"]")).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.request(json!({ "type": "subscribe_notifications" })).await;
    let data = r#"{"b": 1.50,"a":[1]}"#;
    let text = format!(
        r#"{{"userId":"alice","id":"n1","title":"War","message":"At noon","data":{data},"escalateAfterSeconds":1}}"#
    );
    let body = serde_json::from_str(&text).unwrap();
    notify(&gateway, body).await;
    let received = alice.expect("notification").await;
    let request = shop.receiver.next().await;
    let [unacked] = &events(&request)[..] else { panic!("{}", request.text) };
    assert_eq!((&unacked["type"], &unacked["userId"]), (&json!("notification.unacked"), &json!("alice")));
    assert_eq!(
        (&unacked["notificationId"], &unacked["title"], &unacked["message"], &unacked["data"]),
        (&json!("n1"), &json!("War"), &json!("At noon"), &json!({ "b": 1.5, "a": [1] }))
    );
    assert_eq!(unacked["createdAt"], received["createdAt"]);
    assert!(unacked["id"].is_string() && unacked["at"].as_str() > unacked["createdAt"].as_str());
    request.answer(200, &json!({})).await;

    // One that is acknowledged in time, and a repeat of the first, are not reported: the next event is the last one.
    notify(&gateway, notification("alice", "acked", 2)).await;
    alice.expect("notification").await;
    alice.request(json!({ "type": "notification_ack", "notificationId": "acked" })).await;
    assert_eq!(shop.take_event("notification.acked").await["notificationIds"], json!(["acked"]));
    notify(&gateway, serde_json::from_str(&text).unwrap()).await;
    notify(&gateway, notification("alice", "last", 3)).await;
    assert_eq!(shop.take_event("notification.unacked").await["notificationId"], "last");
    assert_eq!(metric(&gateway).await, 2.0);
    // It is pending as before.
    alice.request(json!({ "type": "notification_ack", "notificationIds": ["n1", "last"] })).await;
    assert_eq!(shop.take_event("notification.acked").await["notificationIds"], json!(["n1", "last"]));
}

impl Receiver {
    /// Takes the next request, which has one event of this type.
    pub(super) async fn take_event(&mut self, type_name: &str) -> Value {
        let request = self.receiver.next().await;
        let [event] = &events(&request)[..] else { panic!("{}", request.text) };
        assert_eq!(event["type"], type_name);
        let event = event.clone();
        request.answer(200, &json!({})).await;
        event
    }
}

#[tokio::test]
async fn refuses_escalation_after_end_of_notification() {
    let mut shop = Receiver::start().await;
    let settings = Settings::default().set("notifications.ttl", "\"1h\"").set("notifications.escalate_after", "\"1s\"");
    let gateway = Gateway::with(shop.unacked(settings)).await;
    for (escalate_after, ttl) in [(60, Some(60)), (61, Some(60)), (3600, None)] {
        let mut body = notification("alice", "n", escalate_after);
        if let Some(ttl) = ttl {
            body["ttlSeconds"] = json!(ttl);
        }
        let (status, problem) = gateway.api().json(Method::POST, "/api/v1/notifications", Some(body)).await;
        assert_eq!((status.as_u16(), &problem["code"]), (400, &json!("invalid_message")), "{problem}");
        assert_eq!(problem["details"]["field"], "escalateAfterSeconds", "{problem}");
    }
    // The default applies, but not to a notification that ends earlier, and not to one that is never escalated.
    notify(&gateway, json!({ "userId": "alice", "id": "short", "title": "t", "message": "m", "ttlSeconds": 1 })).await;
    notify(&gateway, notification("alice", "never", 0)).await;
    notify(
        &gateway,
        json!({ "userIds": ["alice", "bob"], "id": "quiet", "title": "t", "message": "m", "escalateAfterSeconds": 0 }),
    )
    .await;
    notify(&gateway, json!({ "userId": "alice", "id": "default", "title": "t", "message": "m" })).await;
    assert_eq!(shop.take_event("notification.unacked").await["notificationId"], "default");
    notify(&gateway, notification("alice", "later", 2)).await;
    assert_eq!(shop.take_event("notification.unacked").await["notificationId"], "later");
    wait_for_counts(&gateway, 0, 0).await;
    assert_eq!(metric(&gateway).await, 2.0);
    let output = Gateway::run_once(Settings::default().set("notifications.escalate_after", "\"31d\""), "check").await;
    let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && text.contains("not below notifications.ttl"), "{text}");
}

#[tokio::test]
async fn killed_gateway_escalates_late_but_not_after_the_end() {
    let mut shop = Receiver::start().await;
    let mut gateway = Gateway::with(shop.unacked(Settings::default())).await;
    let short = json!({ "userId": "alice", "id": "short", "title": "t", "message": "m", "ttlSeconds": 2,
                        "escalateAfterSeconds": 1 });
    notify(&gateway, notification("alice", "late", 1)).await;
    notify(&gateway, short).await;
    gateway.kill().await;
    tokio::time::sleep(Duration::from_secs(3)).await; // The gateway is away for the time of both.
    gateway.restart().await;
    assert_eq!(shop.take_event("notification.unacked").await["notificationId"], "late");
    wait_for_counts(&gateway, 0, 0).await;
    gateway.kill().await;
    gateway.restart().await;
    notify(&gateway, notification("alice", "next", 1)).await;
    assert_eq!(shop.take_event("notification.unacked").await["notificationId"], "next");
    wait_for_counts(&gateway, 0, 0).await;
}

#[tokio::test]
async fn escalates_broadcast_to_many_users() {
    let mut shop = Receiver::start().await;
    let gateway = Gateway::with(shop.unacked(Settings::default())).await;
    let users: Vec<String> = (0..300).map(|n| format!("u{n}")).collect();
    let body =
        json!({ "userIds": users, "id": "b", "title": "t", "message": "x".repeat(4_000), "escalateAfterSeconds": 10 });
    let mut alice = Socket::connect(&gateway, "u7").await;
    alice.request(json!({ "type": "subscribe_notifications" })).await;
    notify(&gateway, body).await;
    alice.expect("notification").await;
    alice.request(json!({ "type": "notification_ack", "notificationId": "b" })).await;
    let expected = users.iter().filter(|user| *user != "u7").map(|user| format!("{user} b")).collect();
    let seen = shop.take_unacked(&expected).await;
    assert!(seen.values().all(|ids| ids.len() == 1), "{seen:?}");
    wait_for_counts(&gateway, 0, 0).await;
    assert_eq!(metric(&gateway).await, 299.0);
}

#[tokio::test]
async fn nodes_that_share_a_store_escalate_once() {
    let mut shop = Receiver::start().await;
    let settings = shared(shop.unacked(Settings::default())).await;
    let mut near = Gateway::with(settings.clone().set("node_id", "\"near\"")).await;
    let far = Gateway::with(settings.set("node_id", "\"far\"")).await;
    let mut expected = BTreeSet::new();
    for batch in 0..3 {
        let users: Vec<String> = (0..400).map(|n| format!("u{batch}-{n}")).collect();
        expected.extend(users.iter().map(|user| format!("{user} b{batch}")));
        let message = "x".repeat(2_000);
        let body = json!({ "userIds": users, "id": format!("b{batch}"), "title": "t", "message": message,
                           "escalateAfterSeconds": 2 });
        notify(if batch == 1 { &far } else { &near }, body).await;
    }
    // One node is killed while both escalate.
    within(SOON, "escalations begin", || async { metric(&near).await + metric(&far).await > 0.0 }).await;
    near.kill().await;
    let seen = shop.take_unacked(&expected).await;
    // What the killed node was sending may come again, with the same id.
    for (name, ids) in &seen {
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 1, "{name}: {ids:?}");
    }
    within(SOON, "nothing waits", || async { counts(&far).await == (0, 0) }).await;
}

#[tokio::test]
async fn reports_over_rabbitmq() {
    let backend = Backend::connect(&rabbitmq::shared()).await;
    let gateway = Gateway::with(backend.settings().set("notifications.escalate_after", "\"1s\"")).await;
    let mut events = backend.listen("notification.unacked.#").await;
    gateway.wait_for_broker().await;
    let mut dead_letters = backend.dead_letters().await;
    let body = json!({ "id": "n1", "title": "t", "message": "m", "ttlSeconds": 60, "escalateAfterSeconds": 60 });
    backend.publish("notification.alice%40home", body).await;
    let refused = dead_letters.next().await;
    assert_eq!(refused.reason.as_deref(), Some("invalid_message"));
    assert!(refused.detail.as_deref().is_some_and(|text| text.starts_with("escalateAfterSeconds: ")), "{refused:?}");
    // The default would escalate the first of these earlier than the second.
    let body = json!({ "id": "n0", "title": "t", "message": "m", "escalateAfterSeconds": 0 });
    backend.publish("notification.alice%40home", body).await;
    let body = json!({ "id": "n1", "title": "t", "message": "m", "ttlSeconds": 60, "escalateAfterSeconds": 2 });
    backend.publish("notification.alice%40home", body).await;
    let event = events.expect("notification.unacked.alice%40home").await;
    assert_eq!(
        (&event["notificationId"], &event["title"], &event["message"]),
        (&json!("n1"), &json!("t"), &json!("m"))
    );
    assert_eq!(event.get("data"), None);
    assert_eq!(metric(&gateway).await, 1.0);
}
