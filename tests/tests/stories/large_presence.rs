//! Presence in a large clan or topic: the changes of a second are one message for each watcher.

use std::collections::HashSet;

use futures_util::future::join_all;
use realtime_gateway_brokers::redis;
use realtime_gateway_tests::{Gateway, Settings, Socket, Token, eventually};
use serde_json::{Value, json};

fn watch() -> Value {
    json!({ "type": "subscribe_clan_chat", "clanId": "c", "presence": true })
}

/// Returns settings in which more than two users are a large clan.
fn large_clans() -> Settings {
    let settings = Settings::default().set("listen", "\"127.0.0.1:0\"").set("presence.grace", "\"0s\"");
    settings.set("presence.max_announced", "2")
}

/// Receives messages about presence until all these users are known to be present, and returns the types of the messages and
/// the last count.
async fn until_present(socket: &mut Socket, users: &[&str]) -> (Vec<String>, u64) {
    let mut missing: HashSet<String> = users.iter().map(ToString::to_string).collect();
    let (mut types, mut count) = (Vec::new(), 0);
    while !missing.is_empty() {
        let message = socket.next().await.expect("the subscriber stays connected");
        types.push(message["type"].as_str().unwrap().to_owned());
        let changes = match message["type"].as_str().unwrap() {
            "presence" => message["users"].as_array().unwrap().clone(),
            "presence_changes" => message["changes"].as_array().unwrap().clone(),
            "presence_changed" => vec![message.clone()],
            other => panic!("{other}"),
        };
        for change in changes {
            missing.remove(change["userId"].as_str().unwrap());
        }
        count = message["count"].as_u64().unwrap_or(count);
    }
    (types, count)
}

#[tokio::test]
async fn announces_changes_of_large_clan_in_one_message() {
    let gateway = Gateway::with(large_clans()).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.send(watch()).await;
    alice.wait_for("presence").await;
    let mut bob = Socket::connect(&gateway, "bob").await;
    bob.join("c").await;
    assert_eq!(until_present(&mut alice, &["bob"]).await.0, ["presence_changed"], "two users are no large clan");

    let mut others = Vec::new();
    for user in ["cid", "dot", "eve", "fay"] {
        others.push(Socket::connect(&gateway, user).await);
    }
    for socket in &mut others {
        socket.join("c").await;
    }
    let (types, count) = until_present(&mut alice, &["cid", "dot", "eve", "fay"]).await;
    assert!(types.iter().all(|name| name == "presence_changes"), "{types:?}");
    assert!(types.len() < 4, "a message for each change: {types:?}");
    assert_eq!(count, 6);

    let mut dot = others.remove(1);
    dot.request(json!({ "type": "unsubscribe_clan_chat", "clanId": "c" })).await;
    dot.join("c").await;
    dot.close().await;
    bob.close().await;
    let mut left = HashSet::new();
    while left.len() < 2 {
        let message = alice.expect("presence_changes").await;
        for change in message["changes"].as_array().unwrap() {
            if change["status"] == "offline" {
                left.insert(change["userId"].as_str().unwrap().to_owned());
            }
        }
    }
    assert_eq!(left, HashSet::from(["bob".to_owned(), "dot".to_owned()]));
}

#[tokio::test]
async fn sends_snapshot_when_more_users_changed_than_a_message_names() {
    let gateway = Gateway::with(large_clans()).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.send(watch()).await;
    alice.wait_for("presence").await;
    let users: Vec<_> = (0..450).map(|number| format!("user{number}")).collect();
    let joining = users.iter().map(|user| async {
        let mut socket = Socket::connect(&gateway, user).await;
        socket.send(json!({ "type": "subscribe_clan_chat", "clanId": "c" })).await;
        socket.wait_for("subscription_confirmed").await;
        socket
    });
    let sockets = join_all(joining).await;
    let (mut messages, mut count) = (0, 0);
    while count < 451 {
        let message = alice.next().await.expect("the subscriber stays connected");
        let listed = message.get("users").or(message.get("changes")).and_then(|list| list.as_array());
        assert!(listed.is_none_or(|listed| listed.len() <= 200), "{message}");
        // A change in a clan that is still small has no count.
        count = message["count"].as_u64().unwrap_or(count);
        messages += 1;
    }
    assert!(messages < 100, "{messages} messages for 450 changes");
    drop(sockets);
}

#[tokio::test]
async fn follows_change_of_maximum_on_reload() {
    let mut gateway = Gateway::with(large_clans()).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.send(watch()).await;
    alice.wait_for("presence").await;
    let mut sockets = Vec::new();
    for user in ["bob", "cid", "dot"] {
        let mut socket = Socket::connect(&gateway, user).await;
        socket.join("c").await;
        sockets.push(socket);
    }
    until_present(&mut alice, &["bob", "cid", "dot"]).await;
    gateway.rewrite_config(large_clans().set("presence.max_announced", "5"));
    gateway.signal("HUP").await;
    eventually("the gateway has reloaded", || async {
        gateway.log().iter().any(|line| line.contains("the configuration was reloaded"))
    })
    .await;
    let mut eve = Socket::connect(&gateway, "eve").await;
    eve.join("c").await;
    assert_eq!(until_present(&mut alice, &["eve"]).await.0, ["presence_changed"]);
}

#[tokio::test]
async fn announces_data_of_users_on_another_node() {
    let store = tokio::task::spawn_blocking(|| redis::shared().url()).await.unwrap();
    let settings = large_clans()
        .set("presence.max_announced", "1")
        .set("store.url", &format!("\"{store}\""))
        .set("store.prefix", &format!("\"{}\"", uuid::Uuid::now_v7().simple()));
    let near = Gateway::custom_service_with(settings.clone().set("node_id", "\"near\"")).await;
    let far = Gateway::custom_service_with(settings.set("node_id", "\"far\"")).await;
    for node in [&near, &far] {
        eventually("the node is connected to the other nodes", || async {
            node.api().health().await["cluster"]["state"] == "connected"
        })
        .await;
    }
    let token = |user| Token::for_user(user).claim("topics", json!({ "dice": ["table-1"] }));
    let topic = |fields: Value| {
        let mut command = json!({ "type": "subscribe", "service": "dice", "topic": "table-1" });
        command.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        command
    };
    let mut alice = Socket::connect_with(&near, &token("alice")).await;
    alice.send(topic(json!({ "presence": true }))).await;
    alice.wait_for("topic_presence").await;
    let mut bob = Socket::connect_with(&far, &token("bob")).await;
    bob.request(topic(json!({ "presenceData": "red" }))).await;
    bob.request(topic(json!({ "presenceData": "blue" }))).await;
    let mut shown = Value::Null;
    while shown != "blue" {
        let message = alice.expect("topic_presence_changes").await;
        assert_eq!(
            (&message["service"], &message["topic"], &message["count"]),
            (&json!("dice"), &json!("table-1"), &json!(2))
        );
        let [change] = message["changes"].as_array().unwrap().as_slice() else { panic!("{message}") };
        assert_eq!(change["userId"], "bob");
        shown = change["data"].clone();
    }
    // One user is no large topic.
    bob.close().await;
    let change = alice.expect("topic_presence_changed").await;
    assert_eq!((&change["userId"], &change["status"]), (&json!("bob"), &json!("offline")));
}
