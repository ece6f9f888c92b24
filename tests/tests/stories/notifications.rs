//! Notifications: stored until acknowledged, deduplicated by id, limited in lifetime and number.

use realtime_gateway_tests::{Gateway, Settings, Socket};
use serde_json::{Value, json};

async fn subscribe(socket: &mut Socket) -> Value {
    socket.send(json!({ "type": "subscribe_notifications" })).await;
    socket.expect("subscription_confirmed").await
}

#[tokio::test]
async fn redelivers_notification_until_acknowledged() {
    let mut gateway = Gateway::start().await;
    let id = gateway.api().notify("alice", "while away").await;
    for redelivered in [Value::Null, json!(true)] {
        let mut alice = Socket::connect(&gateway, "alice").await;
        assert_eq!(subscribe(&mut alice).await["pending"], 1);
        let notification = alice.expect("notification").await;
        assert_eq!((&notification["id"], &notification["redelivered"]), (&json!(id), &redelivered));
        alice.close().await;
    }
    gateway.kill().await;
    gateway.restart().await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    subscribe(&mut alice).await;
    assert_eq!(alice.expect("notification").await["id"], *id);
    let acked = alice.request(json!({ "type": "notification_ack", "notificationId": id })).await;
    assert_eq!(acked["type"], "ack_confirmed");
    // A repeated acknowledgement is confirmed too.
    let again = alice.request(json!({ "type": "notification_ack", "notificationIds": [id, "never-seen"] })).await;
    assert_eq!(again["notificationIds"], json!([id, "never-seen"]));
    alice.close().await;
    gateway.kill().await;
    gateway.restart().await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    assert_eq!(subscribe(&mut alice).await["pending"], 0);
    assert!(alice.messages_until_pong().await.is_empty());
}

#[tokio::test]
async fn drops_duplicate_notification_id_even_after_acknowledgement() {
    let gateway = Gateway::start().await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    subscribe(&mut alice).await;
    let body = json!({ "userId": "alice", "id": "n1", "title": "t", "message": "m", "data": { "level": 3 } });
    for _ in 0..3 {
        assert_eq!(gateway.api().post("/api/v1/notifications", body.clone()).await["ids"], json!(["n1"]));
    }
    let received = alice.messages_until_pong().await;
    assert_eq!(received.len(), 1);
    assert_eq!(received[0]["data"], json!({ "level": 3 }));
    alice.request(json!({ "type": "notification_ack", "notificationId": "n1" })).await;
    gateway.api().post("/api/v1/notifications", body).await;
    assert!(alice.messages_until_pong().await.is_empty());
}

#[tokio::test]
async fn drops_oldest_notifications_beyond_max_pending() {
    let gateway = Gateway::with(Settings::default().set("notifications.max_pending", "3")).await;
    for n in 0..5 {
        gateway.api().notify("alice", &n.to_string()).await;
    }
    let mut alice = Socket::connect(&gateway, "alice").await;
    assert_eq!(subscribe(&mut alice).await["pending"], 3);
    for title in ["2", "3", "4"] {
        assert_eq!(alice.expect("notification").await["title"], title);
    }
}

#[tokio::test]
async fn does_not_deliver_expired_notification() {
    let gateway = Gateway::start().await;
    let short = json!({ "userId": "alice", "title": "short", "message": "m", "ttlSeconds": 1 });
    gateway.api().post("/api/v1/notifications", short).await;
    gateway.api().notify("alice", "long").await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    realtime_gateway_tests::must("the short notification expires", async {
        loop {
            let pending = alice.request(json!({ "type": "subscribe_notifications" })).await["pending"].clone();
            alice.request(json!({ "type": "unsubscribe_notifications" })).await;
            if pending == 1 {
                break;
            }
        }
    })
    .await;
    subscribe(&mut alice).await;
    assert_eq!(alice.expect("notification").await["title"], "long");
}

#[tokio::test]
async fn reports_acknowledgement_to_other_sessions_of_user() {
    let gateway = Gateway::with(Settings::default().set("sessions.max_per_user", "2")).await;
    let mut phone = Socket::connect(&gateway, "alice").await;
    let mut laptop = Socket::connect(&gateway, "alice").await;
    for socket in [&mut phone, &mut laptop] {
        socket.request(json!({ "type": "subscribe_notifications" })).await;
    }
    let id = gateway.api().notify("alice", "both").await;
    phone.expect("notification").await;
    laptop.expect("notification").await;
    phone.request(json!({ "type": "notification_ack", "notificationId": id })).await;
    assert_eq!(laptop.expect("notification_acked").await["notificationIds"], json!([id]));
    assert!(phone.messages_until_pong().await.is_empty());
}

#[tokio::test]
async fn notifies_a_thousand_users_in_one_request() {
    let gateway = Gateway::start().await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    subscribe(&mut alice).await;
    let users: Vec<_> = (0..999).map(|n| format!("user{n}")).chain(["alice".to_owned()]).collect();
    let body = json!({ "userIds": users, "title": "all", "message": "m" });
    let ids = gateway.api().post("/api/v1/notifications", body).await["ids"].clone();
    assert_eq!(ids.as_array().unwrap().len(), 1_000);
    assert_eq!(alice.expect("notification").await["title"], "all");
}
