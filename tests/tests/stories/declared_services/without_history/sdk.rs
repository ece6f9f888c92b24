//! The Rust SDK in topics without history.

use realtime_gateway_sdk::{Client, Published, ServiceTopic, TopicEvent, TopicStream};
use realtime_gateway_tests::{Gateway, must};
use serde_json::Value;

use super::super::{Contracts, RELOADED, comment, reload, token};

fn topic(gateway: &Gateway, user: &str) -> ServiceTopic {
    let token = token(user, &["*"]).text();
    let provider = move || {
        let token = token.clone();
        async move { Ok::<_, std::io::Error>(token) }
    };
    let client = Client::builder(format!("ws://{}/ws", gateway.address())).token(provider).build().unwrap();
    client.topic("orders", "courier-eu").unwrap()
}

/// Returns the data of the next event, and its offset if it has one. Fails on a gap.
async fn next(stream: &mut TopicStream) -> (Value, Option<u64>) {
    match must("an event", stream.next()).await.expect("the stream is open") {
        TopicEvent::Ephemeral(event) => (event.data.decode().unwrap(), None),
        TopicEvent::Message(event) => (event.data.decode().unwrap(), Some(event.offset)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn sdk_continues_without_gap_across_restart_and_reload() {
    let contracts = Contracts::new();
    let mut gateway = contracts.gateway().await;
    let (alice, bob) = (topic(&gateway, "alice"), topic(&gateway, "bob"));
    let mut stream = alice.subscribe().history(10).await.unwrap();
    let sent = bob.publish(&comment("a")).client_message_id("m1").await.unwrap();
    assert!(matches!(&sent, Published::Sent(Some(id)) if id.as_str() == "m1"), "{sent:?}");
    assert_eq!((next(&mut stream).await, stream.position()), ((comment("a"), None), None));
    gateway.kill().await;
    gateway.restart().await;
    // A further stream is confirmed after the first one has its subscription again.
    drop(alice.subscribe().await.unwrap());
    bob.publish(&comment("b")).await.unwrap();
    assert_eq!(next(&mut stream).await, (comment("b"), None));
    contracts.edit("history = false", "history = { max_entries = 3 }");
    reload(&gateway, RELOADED).await;
    // The gateway has ended the subscriptions. The SDK subscribes again.
    let mut further = alice.subscribe().await.unwrap();
    let Published::Stored(receipt) = bob.publish(&comment("c")).await.unwrap() else { panic!("it is stored") };
    assert_eq!(receipt.offset, 1);
    for stream in [&mut stream, &mut further] {
        assert_eq!(next(stream).await, (comment("c"), Some(1)));
        assert_eq!(stream.position().map(realtime_gateway_sdk::Position::offset), Some(1));
    }
}
