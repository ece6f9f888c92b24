//! Nodes that share a Redis go by its clock: a node whose clock is wrong deletes nothing, and Redis' own clock is watched.

use std::time::Duration;

use realtime_gateway_brokers::{
    FakeClock,
    redis::{self, RedisServer},
};
use realtime_gateway_tests::{Gateway, Settings, Socket, Token, eventually, must};
use serde_json::{Value, json};

fn long_lived(user: &str) -> Token {
    Token::of(user).lasting(Duration::from_secs(365 * 86_400))
}

fn settings(url: &str, node: &str, prefix: &str) -> Settings {
    Settings::default()
        .set("store.url", &format!("\"{url}\""))
        .set("store.prefix", &format!("\"{prefix}\""))
        .set("node_id", &format!("\"{node}\""))
}

async fn history(gateway: &Gateway) -> Vec<String> {
    let mut reader = Socket::with(gateway, &long_lived("reader")).await;
    let page = reader.ask(json!({ "type": "chat_history", "clanId": "c" })).await;
    let content = |chat: &Value| chat["content"].as_str().unwrap().to_owned();
    page["messages"].as_array().unwrap().iter().map(content).collect()
}

async fn say(gateway: &Gateway, content: &str) -> Value {
    let mut alice = Socket::with(gateway, &long_lived("alice")).await;
    let command = json!({ "type": "chat", "clanId": "c", "content": content, "clientMessageId": content });
    alice.ask(command).await
}

async fn clock_health(gateway: &Gateway) -> Value {
    gateway.api().health().await["clock"].clone()
}

#[tokio::test]
async fn node_with_wrong_clock_deletes_nothing() {
    let url = tokio::task::spawn_blocking(|| redis::shared().url()).await.unwrap();
    let (prefix, clock) = (uuid::Uuid::now_v7().simple().to_string(), FakeClock::right());
    let right = Gateway::with(settings(&url, "right", &prefix)).await;
    assert_eq!(say(&right, "one").await["offset"], 1);
    let notification = right.api().notify("bob", "waits").await;
    clock.set("+8d");
    let wrong = Gateway::with_clock(settings(&url, "wrong", &prefix), &clock).await;
    eventually("the difference shows", || async { clock_health(&wrong).await["status"] == "degraded" }).await;
    let health = wrong.api().health().await;
    assert_eq!((&health["status"], &health["clock"]["deletion"]), (&json!("degraded"), &json!("running")), "{health}");
    assert!(health["clock"]["storeDifferenceMs"].as_i64().unwrap() > 7 * 86_400_000, "{health}");
    assert!(wrong.log().iter().any(|line| line.contains("differs from that of the store")));
    assert_eq!(clock_health(&right).await["status"], "ok");
    // It keeps working, recognises repeats, and stamps as the other does.
    assert_eq!(say(&wrong, "one").await["duplicate"], true);
    assert_eq!(say(&wrong, "two").await["offset"], 2);
    assert_eq!(say(&right, "two").await["duplicate"], true);
    let since = wrong.api().health().await["uptimeSeconds"].as_u64().unwrap();
    eventually("it has swept", || async { wrong.api().health().await["uptimeSeconds"].as_u64().unwrap() >= since + 3 })
        .await;
    for node in [&right, &wrong] {
        assert_eq!(history(node).await, ["one", "two"]);
    }
    let mut bob = Socket::with(&right, &long_lived("bob")).await;
    bob.send(json!({ "type": "subscribe_notifications" })).await;
    assert_eq!(bob.until("notification").await["id"], notification);
}

#[tokio::test]
async fn clock_of_redis_that_jumps_deletes_nothing_until_it_is_confirmed() {
    let clock = FakeClock::right();
    let (redis, clock) = tokio::task::spawn_blocking(move || (RedisServer::with_clock(&clock), clock)).await.unwrap();
    let url = redis.url();
    let node = Gateway::with(settings(&url, "one", "gw")).await;
    assert_eq!(say(&node, "one").await["offset"], 1);
    let is_swept = || async { !redis.cli(&["hget", "{gw}:store", "seen"]).is_empty() };
    eventually("it has swept", is_swept).await;
    clock.set("+8d");
    eventually("the jump is noticed", || async { clock_health(&node).await["deletion"] == "paused" }).await;
    // A node that begins now knows no other time, and is refused.
    let late = Gateway::with(settings(&url, "two", "gw")).await;
    eventually("the new node is refused", || async { clock_health(&late).await["deletion"] == "paused" }).await;
    assert_eq!(redis.cli(&["xlen", "{gw}:entries:clan:c"]), "1", "it is still there");
    // The node that knows better goes by its own time meanwhile.
    assert_eq!(history(&node).await, ["one"]);
    assert_eq!(say(&node, "two").await["offset"], 2);
    clock.set("+0");
    assert_eq!(history(&node).await, ["one", "two"]);
    clock.set("+8d");
    let told = node.command(&["store", "accept-clock", "--config", "gateway.toml"]).await;
    assert!(told.status.success(), "{told:?}");
    for node in [&node, &late] {
        eventually("deletion goes on", || async { clock_health(node).await["deletion"] == "running" }).await;
    }
    let gone = || async { redis.cli(&["exists", "{gw}:entries:clan:c"]) == "0" };
    must("what is eight days old goes", async { eventually("it is gone", gone).await }).await;
}
