//! The Rust SDK: an app gets the events of topics that it never named, also across a restart of the gateway.

use realtime_gateway_sdk::{Client, ServerSideEvent, ServerSideStream};
use realtime_gateway_tests::{Gateway, must};
use serde_json::json;

use super::{add_topic, claiming, end, post};
use crate::declared_services::Contracts;

fn client(gateway: &Gateway) -> Client {
    let token = claiming("alice", &["order-2"]).text();
    let provider = move || {
        let token = token.clone();
        async move { Ok::<_, std::io::Error>(token) }
    };
    Client::builder(format!("ws://{}/ws", gateway.address())).token(provider).build().unwrap()
}

async fn next(stream: &mut ServerSideStream) -> ServerSideEvent {
    must("an event", stream.next()).await.expect("the stream is open")
}

async fn offsets(stream: &mut ServerSideStream, topic: &str, count: usize) -> Vec<u64> {
    let mut offsets = Vec::new();
    while offsets.len() < count {
        match next(stream).await {
            ServerSideEvent::Message(event) if event.topic.as_str() == topic => offsets.push(event.offset),
            ServerSideEvent::Message(_) | ServerSideEvent::Subscribed(_) => {}
            other => panic!("{other:?}"),
        }
    }
    offsets
}

#[tokio::test]
async fn stream_delivers_every_event_once_across_restart() {
    let contracts = Contracts::new();
    let mut gateway = contracts.gateway().await;
    add_topic(&gateway, "alice", "order-1").await;
    let alice = client(&gateway);
    let mut stream = alice.server_subscriptions().await.unwrap();
    let mut topics = Vec::new();
    for _ in 0..2 {
        let ServerSideEvent::Subscribed(confirmed) = next(&mut stream).await else { panic!("no subscription") };
        topics.push(confirmed.topic.unwrap().to_string());
    }
    topics.sort();
    assert_eq!(topics, ["order-1", "order-2"]);
    for n in 0..10 {
        post(&gateway, "order-1", &format!("before {n}")).await;
    }
    assert_eq!(offsets(&mut stream, "order-1", 10).await, (1..=10).collect::<Vec<_>>());
    gateway.kill().await;
    gateway.restart().await;
    for n in 0..20 {
        post(&gateway, "order-1", &format!("after {n}")).await;
        post(&gateway, "order-2", &format!("after {n}")).await;
    }
    assert_eq!(offsets(&mut stream, "order-1", 20).await, (11..=30).collect::<Vec<_>>());
    let (_, body) = end(&gateway, "alice", "service=orders&topic=order-1").await;
    assert_eq!(body, json!({ "subscriptions": 1 }));
    loop {
        match next(&mut stream).await {
            ServerSideEvent::Ended(ended) => {
                assert_eq!(ended.topic.unwrap().as_str(), "order-1");
                break;
            }
            ServerSideEvent::Message(event) => assert_eq!(event.topic.as_str(), "order-2"),
            other => panic!("{other:?}"),
        }
    }
}
