//! Requests to the backend of a declared service over RabbitMQ (`backend.url = "amqp"`).

use realtime_gateway_brokers::rabbitmq::shared;
use realtime_gateway_tests::{Backend, Gateway, ServiceFiles, Socket};
use serde_json::{Value, json};

const SCHEMA: &str = r##"{ "$defs": {
  "Order": { "type": "object", "required": ["orderId"], "properties": { "orderId": { "type": "string" } } },
  "Result": { "type": ["object", "null"], "properties": { "refund": { "type": "number" } } }
} }"##;

const CONTRACT: &str = r#"
name = "orders"
schema = "orders.schema.json"
[topics.order]
pattern = "order-{orderId}"
event = "Order"
subscribe = "backend"
publish = { type = "Order", allow = "backend" }
[calls.cancel]
request = "Order"
response = "Result"
allow = "user"
"#;

/// A gateway with the service `orders`, whose backend is reached over the broker.
struct Orders {
    gateway: Gateway,
    backend: Backend,
    _files: ServiceFiles,
}

impl Orders {
    async fn start() -> Self {
        let (files, backend) = (ServiceFiles::new("orders", CONTRACT, SCHEMA), Backend::connect(&shared()).await);
        let settings = files.with_backend(backend.settings(), "amqp").set("services.orders.backend.timeout", "\"5s\"");
        let gateway = Gateway::with(settings).await;
        gateway.wait_for_broker().await;
        Self { gateway, backend, _files: files }
    }

    async fn alice(&self) -> Socket {
        Socket::connect(&self.gateway, "alice").await
    }
}

fn call(id: &str) -> Value {
    let data = json!({ "orderId": "42" });
    json!({ "type": "call", "service": "orders", "method": "cancel", "data": data, "requestId": id, "callId": id })
}

#[tokio::test]
async fn call_without_a_backend_was_not_made() {
    let orders = Orders::start().await;
    let mut alice = orders.alice().await;
    let error = alice.request(call("c1")).await;
    assert_eq!((&error["code"], error["retryAfterMs"].is_u64()), (&json!("unavailable"), true), "{error}");
}

#[tokio::test]
async fn backend_replies_with_data_or_with_an_error() {
    let orders = Orders::start().await;
    let mut requests = orders.backend.listen_to_requests("#").await;
    let mut alice = orders.alice().await;
    alice.send(call("c1")).await;
    let request = requests.next().await;
    assert_eq!(request.key, "call.orders.cancel");
    let body = &request.body;
    assert_eq!(
        (&body["type"], &body["userId"], &body["method"], &body["callId"], &body["data"]["orderId"]),
        (&json!("call"), &json!("alice"), &json!("cancel"), &json!("c1"), &json!("42"))
    );
    let properties = &request.properties;
    let expiration: u64 = properties.expiration().as_ref().unwrap().as_str().parse().unwrap();
    assert!(expiration <= 5_000 && properties.delivery_mode() != &Some(2), "{properties:?}");
    orders.backend.reply(&request, r#"{ "data" : {"refund":1.50} }"#).await;
    let text = alice.next_text().await.unwrap();
    assert!(text.contains(r#""data":{"refund":1.50}"#), "byte for byte: {text}");
    let large = format!(r#"{{"data":{{"text":"{}"}}}}"#, "x".repeat(240 * 1024));
    for (reply, code, details) in [
        (
            r#"{"error":{"code":"shipped","message":"too late"}}"#,
            "call_failed",
            json!({ "code": "shipped", "message": "too late" }),
        ),
        (r#"{"error":{}}"#, "call_failed", json!({ "code": "refused", "message": null })),
        ("rubbish", "call_unknown", json!({ "reason": "invalid_response" })),
        (r#"{"data":7}"#, "call_unknown", json!({ "reason": "invalid_response" })),
        (large.as_str(), "call_unknown", json!({ "reason": "too_large" })),
    ] {
        alice.send(call("c2")).await;
        orders.backend.reply(&requests.next().await, reply).await;
        let error = alice.expect("error").await;
        assert_eq!((&error["code"], &error["details"]), (&json!(code), &details));
    }
    // An empty reply is like 204 over HTTP.
    alice.send(call("c3")).await;
    orders.backend.reply(&requests.next().await, "").await;
    assert_eq!(alice.expect("call_result").await["data"], Value::Null);
}

#[tokio::test]
async fn replies_arrive_in_any_order_and_late_ones_are_dropped() {
    let orders = Orders::start().await;
    let mut requests = orders.backend.listen_to_requests("call.orders.*").await;
    let mut alice = orders.alice().await;
    let mut late = call("late");
    late["timeoutMs"] = json!(200);
    alice.send(late).await;
    let late = requests.next().await;
    let unknown = alice.expect("error").await;
    assert_eq!((&unknown["code"], &unknown["details"]["reason"]), (&json!("call_unknown"), &json!("timeout")));
    alice.send(call("one")).await;
    alice.send(call("two")).await;
    let (one, two) = (requests.next().await, requests.next().await);
    orders.backend.reply(&two, r#"{"data":null}"#).await;
    assert_eq!(alice.expect("call_result").await["requestId"], two.body["callId"]);
    orders.backend.reply(&late, r#"{"data":null}"#).await;
    // A second reply to the same request has no caller.
    orders.backend.reply(&two, r#"{"data":null}"#).await;
    orders.backend.reply(&one, r#"{"data":null}"#).await;
    assert_eq!(alice.expect("call_result").await["requestId"], one.body["callId"]);
}

#[tokio::test]
async fn backend_decides_about_subscriptions_and_publications() {
    let orders = Orders::start().await;
    let mut requests = orders.backend.listen_to_requests("*.orders.#").await;
    let mut alice = orders.alice().await;
    let subscribe = json!({ "type": "subscribe", "service": "orders", "topic": "order-42" });
    alice.send(subscribe.clone()).await;
    let request = requests.next().await;
    assert_eq!((request.key.as_str(), &request.body["params"]), ("subscribe.orders", &json!({ "orderId": "42" })));
    orders.backend.reply(&request, r#"{"error":{"code":"banned"}}"#).await;
    let refused = alice.expect("error").await;
    assert_eq!((&refused["code"], &refused["details"]["code"]), (&json!("forbidden"), &json!("banned")));
    let mut bob = Socket::connect(&orders.gateway, "bob").await;
    bob.send(subscribe).await;
    orders.backend.reply(&requests.next().await, r#"{"allowed":true}"#).await;
    bob.expect("subscription_confirmed").await;
    let data = json!({ "orderId": "draft" });
    bob.send(json!({ "type": "publish", "service": "orders", "topic": "order-42", "data": data })).await;
    let request = requests.next().await;
    assert_eq!(request.key, "publish.orders");
    orders.backend.reply(&request, r#"{"data":{"orderId":"final"}}"#).await;
    assert_eq!(bob.wait_for("event").await["data"], json!({ "orderId": "final" }));
}

#[tokio::test]
async fn calls_continue_after_exchange_was_deleted() {
    let orders = Orders::start().await;
    let mut requests = orders.backend.listen_to_requests("call.orders.*").await;
    let mut alice = orders.alice().await;
    alice.send(call("lost")).await;
    let lost = requests.next().await;
    orders.backend.channel().exchange_delete(orders.backend.name("calls").into(), Default::default()).await.unwrap();
    orders.backend.reply(&lost, r#"{"data":null}"#).await;
    assert_eq!(alice.expect("call_result").await["requestId"], "lost", "a reply needs no exchange");
    // The broker ends the channel on which something is published to an exchange that does not exist. The calls after
    // that wait for the next channel, and are not made because nothing is bound to the new exchange.
    let outcome = alice.request(call("interrupted")).await;
    assert_eq!((&outcome["code"], &outcome["details"]["reason"]), (&json!("call_unknown"), &json!("connection")));
    assert_eq!(alice.request(call("unbound")).await["code"], "unavailable");
    let (queue, exchange) = (orders.backend.name("backend.call.orders.*"), orders.backend.name("calls"));
    let key = "call.orders.*".into();
    let binding =
        orders.backend.channel().queue_bind(queue.into(), exchange.into(), key, Default::default(), Default::default());
    binding.await.unwrap();
    alice.send(call("c9")).await;
    orders.backend.reply(&requests.next().await, r#"{"data":null}"#).await;
    assert_eq!(alice.expect("call_result").await["requestId"], "c9");
}
