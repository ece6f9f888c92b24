//! Notifications: kept until acknowledged, told apart by id, bounded in time and number.

use realtime_gateway_tests::{Gateway, Settings, Socket};
use serde_json::{Value, json};

async fn subscribe(socket: &mut Socket) -> Value {
    socket.send(json!({ "type": "subscribe_notifications" })).await;
    socket.expect("subscription_confirmed").await
}

#[tokio::test]
async fn one_comes_again_until_it_is_acknowledged() {
    let mut gateway = Gateway::start().await;
    let id = gateway.api().notify("alice", "while away").await;
    for redelivered in [Value::Null, json!(true)] {
        let mut alice = Socket::of(&gateway, "alice").await;
        assert_eq!(subscribe(&mut alice).await["pending"], 1);
        let notification = alice.expect("notification").await;
        assert_eq!((&notification["id"], &notification["redelivered"]), (&json!(id), &redelivered));
        alice.close().await;
    }
    gateway.kill().await;
    gateway.restart().await;
    let mut alice = Socket::of(&gateway, "alice").await;
    subscribe(&mut alice).await;
    assert_eq!(alice.expect("notification").await["id"], *id);
    let acked = alice.ask(json!({ "type": "notification_ack", "notificationId": id })).await;
    assert_eq!(acked["type"], "ack_confirmed");
    // Acknowledging again is confirmed again.
    let again = alice.ask(json!({ "type": "notification_ack", "notificationIds": [id, "never-seen"] })).await;
    assert_eq!(again["notificationIds"], json!([id, "never-seen"]));
    alice.close().await;
    gateway.kill().await;
    gateway.restart().await;
    let mut alice = Socket::of(&gateway, "alice").await;
    assert_eq!(subscribe(&mut alice).await["pending"], 0);
    assert!(alice.drain().await.is_empty());
}

#[tokio::test]
async fn the_same_id_is_not_sent_twice_even_after_it_was_acknowledged() {
    let gateway = Gateway::start().await;
    let mut alice = Socket::of(&gateway, "alice").await;
    subscribe(&mut alice).await;
    let body = json!({ "userId": "alice", "id": "n1", "title": "t", "message": "m", "data": { "level": 3 } });
    for _ in 0..3 {
        assert_eq!(gateway.api().post("/api/v1/notifications", body.clone()).await["ids"], json!(["n1"]));
    }
    let received = alice.drain().await;
    assert_eq!(received.len(), 1);
    assert_eq!(received[0]["data"], json!({ "level": 3 }));
    alice.ask(json!({ "type": "notification_ack", "notificationId": "n1" })).await;
    gateway.api().post("/api/v1/notifications", body).await;
    assert!(alice.drain().await.is_empty());
}

#[tokio::test]
async fn the_oldest_go_when_too_many_are_pending() {
    let gateway = Gateway::with(Settings::default().set("notifications.max_pending", "3")).await;
    for n in 0..5 {
        gateway.api().notify("alice", &n.to_string()).await;
    }
    let mut alice = Socket::of(&gateway, "alice").await;
    assert_eq!(subscribe(&mut alice).await["pending"], 3);
    for title in ["2", "3", "4"] {
        assert_eq!(alice.expect("notification").await["title"], title);
    }
}

#[tokio::test]
async fn one_whose_time_has_ended_does_not_come() {
    let gateway = Gateway::start().await;
    let short = json!({ "userId": "alice", "title": "short", "message": "m", "ttlSeconds": 1 });
    gateway.api().post("/api/v1/notifications", short).await;
    gateway.api().notify("alice", "long").await;
    let mut alice = Socket::of(&gateway, "alice").await;
    realtime_gateway_tests::must("the short one's end", async {
        loop {
            let pending = alice.ask(json!({ "type": "subscribe_notifications" })).await["pending"].clone();
            alice.ask(json!({ "type": "unsubscribe_notifications" })).await;
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
async fn other_sessions_learn_what_was_acknowledged() {
    let gateway = Gateway::with(Settings::default().set("sessions.max_per_user", "2")).await;
    let mut phone = Socket::of(&gateway, "alice").await;
    let mut laptop = Socket::of(&gateway, "alice").await;
    for socket in [&mut phone, &mut laptop] {
        socket.ask(json!({ "type": "subscribe_notifications" })).await;
    }
    let id = gateway.api().notify("alice", "both").await;
    phone.expect("notification").await;
    laptop.expect("notification").await;
    phone.ask(json!({ "type": "notification_ack", "notificationId": id })).await;
    assert_eq!(laptop.expect("notification_acked").await["notificationIds"], json!([id]));
    assert!(phone.drain().await.is_empty());
}

#[tokio::test]
async fn many_users_get_theirs_in_one_call() {
    let gateway = Gateway::start().await;
    let mut alice = Socket::of(&gateway, "alice").await;
    subscribe(&mut alice).await;
    let users: Vec<_> = (0..999).map(|n| format!("user{n}")).chain(["alice".to_owned()]).collect();
    let body = json!({ "userIds": users, "title": "all", "message": "m" });
    let ids = gateway.api().post("/api/v1/notifications", body).await["ids"].clone();
    assert_eq!(ids.as_array().unwrap().len(), 1_000);
    assert_eq!(alice.expect("notification").await["title"], "all");
}
