//! Inspection: who is connected, what sessions are subscribed to and what waits for users, over all nodes, by HTTP and by
//! the command line.

use realtime_gateway_tests::{Api, Gateway, Settings, Socket};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    declared_services::{Contracts, comment, subscribe},
    two_nodes::Pair,
};

/// Runs a command of the gateway's program against the gateway, and returns what it prints.
async fn run(gateway: &Gateway, arguments: &[&str]) -> String {
    let url = format!("http://{}", gateway.address());
    let arguments = [arguments, &["--gateway", &url, "--api-key", Api::KEY]].concat();
    let output = gateway.command(&arguments).await;
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

async fn pair() -> (Pair, Contracts) {
    let contracts = Contracts::new();
    (Pair::with(contracts.settings(Settings::default())).await, contracts)
}

#[tokio::test]
async fn lists_users_of_all_nodes_page_by_page() {
    let pair = Pair::with(Settings::default().set("sessions.max_per_user", "2")).await;
    let mut sockets = Vec::new();
    for n in 0..6 {
        let node = if n % 2 == 0 { &pair.near } else { &pair.far };
        sockets.push(Socket::connect(node, &format!("user-{}", n / 2)).await);
    }
    let api = pair.near.api();
    let page = api.get("/api/v1/users?limit=2").await;
    let user = |name: &str| json!({ "userId": name, "sessions": 2 });
    assert_eq!(page, json!({ "users": [user("user-0"), user("user-1")], "hasMore": true }));
    let page = api.get("/api/v1/users?limit=2&after=user-1").await;
    assert_eq!(page, json!({ "users": [user("user-2")], "hasMore": false }));
    assert_eq!(run(&pair.far, &["users"]).await, "user-0\t2 sessions\nuser-1\t2 sessions\nuser-2\t2 sessions\n");
    assert_eq!(run(&pair.far, &["kick", "user-1"]).await, "2 sessions ended\n");
    assert_eq!(sockets[2].close_code().await, 4403);
    assert_eq!(sockets[3].close_code().await, 4403);
}

#[tokio::test]
async fn shows_subscriptions_and_subscribers_of_all_nodes() {
    let (pair, _contracts) = pair().await;
    let mut alice = Socket::connect(&pair.near, "alice").await;
    let mut bob = Socket::connect(&pair.far, "bob").await;
    for socket in [&mut alice, &mut bob] {
        assert_eq!(socket.request(subscribe("order-1")).await["status"], "subscribed");
        socket.join("c").await;
    }
    let api = pair.far.api();
    let added = json!({ "service": "orders", "topic": "order-2" });
    let (status, _) = api.json(Method::POST, "/api/v1/users/alice/subscriptions", Some(added)).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    alice.expect("subscription_confirmed").await;
    let sessions = api.get("/api/v1/users/alice/sessions?subscriptions=true").await;
    assert_eq!((sessions["sessions"].as_array().unwrap().len(), &sessions["missing"]), (1, &Value::Null));
    assert_eq!(
        sessions["sessions"][0]["subscriptions"],
        json!([
            { "topic": "clan:c", "by": ["client"] },
            { "topic": "service:orders:order-1", "by": ["client"] },
            { "topic": "service:orders:order-2", "by": ["server"] },
        ])
    );
    let page = api.get("/api/v1/services/orders/topics/order-1/subscribers?limit=1").await;
    assert_eq!(page, json!({ "subscribers": [{ "userId": "alice", "sessions": 1 }], "count": 2, "hasMore": true }));
    let page = api.get("/api/v1/services/orders/topics/order-1/subscribers?after=alice").await;
    assert_eq!(page, json!({ "subscribers": [{ "userId": "bob", "sessions": 1 }], "count": 2, "hasMore": false }));
    assert_eq!(api.get("/api/v1/clans/c/subscribers").await["count"], 2);
    let topics = api.get("/api/v1/topics").await;
    assert_eq!(
        topics,
        json!({ "hasMore": false, "topics": [
            { "topic": "clan:c", "sessions": 2 },
            { "topic": "service:orders:order-1", "sessions": 2 },
            { "topic": "service:orders:order-2", "sessions": 1 },
        ]})
    );
    assert_eq!(api.get("/api/v1/topics?limit=1&after=clan:c").await["topics"][0]["topic"], "service:orders:order-1");
    assert_eq!(run(&pair.near, &["topics", "orders:order-1"]).await, "alice\t1 sessions\nbob\t1 sessions\n");
    let shown = run(&pair.near, &["sessions", "alice"]).await;
    assert!(shown.contains("node near") && shown.contains("  service:orders:order-2\tby server\n"), "{shown}");
    let published = run(&pair.near, &["publish", "orders:order-1", &comment("hello").to_string()]).await;
    assert!(published.ends_with("at offset 1\n"), "{published}");
    assert_eq!(bob.wait_for("event").await["data"], comment("hello"));
    assert!(run(&pair.far, &["publish", "clan_chat:c", "hi"]).await.ends_with("at offset 1\n"));
    assert_eq!(alice.wait_for("chat").await["content"], "hi");
    let (status, problem) = api.json(Method::GET, "/api/v1/services/orders/topics/x/subscribers", None).await;
    assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("unknown_service")));
}

#[tokio::test]
async fn names_nodes_that_do_not_answer() {
    let (mut pair, _contracts) = pair().await;
    let mut alice = Socket::connect(&pair.near, "alice").await;
    alice.join("c").await;
    pair.far.kill().await;
    // Its lease holds for half a minute.
    let page = pair.near.api().get("/api/v1/clans/c/subscribers").await;
    assert_eq!((&page["count"], &page["missing"]), (&json!(1), &json!(["far"])));
}

#[tokio::test]
async fn lists_pending_notifications() {
    let gateway = Gateway::start().await;
    let api = gateway.api();
    for title in ["one", "two", "three"] {
        api.notify("alice", title).await;
    }
    let page = api.get("/api/v1/users/alice/notifications?limit=2").await;
    assert_eq!((&page["count"], &page["hasMore"]), (&json!(3), &json!(true)));
    assert_eq!(
        (&page["notifications"][0]["title"], &page["notifications"][1]["title"]),
        (&json!("one"), &json!("two"))
    );
    let after = page["notifications"][1]["offset"].clone();
    let page = api.get(&format!("/api/v1/users/alice/notifications?limit=2&after={after}")).await;
    assert_eq!((&page["notifications"][0]["title"], &page["hasMore"]), (&json!("three"), &json!(false)));
    assert!(run(&gateway, &["sessions", "alice"]).await.ends_with("3 pending notifications\n"));
    let without_key = gateway.command(&["users", "--gateway", "http://127.0.0.1:1"]).await;
    assert_eq!(without_key.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&without_key.stderr).contains("GATEWAY_API_KEY"));
}
