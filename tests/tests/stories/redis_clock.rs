//! Nodes that share a Redis use its clock: a node with a wrong clock deletes nothing, and jumps of the clock of Redis
//! are detected.

use std::time::Duration;

use realtime_gateway_brokers::{
    FakeClock,
    redis::{self, RedisServer},
};
use realtime_gateway_tests::{Gateway, Settings, Socket, Token, eventually, must};
use serde_json::{Value, json};

fn long_lived(user: &str) -> Token {
    Token::for_user(user).valid_for(Duration::from_secs(365 * 86_400))
}

fn settings(url: &str, node: &str, prefix: &str) -> Settings {
    Settings::default()
        .set("store.url", &format!("\"{url}\""))
        .set("store.prefix", &format!("\"{prefix}\""))
        .set("node_id", &format!("\"{node}\""))
}

async fn history(gateway: &Gateway) -> Vec<String> {
    let mut reader = Socket::connect_with(gateway, &long_lived("reader")).await;
    let page = reader.request(json!({ "type": "chat_history", "clanId": "c" })).await;
    let content = |chat: &Value| chat["content"].as_str().unwrap().to_owned();
    page["messages"].as_array().unwrap().iter().map(content).collect()
}

async fn send_chat(gateway: &Gateway, content: &str) -> Value {
    let mut alice = Socket::connect_with(gateway, &long_lived("alice")).await;
    let command = json!({ "type": "chat", "clanId": "c", "content": content, "clientMessageId": content });
    alice.request(command).await
}

async fn clock_health(gateway: &Gateway) -> Value {
    gateway.api().health().await["clock"].clone()
}

#[tokio::test]
async fn node_with_wrong_clock_deletes_nothing() {
    let url = tokio::task::spawn_blocking(|| redis::shared().url()).await.unwrap();
    let (prefix, clock) = (uuid::Uuid::now_v7().simple().to_string(), FakeClock::right());
    let right = Gateway::with(settings(&url, "right", &prefix)).await;
    assert_eq!(send_chat(&right, "one").await["offset"], 1);
    let notification = right.api().notify("bob", "waits").await;
    clock.set("+8d");
    let wrong = Gateway::with_clock(settings(&url, "wrong", &prefix), &clock).await;
    eventually("health reports the difference", || async { clock_health(&wrong).await["status"] == "degraded" }).await;
    let health = wrong.api().health().await;
    assert_eq!((&health["status"], &health["clock"]["deletion"]), (&json!("degraded"), &json!("running")), "{health}");
    assert!(health["clock"]["storeDifferenceMs"].as_i64().unwrap() > 7 * 86_400_000, "{health}");
    assert!(wrong.log().iter().any(|line| line.contains("differs from that of the store")));
    assert_eq!(clock_health(&right).await["status"], "ok");
    // The node still works, recognises repeated messages, and uses the same time as the other node.
    assert_eq!(send_chat(&wrong, "one").await["duplicate"], true);
    assert_eq!(send_chat(&wrong, "two").await["offset"], 2);
    assert_eq!(send_chat(&right, "two").await["duplicate"], true);
    let since = wrong.api().health().await["uptimeSeconds"].as_u64().unwrap();
    eventually("the node has run its cleanup", || async {
        wrong.api().health().await["uptimeSeconds"].as_u64().unwrap() >= since + 3
    })
    .await;
    for node in [&right, &wrong] {
        assert_eq!(history(node).await, ["one", "two"]);
    }
    let mut bob = Socket::connect_with(&right, &long_lived("bob")).await;
    bob.send(json!({ "type": "subscribe_notifications" })).await;
    assert_eq!(bob.wait_for("notification").await["id"], notification);
}

#[tokio::test]
async fn redis_clock_jump_deletes_nothing_until_confirmed() {
    let clock = FakeClock::right();
    let (redis, clock) = tokio::task::spawn_blocking(move || (RedisServer::with_clock(&clock), clock)).await.unwrap();
    let url = redis.url();
    let node = Gateway::with(settings(&url, "one", "gw")).await;
    assert_eq!(send_chat(&node, "one").await["offset"], 1);
    let is_swept = || async { !redis.cli(&["hget", "{gw}:store", "seen"]).is_empty() };
    eventually("the node has run its cleanup", is_swept).await;
    clock.set("+8d");
    eventually("the jump is detected", || async { clock_health(&node).await["deletion"] == "paused" }).await;
    // A node that starts now has no other time to compare with, and pauses deletion too.
    let late = Gateway::with(settings(&url, "two", "gw")).await;
    eventually("the new node pauses deletion", || async { clock_health(&late).await["deletion"] == "paused" }).await;
    assert_eq!(redis.cli(&["xlen", "{gw}:entries:clan:c"]), "1", "the entry was deleted");
    // Meanwhile the node that detected the jump uses its own time.
    assert_eq!(history(&node).await, ["one"]);
    assert_eq!(send_chat(&node, "two").await["offset"], 2);
    clock.set("+0");
    assert_eq!(history(&node).await, ["one", "two"]);
    clock.set("+8d");
    let output = node.command(&["store", "accept-clock", "--config", "gateway.toml"]).await;
    assert!(output.status.success(), "{output:?}");
    for node in [&node, &late] {
        eventually("deletion is running", || async { clock_health(node).await["deletion"] == "running" }).await;
    }
    let gone = || async { redis.cli(&["exists", "{gw}:entries:clan:c"]) == "0" };
    must("the expired entry is deleted", async { eventually("the entry is deleted", gone).await }).await;
}
