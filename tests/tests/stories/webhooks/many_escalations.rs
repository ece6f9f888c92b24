//! Many notifications that are due at the same time: all of them are reported once, while the receiver is away and the node
//! restarts in the middle, and clients do not wait for them.

use std::collections::{BTreeMap, BTreeSet};

use realtime_gateway_tests::within;
use reqwest::StatusCode;

use super::{escalations::LEASE_ENDS, nodes::shared, *};

/// How many users have a notification that is due, and to how many one request sends it.
const USERS: usize = 10_000;
const RECIPIENTS: usize = 200;

/// Sends a notification to all users, which is due after a time in seconds.
async fn notify_all(gateway: &Gateway, escalate_after: u64) {
    let users: Vec<String> = (0..USERS).map(|n| format!("u{n}")).collect();
    for users in users.chunks(RECIPIENTS) {
        let body = json!({ "userIds": users, "id": "war", "title": "t", "message": "m",
                           "escalateAfterSeconds": escalate_after });
        // A store on a busy machine may not confirm a request in time. A repeat stores nothing twice.
        eventually("the notifications are stored", async || {
            let (status, _) = gateway.api().json(Method::POST, "/api/v1/notifications", Some(body.clone())).await;
            status == StatusCode::ACCEPTED
        })
        .await;
    }
}

/// The ids of the events that were taken, by user.
#[derive(Default)]
struct Taken(BTreeMap<String, BTreeSet<String>>);

impl Taken {
    fn add(&mut self, request: &BackendRequest) {
        for event in events(request) {
            let [user, id] = ["userId", "id"].map(|name| event[name].as_str().unwrap().to_owned());
            self.0.entry(user).or_default().insert(id);
        }
    }
}

/// Escalates all notifications while the receiver takes some requests, is away, and comes back after a restart of the node.
async fn escalates_all_once(settings: Settings, mut shop: Receiver) {
    let mut gateway = Gateway::with(settings).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    notify_all(&gateway, 5).await;
    let mut taken = Taken::default();
    for _ in 0..5 {
        let request = shop.receiver.next().await;
        taken.add(&request);
        request.answer(200, &json!({})).await;
    }
    // Clients are answered, and the rest is escalated while the receiver is away.
    assert_eq!(alice.chat("c", "meanwhile").await["type"], "message_sent");
    shop.receiver.next().await.answer(503, &json!({})).await;
    gateway.kill().await;
    gateway.restart().await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    assert_eq!(alice.chat("c", "again").await["type"], "message_sent");
    while taken.0.len() < USERS {
        // In a shared store, the lease of the killed process has to end first.
        within(LEASE_ENDS, "a request", || async { shop.receiver.has_request() }).await;
        let request = shop.receiver.next().await;
        taken.add(&request);
        request.answer(200, &json!({})).await;
    }
    assert!(taken.0.values().all(|ids| ids.len() == 1), "copies of an event have the same id");
    wait_for_counts(&gateway, 0, 0).await;
    assert!(!shop.receiver.has_request());
}

#[tokio::test]
async fn embedded_store_escalates_all_once() {
    let shop = Receiver::start().await;
    escalates_all_once(shop.unacked(Settings::default()), shop).await;
}

#[tokio::test]
async fn redis_escalates_all_once() {
    let shop = Receiver::start().await;
    escalates_all_once(shared(shop.unacked(Settings::default())).await, shop).await;
}
