//! Who may use a topic: grants with prefixes, and topics that belong to a user.

use realtime_gateway_tests::{Gateway, Settings, Socket, Token};
use serde_json::json;

use super::{Contracts, comment, publish, publish_and_receive, subscribe, token};

#[tokio::test]
async fn grants_cover_topics_and_prefixes() {
    let contracts = Contracts::new();
    let gateway = contracts.gateway().await;
    let mut alice = Socket::connect_with(&gateway, &token("alice", &["order-eu-*", "order-7", "last-*x"])).await;
    for (topic, allowed) in [
        ("order-eu-", true),
        ("order-eu-1", true),
        ("order-7", true),
        ("order-77", false),
        ("order-eu", false),
        ("order-us-1", false),
        ("last-1", false),
        // Only a final `*` is a prefix.
        ("last-1x", false),
        ("last-*x", true),
    ] {
        let reply = alice.request(subscribe(topic)).await;
        let published = alice.request(publish(topic, comment("a"))).await;
        if allowed {
            assert_eq!(
                (&reply["status"], &published["type"]),
                (&json!("subscribed"), &json!("message_sent")),
                "{topic}"
            );
        } else {
            assert_eq!((&reply["code"], &published["code"]), (&json!("forbidden"), &json!("forbidden")), "{topic}");
        }
    }
    // A grant for another service covers nothing here.
    let other = Token::for_user("bob").claim("topics", json!({ "order": ["*"], "*": ["*"] }));
    let mut bob = Socket::connect_with(&gateway, &other).await;
    assert_eq!(bob.request(subscribe("order-7")).await["code"], "forbidden");
}

#[tokio::test]
async fn topic_of_user_belongs_to_that_user_even_with_dev() {
    let contracts = Contracts::new();
    let gateway =
        Gateway::dev_with(contracts.settings(Settings::default()).set("permissions.source", "\"allow_all\"")).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    let mut bob = Socket::connect_with(&gateway, &token("bob", &["*"])).await;
    assert_eq!(bob.request(subscribe("order-1")).await["status"], "subscribed", "everything else is open");
    for topic in ["user-alice", "user-Bob", "user-bob2", "user-*"] {
        for command in [subscribe(topic), publish(topic, comment("a"))] {
            assert_eq!(bob.request(command).await["code"], "forbidden", "{topic}");
        }
    }
    // Needs no grant.
    assert_eq!(alice.request(subscribe("user-alice")).await["status"], "subscribed");
    assert_eq!(publish_and_receive(&mut alice, "user-alice", comment("a")).await["data"], comment("a"));
    gateway.api().post("/api/v1/services/orders/topics/user-alice/events", json!({ "data": comment("b") })).await;
    assert_eq!(alice.expect("event").await["data"], comment("b"));
}

#[tokio::test]
async fn topic_of_user_with_grants_needs_both() {
    let contracts = Contracts::new();
    contracts.edit("publish = \"OrderEvent\"\n\n[topics.news]", "subscribe = \"grants\"\n\n[topics.news]");
    let gateway = contracts.gateway().await;
    let mut with_grant = Socket::connect_with(&gateway, &token("alice", &["user-*"])).await;
    let mut without = Socket::connect_with(&gateway, &token("bob", &["order-1"])).await;
    assert_eq!(with_grant.request(subscribe("user-alice")).await["status"], "subscribed");
    assert_eq!(with_grant.request(subscribe("user-bob")).await["code"], "forbidden");
    assert_eq!(without.request(subscribe("user-bob")).await["code"], "forbidden");
}
