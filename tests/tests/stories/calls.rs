//! Calls: requests of clients to the backend of a declared service.

use std::collections::HashSet;

use realtime_gateway_tests::{
    Gateway, SIGNING_SECRET, ServiceBackend, ServiceFiles, Settings, Socket, StubHttpServer, Token, eventually,
};
use reqwest::Method;
use serde_json::{Value, json};

const SCHEMA: &str = r##"{ "$defs": {
  "CancelRequest": {
    "type": "object", "required": ["orderId"], "properties": { "orderId": { "type": "string", "maxLength": 9 } }
  },
  "CancelResult": { "type": ["object", "null"], "properties": { "refund": { "type": "number" } } }
} }"##;

const CONTRACT: &str = r#"
name = "orders"
schema = "orders.schema.json"
[calls.cancel]
request = "CancelRequest"
response = "CancelResult"
allow = "user"
[calls.refund]
request = "CancelRequest"
response = "CancelResult"
"#;

/// A gateway with the service `orders`, and its backend.
struct Orders {
    gateway: Gateway,
    backend: ServiceBackend,
    files: ServiceFiles,
}

impl Orders {
    async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    async fn with(settings: Settings) -> Self {
        let (files, backend) = (Self::files(), ServiceBackend::start().await);
        let gateway = Gateway::with(files.with_backend(settings, backend.url())).await;
        Self { gateway, backend, files }
    }

    fn files() -> ServiceFiles {
        ServiceFiles::new("orders", CONTRACT, SCHEMA)
    }

    async fn alice(&self) -> Socket {
        Socket::connect(&self.gateway, "alice").await
    }
}

fn call(fields: Value) -> Value {
    let mut command = json!({ "type": "call", "service": "orders", "method": "cancel", "data": { "orderId": "42" }, "requestId": "r" });
    command.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    command
}

#[tokio::test]
async fn returns_the_response_of_the_backend() {
    let mut orders = Orders::start().await;
    let mut alice = orders.alice().await;
    alice.send_text(r#"{"type":"call","service":"orders","method":"cancel","data":{"orderId": "42", "n": 1.0},"requestId":"r","callId":"c1"}"#).await;
    let request = orders.backend.next().await;
    let body = request.body();
    assert_eq!(
        (&body["type"], &body["service"], &body["userId"], &body["method"], &body["callId"]),
        (&json!("call"), &json!("orders"), &json!("alice"), &json!("cancel"), &json!("c1"))
    );
    assert!(request.text.contains(r#""data":{"orderId": "42", "n": 1.0}"#), "byte for byte: {}", request.text);
    let header = |name: &str| request.headers.get(name).cloned().unwrap_or_default();
    assert!(header("webhook-id").starts_with("msg_"), "{:?}", request.headers);
    assert!(header("webhook-signature").starts_with("v1,") && header("webhook-timestamp").parse::<u64>().is_ok());
    assert_eq!((header("content-type").as_str(), header("gateway-timeout-ms").as_str()), ("application/json", "2000"));
    assert_eq!(header("idempotency-key").len(), 64);
    request.answer_with(200, "", r#"{ "data" : {"refund":1.50}, "later": 1 }"#).await;
    let result = alice.next_text().await.unwrap();
    assert_eq!(
        result,
        r#"{"type":"call_result","service":"orders","method":"cancel","data":{"refund":1.50},"callId":"c1","requestId":"r"}"#
    );
    alice.send(call(json!({ "requestId": "r2" }))).await;
    let request = orders.backend.next().await;
    assert_eq!(request.headers.get("idempotency-key"), None, "without a callId there is no key");
    request.answer_with(204, "", "").await;
    let result = alice.expect("call_result").await;
    assert_eq!((&result["data"], &result["requestId"]), (&Value::Null, &json!("r2")));
}

#[tokio::test]
async fn calls_end_in_any_order_and_delay_no_other_command() {
    let mut orders = Orders::start().await;
    let mut alice = orders.alice().await;
    alice.send(call(json!({ "requestId": "first" }))).await;
    alice.send(call(json!({ "requestId": "second", "data": { "orderId": "43" } }))).await;
    assert_eq!(alice.request(json!({ "type": "ping" })).await["type"], "pong");
    let (first, second) = (orders.backend.next().await, orders.backend.next().await);
    let (first, second) = if first.body()["data"]["orderId"] == "42" { (first, second) } else { (second, first) };
    second.answer(200, &json!({ "data": { "refund": 2 } })).await;
    assert_eq!(alice.expect("call_result").await["requestId"], "second");
    assert_eq!(alice.chat("c", "between").await["type"], "message_sent");
    first.answer(200, &json!({ "data": null })).await;
    assert_eq!(alice.expect("call_result").await["requestId"], "first");
}

#[tokio::test]
async fn code_says_whether_the_backend_has_acted() {
    let settings = Settings::default().set("services.orders.backend.timeout", "\"1s\"");
    let mut orders = Orders::with(settings).await;
    let mut alice = orders.alice().await;
    let large = format!(r#"{{"data":{{"text":"{}"}}}}"#, "x".repeat(240 * 1024));
    let deep = format!(r#"{{"data":{{"list":{}{}}}}}"#, "[".repeat(63), "]".repeat(63));
    let failed = |status: u16, code: &str, message: Value| {
        ("call_failed", json!({ "status": status, "code": code, "message": message }))
    };
    let unknown = |reason: &str| ("call_unknown", json!({ "reason": reason }));
    let answers = [
        (409, "", r#"{"code":"shipped","message":"too late"}"#, failed(409, "shipped", json!("too late"))),
        (404, "", r#"{"detail":"no such order"}"#, failed(404, "http_404", json!("no such order"))),
        (422, "", "<html>", failed(422, "http_422", Value::Null)),
        (400, "", r#"{"code":""}"#, failed(400, "http_400", Value::Null)),
        (408, "", "", unknown("status")),
        (500, "", r#"{"data":1}"#, unknown("status")),
        (302, "location: http://127.0.0.1:9/\r\n", "", unknown("status")),
        (200, "", &large, unknown("too_large")),
        (200, "", "rubbish", unknown("invalid_response")),
        (200, "", "{}", unknown("invalid_response")),
        (200, "", r#"{"data":{"refund":"much"}}"#, unknown("invalid_response")),
        (200, "", r#"{"data":7}"#, unknown("invalid_response")),
        (200, "", r#"[{"refund":1}]"#, unknown("invalid_response")),
        (200, "", r#"{"data":{"note":"\u0000"}}"#, unknown("invalid_response")),
        (200, "", &deep, unknown("invalid_response")),
        (409, "", r#"["shipped","too late",null]"#, failed(409, "http_409", Value::Null)),
        (409, "", r#"{"code":7,"message":"too late"}"#, failed(409, "http_409", json!("too late"))),
    ];
    for (status, headers, body, (code, details)) in answers {
        alice.send(call(json!({}))).await;
        orders.backend.next().await.answer_with(status, headers, body).await;
        let error = alice.expect("error").await;
        let shown = body.get(..30).unwrap_or(body);
        assert_eq!((&error["code"], &error["details"]), (&json!(code), &details), "{status} {shown}: {error}");
        assert_eq!(
            (&error["service"], &error["method"], &error["inReplyTo"], &error["requestId"]),
            (&json!("orders"), &json!("cancel"), &json!("call"), &json!("r"))
        );
    }
    for (status, headers, after) in [(429, "retry-after: 7\r\n", 7_000), (503, "", 1_000)] {
        alice.send(call(json!({}))).await;
        orders.backend.next().await.answer_with(status, headers, "").await;
        let error = alice.expect("error").await;
        assert_eq!((&error["code"], &error["retryAfterMs"]), (&json!("unavailable"), &json!(after)), "{error}");
    }
    alice.send(call(json!({}))).await;
    orders.backend.next().await.hang_up();
    assert_eq!(alice.expect("error").await["details"], json!({ "reason": "connection" }));
    alice.send(call(json!({ "timeoutMs": 100 }))).await;
    let held = orders.backend.next().await;
    assert_eq!(held.headers.get("gateway-timeout-ms").map(String::as_str), Some("100"));
    assert_eq!(alice.expect("error").await["details"], json!({ "reason": "timeout" }));
    // The time limit of the service caps that of the client.
    alice.send(call(json!({ "timeoutMs": 60_000 }))).await;
    assert_eq!(orders.backend.next().await.headers.get("gateway-timeout-ms").map(String::as_str), Some("1000"));
    assert_eq!(alice.expect("error").await["code"], "call_unknown");
}

#[tokio::test]
async fn answer_that_does_not_end_is_cut_off() {
    let mut orders = Orders::with(Settings::default().set("services.orders.backend.timeout", "\"1s\"")).await;
    let mut alice = orders.alice().await;
    // 50 MB, with its length in front and without.
    let large = format!(r#"{{"data":{{"text":"{}"}}}}"#, "x".repeat(50_000_000));
    let chunked = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    for headers in ["", "transfer-encoding: chunked\r\n"] {
        alice.send(call(json!({}))).await;
        let request = orders.backend.next().await;
        match headers {
            "" => request.answer_with(200, "", &large).await,
            chunks => request.answer_raw(&format!("HTTP/1.1 200 OK\r\n{chunks}\r\n{chunked}")).await,
        }
        assert_eq!(alice.expect("error").await["details"], json!({ "reason": "too_large" }));
    }
    // A body of which nothing comes, and heads without an end. The time limit is that of the whole answer.
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"data\"";
    for text in [head, "HTTP/1.1 200 OK\r\nx-a: ", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/9 rubbish\r\n\r\n", "\0"] {
        alice.send(call(json!({}))).await;
        let request = orders.backend.next().await;
        let held = request.begin_answer(text).await;
        let error = alice.expect("error").await;
        assert_eq!(error["code"], "call_unknown", "{text}: {error}");
        drop(held);
    }
    alice.send(call(json!({}))).await;
    orders.backend.next().await.answer(200, &json!({ "data": null })).await;
    alice.expect("call_result").await;
}

#[tokio::test]
async fn backend_that_cannot_be_reached_has_not_acted() {
    let files = Orders::files();
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", unused.local_addr().unwrap());
    drop(unused);
    let gateway = Gateway::with(files.with_backend(Settings::default(), &url)).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    let error = alice.request(call(json!({}))).await;
    assert_eq!((&error["code"], &error["retryAfterMs"]), (&json!("unavailable"), &json!(1_000)), "{error}");
}

#[tokio::test]
async fn invalid_calls_are_not_sent() {
    let orders = Orders::start().await;
    let mut alice = orders.alice().await;
    for (fields, code) in [
        (json!({ "service": "cards" }), "unknown_service"),
        (json!({ "service": "clan_chat" }), "unknown_service"),
        (json!({ "method": "Cancel" }), "unknown_method"),
        (json!({ "method": "refund" }), "forbidden"),
        (json!({ "data": {} }), "invalid_message"),
        // The backend would have no time to answer, so that the outcome would be unknown for nothing.
        (json!({ "timeoutMs": 0 }), "invalid_message"),
        (json!({ "data": { "orderId": "1234567890" } }), "invalid_message"),
    ] {
        let error = alice.request(call(fields.clone())).await;
        assert_eq!((&error["code"], &error["inReplyTo"]), (&json!(code), &json!("call")), "{fields}: {error}");
    }
    let error = alice.request(call(json!({ "data": { "orderId": 7 } }))).await;
    assert_eq!(error["details"], json!({ "field": "data", "pointer": "/orderId", "keyword": "type" }));
    // None of these was sent, so the first request is that of another client.
    assert!(!orders.backend.has_request());
}

#[tokio::test]
async fn grants_of_token_or_permission_service_allow_calls() {
    let mut orders = Orders::start().await;
    let refund = call(json!({ "method": "refund" }));
    for grants in [json!({ "orders": ["refund"] }), json!({ "orders": ["*"] })] {
        let token = Token::for_user("bob").claim("calls", grants);
        let mut bob = Socket::connect_with(&orders.gateway, &token).await;
        bob.send(refund.clone()).await;
        orders.backend.next().await.answer(200, &json!({ "data": null })).await;
        bob.expect("call_result").await;
    }
    for grants in [json!({ "orders": ["cancel", "refund*"] }), json!({ "shop": ["refund"] })] {
        let token = Token::for_user("bob").claim("calls", grants);
        let mut bob = Socket::connect_with(&orders.gateway, &token).await;
        assert_eq!(bob.request(refund.clone()).await["code"], "forbidden");
    }
    let service = StubHttpServer::start(json!({ "allowed": true })).await;
    let settings = Settings::default()
        .set("permissions.source", "\"http\"")
        .set("permissions.url", &format!("\"{}\"", service.url()));
    let mut orders = Orders::with(settings).await;
    let mut alice = orders.alice().await;
    alice.send(refund.clone()).await;
    orders.backend.next().await.answer(200, &json!({ "data": null })).await;
    alice.expect("call_result").await;
    service.set_response(json!({ "allowed": false }));
    let mut carol = Socket::connect(&orders.gateway, "carol").await;
    assert_eq!(carol.request(refund).await["code"], "forbidden");
}

#[tokio::test]
async fn calls_of_session_and_of_node_are_bounded() {
    let settings =
        Settings::default().set("limits.calls_in_flight", "2").set("services.orders.backend.max_in_flight", "3");
    let mut orders = Orders::with(settings).await;
    let (mut alice, mut bob) = (orders.alice().await, Socket::connect(&orders.gateway, "bob").await);
    let mut held = Vec::new();
    for _ in 0..2 {
        alice.send(call(json!({}))).await;
        held.push(orders.backend.next().await);
    }
    let error = alice.request(call(json!({}))).await;
    assert_eq!((&error["code"], &error["retryAfterMs"]), (&json!("unavailable"), &json!(1_000)), "of the session");
    bob.send(call(json!({}))).await;
    held.push(orders.backend.next().await);
    let error = bob.request(call(json!({}))).await;
    assert_eq!((&error["code"], &error["retryAfterMs"]), (&json!("unavailable"), &json!(1_000)), "of the node");
    held.remove(0).answer(200, &json!({ "data": null })).await;
    alice.expect("call_result").await;
    alice.send(call(json!({}))).await;
    orders.backend.next().await.answer(200, &json!({ "data": null })).await;
    alice.expect("call_result").await;
}

#[tokio::test]
async fn result_for_client_that_is_gone_is_dropped() {
    let mut orders = Orders::start().await;
    let mut alice = orders.alice().await;
    alice.send(call(json!({}))).await;
    let request = orders.backend.next().await;
    alice.close().await;
    request.answer(200, &json!({ "data": null })).await;
    let mut bob = Socket::connect(&orders.gateway, "bob").await;
    bob.send(call(json!({}))).await;
    orders.backend.next().await.answer(200, &json!({ "data": null })).await;
    bob.expect("call_result").await;
    let text = orders.gateway.api().call(Method::GET, "/metrics", None).await.text().await.unwrap();
    assert!(text.contains(r#"gateway_calls_total{outcome="succeeded",service="orders"} 2"#), "{text}");
}

fn reloads(gateway: &Gateway) -> usize {
    gateway.log().iter().filter(|line| line.contains("the configuration was reloaded")).count()
}

#[tokio::test]
async fn reload_replaces_backend_and_secret() {
    let mut orders = Orders::start().await;
    let mut alice = orders.alice().await;
    let mut signatures = HashSet::new();
    for secret in [SIGNING_SECRET, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let both = format!("{secret}\nwhsec_BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB\n");
        orders.files.write("secret", &both);
        let before = reloads(&orders.gateway);
        orders.gateway.signal("HUP").await;
        eventually("the reload", || async { reloads(&orders.gateway) > before }).await;
        alice.send(call(json!({}))).await;
        let request = orders.backend.next().await;
        let signature = request.headers["webhook-signature"].clone();
        assert_eq!(signature.split(' ').count(), 2, "each secret signs: {signature}");
        signatures.insert(signature);
        request.answer(200, &json!({ "data": null })).await;
        alice.expect("call_result").await;
    }
    assert_eq!(signatures.len(), 2);
}

#[tokio::test]
async fn development_token_grants_calls() {
    let (files, backend) = (Orders::files(), ServiceBackend::start().await);
    let settings = files.with_backend(Settings::default(), backend.url());
    let gateway = Gateway::dev_with(settings.set("permissions.source", "\"claims\"")).await;
    for (calls, expected) in [(json!(["refund"]), true), (json!(["*"]), true), (json!(["cancel"]), false)] {
        let wanted = json!({ "userId": "alice", "calls": { "orders": calls } });
        let (status, made) = gateway.api().json(Method::POST, "/dev/token", Some(wanted)).await;
        assert!(status.is_success(), "{made}");
        let mut alice = Socket::open(&gateway, "/ws", made["token"].as_str()).await.unwrap();
        alice.expect("connected").await;
        // Without its data a call that is allowed is not sent, so no backend has to answer.
        let reply = alice.request(call(json!({ "method": "refund", "data": {} }))).await;
        assert_eq!(reply["code"], if expected { "invalid_message" } else { "forbidden" }, "{calls}");
    }
}

#[tokio::test]
async fn backend_receives_the_configured_claims_only() {
    let claims = r#"["tenant", "https://example.com/plan", "absent"]"#;
    let mut orders = Orders::with(Settings::default().set("services.orders.backend.claims", claims)).await;
    let token = Token::for_user("alice").claim("tenant", json!({ "id": 7 })).claim("email", json!("a@example.com"));
    let token = token.claim("https://example.com/plan", json!("pro")).claim("deviceId", json!("phone"));
    let mut alice = Socket::connect_with(&orders.gateway, &token).await;
    alice.send(call(json!({}))).await;
    let request = orders.backend.next().await;
    let body = request.body();
    assert_eq!(body["claims"], json!({ "https://example.com/plan": "pro", "tenant": { "id": 7 } }));
    assert_eq!(body["deviceId"], "phone");
    request.answer(200, &json!({ "data": null })).await;
    alice.expect("call_result").await;
    let mut bob = Socket::connect(&orders.gateway, "bob").await;
    bob.send(call(json!({}))).await;
    let request = orders.backend.next().await;
    assert_eq!(request.body()["claims"], json!({}), "the token has none of them");
    request.answer(200, &json!({ "data": null })).await;
    bob.expect("call_result").await;
}
