//! What operators see of escalations: pending notifications show when they are escalated, and a tail shows when it happens.

use realtime_gateway_tests::Api;

use super::{
    escalations::{notification, notify},
    *,
};
use crate::{tail::Tail, two_nodes::Pair};

/// Returns the escalations of the pending notifications of a user, by id.
async fn escalations(gateway: &Gateway, user: &str) -> Value {
    let page = gateway.api().get(&format!("/api/v1/users/{user}/notifications")).await;
    let notifications = page["notifications"].as_array().unwrap().clone();
    let of = |item: &Value| (item["id"].as_str().unwrap().to_owned(), item["escalation"].clone());
    notifications.iter().map(of).collect()
}

#[tokio::test]
async fn pending_notifications_show_when_they_are_escalated() {
    let mut shop = Receiver::start().await;
    let mut gateway =
        Gateway::with(shop.unacked(Settings::default().set("notifications.escalate_after", "\"1h\""))).await;
    notify(&gateway, notification("alice", "never", 0)).await;
    notify(&gateway, notification("alice", "soon", 1)).await;
    notify(&gateway, json!({ "userId": "alice", "id": "later", "title": "t", "message": "m" })).await;
    let unacked = shop.take_event("notification.unacked").await;
    assert_eq!(unacked["notificationId"], "soon");
    for restarted in [false, true] {
        if restarted {
            gateway.kill().await;
            gateway.restart().await;
        }
        let shown = escalations(&gateway, "alice").await;
        assert_eq!((&shown["never"], &shown["soon"]["reported"]), (&Value::Null, &json!(true)), "{shown}");
        assert_eq!(shown["later"]["reported"], false, "{shown}");
        let (soon, later) = (shown["soon"]["dueAt"].as_str().unwrap(), shown["later"]["dueAt"].as_str().unwrap());
        assert!(unacked["createdAt"].as_str().unwrap() < soon && soon < later, "{shown}");
        let url = format!("http://{}", gateway.address());
        let output = gateway.command(&["sessions", "alice", "--gateway", &url, "--api-key", Api::KEY]).await;
        let lines = String::from_utf8(output.stdout).unwrap();
        let line = |id: &str| lines.lines().find(|line| line.contains(&format!("notification {id}\t"))).unwrap();
        assert!(line("never").contains("\tsince ") && !line("never").contains("escalat"), "{lines}");
        assert!(line("soon").ends_with(&format!("\tescalated, due {soon}")), "{lines}");
        assert!(line("later").ends_with(&format!("\tescalates {later}")), "{lines}");
        assert!(lines.ends_with("3 pending notifications\n"), "{lines}");
    }
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.request(json!({ "type": "notification_ack", "notificationId": "soon" })).await;
    assert_eq!(escalations(&gateway, "alice").await.as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn tail_shows_an_escalation_once_from_any_node() {
    let mut shop = Receiver::start().await;
    let pair = Pair::with(shop.unacked(Settings::default())).await;
    let mut alice = Socket::connect(&pair.far, "alice").await;
    let (mut all, mut of_bob) =
        (Tail::start(&pair.near, &[]), Tail::start(&pair.near, &["--service", "notifications", "--topic", "bob"]));
    all.after_opening(&mut alice, "warmup").await;
    // Nodes send activities to each other once the tail has asked for them. Until one is shown, another is escalated.
    let mut first = 0;
    let line = loop {
        notify(&pair.far, notification("bob", &format!("n{first}"), 1)).await;
        first += 1;
        shop.take_event("notification.unacked").await;
        tokio::select! {
            line = of_bob.next() => if line["type"] == "notification_escalated" { break line },
            () = tokio::time::sleep(std::time::Duration::from_millis(100)) => {}
        }
    };
    let id = line["notificationId"].as_str().unwrap().to_owned();
    assert_eq!((&line["userId"], line.get("sessionId")), (&json!("bob"), None), "{line}");
    assert!(line["at"].is_string() && line["node"].is_string() && line["offset"].is_u64(), "{line}");
    assert!(!line.to_string().contains("title"), "{line}");
    notify(&pair.near, notification("carol", "other", 1)).await;
    notify(&pair.near, notification("bob", "last", 2)).await;
    shop.take_unacked(&["carol other".to_owned(), "bob last".to_owned()].into()).await;
    let mut escalated = Vec::new();
    while escalated.last() != Some(&"last".to_owned()) {
        let line = all.next().await;
        if line["type"] == "notification_escalated" {
            escalated.push(line["notificationId"].as_str().unwrap().to_owned());
        }
    }
    let times = |wanted: &str| escalated.iter().filter(|id| *id == wanted).count();
    assert_eq!((times(&id), times("other"), times("last")), (1, 1, 1), "{escalated:?}");
    // A tail of one user shows no others.
    loop {
        let line = of_bob.next().await;
        assert_ne!(line["userId"], "carol", "{line}");
        if line["type"] == "notification_escalated" && line["notificationId"] == "last" {
            break;
        }
    }
}
