//! The generated Rust compiles with the SDK, and reads and writes JSON.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

/// The generated code.
#[allow(dead_code, unreachable_pub, reason = "the tests do not use every type, and no other crate does")]
mod gateway_gen {
    include!("golden/orders/gateway_gen.rs");
}

use gateway_gen::*;
use realtime_gateway_sdk::Client;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// Reads JSON into a type and writes it back.
fn written_back<T: DeserializeOwned + Serialize>(text: &str) -> String {
    serde_json::to_string(&serde_json::from_str::<T>(text).unwrap()).unwrap()
}

fn assert_round_trip<T: DeserializeOwned + Serialize>(text: &str) {
    let value: Value = serde_json::from_str(&written_back::<T>(text)).unwrap();
    assert_eq!(value, serde_json::from_str::<Value>(text).unwrap(), "{text}");
}

#[test]
fn known_branches_are_read_and_written() {
    let placed = r#"{"type":"placed","items":[{"sku":"AB-1","qty":2,"size":"M","customisation":{"a":1e2}}],
        "total":{"cents":9007199254740993,"currency":"EUR"},"at":"2026-01-31T12:00:00Z"}"#;
    let OrderEvent::OrderPlaced(order) = serde_json::from_str(placed).unwrap() else { unreachable!() };
    assert_eq!((order.items.len(), order.total.cents), (1, 9_007_199_254_740_993));
    for text in [
        placed,
        r#"{"type":"status","status":"in-progress","courier":null,"attributes":{"a":"b"}}"#,
        r#"{"type":"comment","text":"a","quoted":{"type":"comment","text":"b"},"replies":[]}"#,
        r#"{"type":"split","parcels":[{"id":"1"},{"id":"2","weightGrams":3}]}"#,
    ] {
        assert_round_trip::<OrderEvent>(text);
        assert!(!matches!(serde_json::from_str(text).unwrap(), OrderEvent::Unknown(_)));
    }
}

#[test]
fn unknown_branches_and_words_are_written_back() {
    for text in [
        r#"{"z":1.00,"type":"returned","a":{"deep":[12345678901234567890123,1e400]}}"#,
        r#"{"type":7}"#,
        r#"{"status":"shipped"}"#,
        "[1, 2]",
        "\"later\"",
    ] {
        assert!(matches!(serde_json::from_str(text).unwrap(), OrderEvent::Unknown(_)));
        assert_eq!(written_back::<OrderEvent>(text), text);
    }
    assert_eq!(serde_json::from_str::<Status>("\"lost\"").unwrap(), Status::Unknown("lost".into()));
    assert_eq!(written_back::<Status>("\"lost\""), "\"lost\"");
    assert_round_trip::<OrderPage>(r#"[{"orderId":"1","status":"lost"},{"orderId":"2","status":"shipped"}]"#);
}

#[test]
fn closed_unions_and_enumerations_refuse_what_they_do_not_know() {
    assert_round_trip::<CancelReason>(r#"{"kind":"too_slow","days":3}"#);
    assert!(serde_json::from_str::<CancelReason>(r#"{"kind":"other"}"#).is_err());
    assert!(serde_json::from_str::<Currency>("\"CHF\"").is_err());
}

#[test]
fn optional_and_nullable_differ() {
    let status = r#"{"type":"status","status":"shipped"}"#;
    assert!(serde_json::from_str::<OrderStatus>(status).is_err(), "`courier` may be null but not absent");
    let order = |note: &str| {
        let text = format!(r#"{{"type":"placed","items":[],"total":{{"cents":1,"currency":"EUR"}}{note}}}"#);
        assert_round_trip::<OrderPlaced>(&text);
        serde_json::from_str::<OrderPlaced>(&text).unwrap().note
    };
    assert_eq!(order(""), None);
    assert_eq!(order(r#","note":null"#), Some(None));
    assert_eq!(order(r#","note":"a""#), Some(Some("a".into())));
}

#[test]
fn unknown_members_are_ignored() {
    let comment: OrderComment = serde_json::from_str(r#"{"type":"comment","text":"a","later":{"x":1}}"#).unwrap();
    assert_eq!(serde_json::to_value(&comment).unwrap(), json!({ "type": "comment", "text": "a" }));
}

fn client() -> Client {
    Client::builder("ws://gateway.test/ws").token(|| async { Ok::<_, String>("t") }).build().unwrap()
}

#[test]
fn topics_are_built_from_valid_values_only() {
    let orders = orders(&client());
    assert!(orders.order("42").is_ok() && orders.depot("eu-west", "a--b").is_ok() && orders.news().is_ok());
    for (result, expected) in [
        (orders.order("").map(drop), "the value of orderId is empty"),
        (orders.depot("eu--west", "1").map(drop), "the value of region must not contain \"--\""),
        (orders.depot("eu-", "1").map(drop), "the value of region must not contain \"--\""),
    ] {
        assert_eq!(result.unwrap_err().to_string(), expected);
    }
    assert!(orders.order("a b").is_err(), "a topic has no spaces");
}

/// The handles have the types of the contract. It is compiled only.
#[allow(dead_code, reason = "the compiler checks it")]
async fn handles_are_typed(client: &Client) -> Result<(), realtime_gateway_sdk::Error> {
    let orders = orders(client);
    let order = orders.order("42")?;
    let mut events = order.subscribe_with(&Viewer { page: None }).history(10).await?;
    while let Some(realtime_gateway_sdk::TopicEvent::Message(event)) = events.next().await {
        let _: OrderEvent = order.decode(&event)?;
    }
    for event in order.history().limit(10).await?.events {
        let _: OrderEvent = order.decode(&event)?;
    }
    for user in order.presence().await?.users {
        let _: Option<Viewer> = user.data.map(|data| order.decode_presence(&data)).transpose()?;
    }
    order.publish(&OrderComment { text: "hello".into(), replies: None, quoted: None }).await?;
    let reason = CancelReason::ChangedMind(ChangedMind {});
    let request = CancelRequest { order_id: "42".into(), reason };
    let _: CancelResult = orders.cancel(&request, realtime_gateway_sdk::CallOptions::default()).await?;
    Ok(())
}
