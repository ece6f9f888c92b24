//! Traces (W3C Trace Context): what a request or an event of a trace causes carries its `traceparent`, and nothing else does.

use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};
use realtime_gateway_brokers::rabbitmq::shared;
use realtime_gateway_tests::{
    Api, Backend, Gateway, ServiceBackend, ServiceFiles, Settings, Socket, Token, eventually, http_client, write_secret,
};
use serde_json::{Value, json};
use tempfile::TempDir;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";
const STATE: &str = "congo=t61rcWkgMzE";
const TRACED: (Option<&str>, Option<&str>) = (Some(PARENT), Some(STATE));

const SCHEMA: &str = r##"{ "$defs": {
  "Order": { "type": "object", "required": ["orderId"], "properties": { "orderId": { "type": "string" } } }
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
response = "Order"
allow = "user"
"#;

fn orders_service() -> ServiceFiles {
    ServiceFiles::new("orders", CONTRACT, SCHEMA)
}

fn with_webhook(settings: Settings, folder: &TempDir, url: &str) -> Settings {
    settings
        .set("webhooks.hook.url", &format!("\"{url}\""))
        .set("webhooks.hook.secret_file", &write_secret(folder.path()))
        .set("webhooks.hook.events", r#"["chat.message", "service", "notification"]"#)
        .set("webhooks.hook.backend_events", "true")
}

/// Opens a WebSocket with a trace, as user `alice`.
async fn traced_socket(gateway: &Gateway) -> Socket {
    let bearer = format!("Bearer {}", Token::for_user("alice").text());
    let headers = [("authorization", bearer), ("traceparent", PARENT.to_owned()), ("tracestate", STATE.to_owned())];
    let mut socket = Socket::open_with(gateway, "/ws", &headers).await.unwrap();
    socket.expect("connected").await;
    socket
}

/// Posts a chat message over HTTP with these `traceparent` headers.
async fn post_chat(gateway: &Gateway, content: &str, parents: &[&str]) {
    let mut request = http_client()
        .post(format!("http://{}/api/v1/clans/c/messages", gateway.address()))
        .bearer_auth(Api::KEY)
        .header("tracestate", STATE)
        .json(&json!({ "content": content, "userId": "shop" }));
    for parent in parents {
        request = request.header("traceparent", *parent);
    }
    assert_eq!(request.send().await.unwrap().status(), 202);
}

#[tokio::test]
async fn webhook_carries_trace_of_publication_over_http_also_after_a_restart() {
    let (mut receiver, folder) = (ServiceBackend::start().await, tempfile::tempdir().unwrap());
    let mut gateway = Gateway::with(with_webhook(Settings::default(), &folder, receiver.url())).await;
    post_chat(&gateway, "traced", &[PARENT]).await;
    let request = receiver.next().await;
    assert_eq!(request.trace(), TRACED);
    request.answer(503, &json!({})).await;
    gateway.kill().await;
    gateway.restart().await;
    let request = receiver.next().await;
    assert_eq!(request.trace(), TRACED);
    let event = &request.body()["events"][0];
    assert_eq!((&event["traceparent"], &event["tracestate"]), (&json!(PARENT), &json!(STATE)), "{event}");
    assert_eq!((&event["content"], &event["offset"]), (&json!("traced"), &json!(1)));
    request.answer(204, &json!({})).await;
}

#[tokio::test]
async fn webhook_has_header_only_when_all_events_of_request_belong_to_one_trace() {
    let (mut receiver, folder) = (ServiceBackend::start().await, tempfile::tempdir().unwrap());
    let gateway = Gateway::with(with_webhook(Settings::default(), &folder, receiver.url())).await;
    post_chat(&gateway, "first", &[]).await;
    let first = receiver.next().await;
    assert_eq!(first.trace(), (None, None), "without a trace there is no header");
    assert_eq!(first.body()["events"][0].get("traceparent"), None);
    post_chat(&gateway, "traced", &[PARENT]).await;
    post_chat(&gateway, "two headers", &[PARENT, PARENT]).await;
    post_chat(&gateway, "invalid", &[&PARENT.to_uppercase()]).await;
    first.answer(204, &json!({})).await;
    let mixed = receiver.next().await;
    assert_eq!(mixed.trace(), (None, None));
    let body = mixed.body();
    let parents: Vec<_> = body["events"].as_array().unwrap().iter().map(|event| event.get("traceparent")).collect();
    assert_eq!(parents, [Some(&json!(PARENT)), None, None], "{body}");
    mixed.answer(204, &json!({})).await;
}

#[tokio::test]
async fn requests_to_backend_carry_trace_of_upgrade_request() {
    let (mut backend, files) = (ServiceBackend::start().await, orders_service());
    let gateway = Gateway::with(files.with_backend(Settings::default(), backend.url())).await;
    let mut alice = traced_socket(&gateway).await;
    let order = json!({ "orderId": "42" });
    let topic = json!({ "service": "orders", "topic": "order-42", "data": order, "method": "cancel" });
    for (kind, answer, reply) in [
        ("call", json!({ "data": order }), "call_result"),
        ("publish", json!({ "data": order }), "message_sent"),
        ("subscribe", json!({ "allowed": true }), "subscription_confirmed"),
    ] {
        let mut command = topic.clone();
        command["type"] = json!(kind);
        let members = command.as_object_mut().unwrap();
        members.retain(|name, _| {
            name == "type"
                || name == "service"
                || match kind {
                    "call" => name == "method" || name == "data",
                    "publish" => name == "topic" || name == "data",
                    _ => name == "topic",
                }
        });
        alice.send(command).await;
        let request = backend.next().await;
        assert_eq!((request.trace(), &request.body()["type"]), (TRACED, &json!(kind)));
        request.answer(200, &answer).await;
        alice.wait_for(reply).await;
    }
    let mut bob = Socket::connect(&gateway, "bob").await;
    bob.send(json!({ "type": "call", "service": "orders", "method": "cancel", "data": order })).await;
    let request = backend.next().await;
    assert_eq!(request.trace(), (None, None), "another session has no trace");
    request.answer(200, &json!({ "data": order })).await;
}

#[tokio::test]
async fn permission_requests_and_log_lines_carry_trace() {
    let mut service = ServiceBackend::start().await;
    let settings = Settings::default()
        .set("permissions.source", "\"http\"")
        .set("permissions.url", &format!("\"{}\"", service.url()));
    let gateway = Gateway::with(settings).await;
    let mut alice = traced_socket(&gateway).await;
    alice.send(json!({ "type": "chat", "clanId": "c", "content": "x" })).await;
    let request = service.next().await;
    assert_eq!(request.trace(), TRACED);
    request.answer(500, &json!({})).await;
    alice.expect("error").await;
    alice.close().await;
    for message in ["does not respond", "session ended"] {
        eventually(message, || async {
            let lines = gateway.log();
            let line = lines.iter().find(|line| line.contains(message));
            let line = line.and_then(|line| serde_json::from_str::<Value>(line).ok());
            line.is_some_and(|line| line["span"]["trace_id"] == TRACE_ID)
        })
        .await;
    }
}

#[tokio::test]
async fn events_and_calls_over_rabbitmq_carry_trace_as_headers() {
    let (backend, files) = (Backend::connect(&shared()).await, orders_service());
    let gateway = Gateway::with(files.with_backend(backend.settings(), "amqp")).await;
    gateway.wait_for_broker().await;
    let mut events = backend.listen("chat.message.#").await;
    let mut headers = FieldTable::default();
    headers.insert("traceparent".into(), AMQPValue::LongString(PARENT.into()));
    headers.insert("tracestate".into(), AMQPValue::LongString(STATE.into()));
    let message = json!({ "content": "traced", "userId": "shop" });
    assert!(backend.publish_with("clan_chat.c", message, BasicProperties::default().with_headers(headers)).await);
    let traced = (Some(PARENT.to_owned()), Some(STATE.to_owned()));
    let event = events.next().await;
    assert_eq!((event.trace(), &event.body["traceparent"]), (traced.clone(), &json!(PARENT)));
    backend.publish("clan_chat.c", json!({ "content": "without", "userId": "shop" })).await;
    let event = events.next().await;
    assert_eq!((event.trace(), event.body.get("traceparent")), ((None, None), None));
    let mut requests = backend.listen_to_requests("#").await;
    let mut alice = traced_socket(&gateway).await;
    let order = json!({ "orderId": "42" });
    alice.send(json!({ "type": "call", "service": "orders", "method": "cancel", "data": order })).await;
    let request = requests.next().await;
    assert_eq!(request.trace(), traced);
    backend.reply(&request, &json!({ "data": order }).to_string()).await;
    alice.expect("call_result").await;
}
