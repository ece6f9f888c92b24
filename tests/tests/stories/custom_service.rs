//! A service that was added in code: subscribed to, published to, recovered, like the ones that come with the gateway.

use realtime_gateway_tests::{Gateway, Socket, Token};
use serde_json::json;

fn token(user: &str) -> Token {
    Token::of(user).claim("topics", json!({ "dice": ["table-1", "nowhere"] }))
}

#[tokio::test]
async fn a_throw_reaches_everybody_at_the_table() {
    let gateway = Gateway::custom_service().await;
    let mut alice = Socket::with(&gateway, &token("alice")).await;
    let mut bob = Socket::with(&gateway, &token("bob")).await;
    let subscribe = json!({ "type": "subscribe", "service": "dice", "topic": "table-1" });
    let confirmed = alice.ask(subscribe.clone()).await;
    assert_eq!((&confirmed["service"], &confirmed["topic"]), (&json!("dice"), &json!("table-1")));

    let publish =
        json!({ "type": "publish", "service": "dice", "topic": "table-1", "data": 6, "clientMessageId": "t1" });
    let sent = bob.ask(publish.clone()).await;
    assert_eq!((&sent["type"], &sent["topic"]), (&json!("message_sent"), &json!("table-1")));
    let event = alice.expect("event").await;
    assert_eq!((&event["userId"], &event["data"]["by"], &event["offset"]), (&json!("bob"), &json!("bob"), &json!(1)));
    assert!((1..=6).contains(&event["data"]["thrown"].as_u64().unwrap()));
    assert_eq!(bob.ask(publish).await["duplicate"], true);

    let mut late = subscribe.clone();
    late["recover"] = json!({ "offset": 0, "epoch": confirmed["epoch"] });
    bob.send(late).await;
    assert_eq!(bob.expect("subscription_confirmed").await["recovered"], true);
    assert_eq!(bob.expect("event").await["data"], event["data"]);
    assert_eq!(
        bob.ask(json!({ "type": "unsubscribe", "service": "dice", "topic": "table-1" })).await["status"],
        "unsubscribed"
    );
}

#[tokio::test]
async fn what_the_service_does_not_take_is_refused() {
    let gateway = Gateway::custom_service().await;
    let mut alice = Socket::with(&gateway, &token("alice")).await;
    let publish = |topic: &str, data| json!({ "type": "publish", "service": "dice", "topic": topic, "data": data });
    assert_eq!(alice.ask(publish("table-1", json!("six"))).await["details"]["field"], "data");
    assert_eq!(alice.ask(publish("nowhere", json!(6))).await["code"], "invalid_message");
    assert_eq!(alice.ask(publish("table-2", json!(6))).await["code"], "forbidden");
    let mut connected = Socket::open(&gateway, "/ws", Some(&token("bob").text())).await.unwrap();
    let services = connected.expect("connected").await["services"].clone();
    assert_eq!(services, json!(["notifications", "clan_chat", "dice"]));
}
