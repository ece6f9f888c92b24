//! What changes while a session lives: its token, the subscriptions of the client itself, and the services.

use realtime_gateway_tests::{Settings, Socket};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{add, add_topic, claiming, comment, confirmed_by_server, end, post, stored};
use crate::declared_services::{Contracts, RELOADED, reload, subscribe};

fn unsubscribe(topic: &str) -> Value {
    json!({ "type": "unsubscribe", "service": "orders", "topic": topic })
}

fn authenticate(token: &realtime_gateway_tests::Token) -> Value {
    json!({ "type": "authenticate", "token": token.text() })
}

#[tokio::test]
async fn renewed_token_replaces_claim() {
    let gateway = Contracts::new().gateway().await;
    let mut alice = Socket::connect_with(&gateway, &claiming("alice", &["order-1", "order-2"])).await;
    for _ in 0..2 {
        confirmed_by_server(&mut alice).await;
    }
    alice.send(authenticate(&claiming("alice", &["order-2", "order-3"]))).await;
    alice.expect("authenticated").await;
    let ended = alice.expect("subscription_ended").await;
    assert_eq!((&ended["topic"], &ended["code"]), (&json!("order-1"), &json!("forbidden")));
    assert_eq!(confirmed_by_server(&mut alice).await["topic"], "order-3");
    for topic in ["order-1", "order-2", "order-3"] {
        post(&gateway, topic, topic).await;
    }
    for topic in ["order-2", "order-3"] {
        assert_eq!(alice.expect("event").await["data"], comment(topic));
    }
}

#[tokio::test]
async fn topic_of_claim_and_store_ends_with_the_last_of_both() {
    let gateway = Contracts::new().gateway().await;
    add_topic(&gateway, "alice", "order-1").await;
    let mut alice = Socket::connect_with(&gateway, &claiming("alice", &["order-1"])).await;
    confirmed_by_server(&mut alice).await;
    alice.send(authenticate(&claiming("alice", &[]))).await;
    alice.expect("authenticated").await;
    post(&gateway, "order-1", "stored").await;
    assert_eq!(alice.expect("event").await["data"], comment("stored"), "the store still has it, once");
    alice.send(authenticate(&claiming("alice", &["order-1"]))).await;
    alice.expect("authenticated").await;
    // An operator ends the subscription of the claim too, until there is a new token.
    assert_eq!(end(&gateway, "alice", "service=orders&topic=order-1").await.1, json!({ "subscriptions": 1 }));
    assert_eq!(alice.expect("subscription_ended").await["code"], "forbidden");
    post(&gateway, "order-1", "missed").await;
    assert_eq!(alice.messages_until_pong().await, [json!(null); 0]);
    alice.send(authenticate(&claiming("alice", &["order-1"]))).await;
    alice.expect("authenticated").await;
    assert_eq!(confirmed_by_server(&mut alice).await["offset"], 2);
}

#[tokio::test]
async fn client_and_server_hold_one_subscription_together() {
    let gateway = Contracts::new().gateway().await;
    let granted = |topics: &[&str]| claiming("alice", topics).claim("topics", json!({ "orders": ["order-1"] }));
    let mut alice = Socket::connect_with(&gateway, &granted(&[])).await;
    assert_eq!(alice.request(subscribe("order-1")).await["origin"], Value::Null);
    add_topic(&gateway, "alice", "order-1").await;
    confirmed_by_server(&mut alice).await;
    post(&gateway, "order-1", "once").await;
    assert_eq!(alice.expect("event").await["offset"], 1);
    // The client cannot end what the server has made, and gets an error.
    assert_eq!(alice.request(unsubscribe("order-1")).await["code"], "forbidden");
    post(&gateway, "order-1", "still").await;
    assert_eq!(alice.expect("event").await["offset"], 2);
    // A subscription of its own outlives that of the server.
    assert_eq!(alice.request(subscribe("order-1")).await["status"], "subscribed");
    let expiring = json!({ "service": "orders", "topic": "order-1", "ttlSeconds": 1 });
    assert_eq!(add(&gateway, "alice", expiring).await.0, StatusCode::NO_CONTENT);
    realtime_gateway_tests::eventually("the subscription has ended", || async {
        stored(&gateway, "alice").await.is_empty()
    })
    .await;
    loop {
        let reply = alice
            .request(json!({ "type": "subscribe", "service": "orders", "topic": "order-1", "serverSide": true }))
            .await;
        if reply["code"] == "forbidden" {
            break;
        }
    }
    post(&gateway, "order-1", "own").await;
    assert_eq!(alice.expect("event").await["offset"], 3);
    assert_eq!(alice.request(unsubscribe("order-1")).await["status"], "unsubscribed");

    // Without the grant the client's own subscription ends quietly, and that of the server continues.
    add_topic(&gateway, "alice", "order-1").await;
    confirmed_by_server(&mut alice).await;
    assert_eq!(alice.request(subscribe("order-1")).await["status"], "subscribed");
    alice.send(authenticate(&claiming("alice", &[]))).await;
    alice.expect("authenticated").await;
    post(&gateway, "order-1", "server").await;
    assert_eq!(alice.expect("event").await["offset"], 4);
}

#[tokio::test]
async fn reload_ends_and_restores_subscriptions_with_their_service() {
    let contracts = Contracts::new();
    let mut gateway = contracts.gateway().await;
    add_topic(&gateway, "alice", "order-1").await;
    let mut alice = Socket::connect_with(&gateway, &claiming("alice", &["news"])).await;
    for _ in 0..2 {
        confirmed_by_server(&mut alice).await;
    }
    alice.request(authenticate(&claiming("alice", &["news"]))).await;
    gateway.rewrite_config(Settings::default());
    reload(&gateway, RELOADED).await;
    for _ in 0..2 {
        assert_eq!(alice.expect("subscription_ended").await["code"], "unknown_service");
    }
    assert_eq!(stored(&gateway, "alice").await, ["order-1"], "what is stored stays");
    gateway.rewrite_config(contracts.settings(Settings::default()));
    reload(&gateway, RELOADED).await;
    for _ in 0..2 {
        confirmed_by_server(&mut alice).await;
    }
    // A stricter policy concerns grants, which the server does not need.
    contracts.edit("subscribe = \"user\"", "subscribe = \"grants\"");
    reload(&gateway, RELOADED).await;
    post(&gateway, "news", "a").await;
    assert_eq!(alice.expect("event").await["data"], comment("a"));
    // A stored subscription can be removed while its service is gone.
    gateway.rewrite_config(Settings::default());
    reload(&gateway, RELOADED).await;
    assert_eq!(end(&gateway, "alice", "service=orders").await.0, StatusCode::OK);
    assert_eq!(stored(&gateway, "alice").await, [""; 0]);
}

#[tokio::test]
async fn reload_that_adds_first_service_subscribes_sessions() {
    let contracts = Contracts::new();
    let mut gateway = contracts.gateway().await;
    add_topic(&gateway, "alice", "order-1").await;
    gateway.kill().await;
    gateway.rewrite_config(Settings::default());
    gateway.restart().await;
    let mut alice = Socket::connect_with(&gateway, &claiming("alice", &["news"])).await;
    assert_eq!(alice.messages_until_pong().await, [json!(null); 0], "no service has these topics");
    gateway.rewrite_config(contracts.settings(Settings::default()));
    reload(&gateway, RELOADED).await;
    let mut topics = [confirmed_by_server(&mut alice).await, confirmed_by_server(&mut alice).await]
        .map(|confirmed| confirmed["topic"].as_str().unwrap_or_default().to_owned());
    topics.sort();
    assert_eq!(topics, ["news", "order-1"]);
}
