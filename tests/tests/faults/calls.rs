//! Calls to the backend of a declared service while backends, nodes and the broker fail: the client learns whether its
//! call may have been carried out, the gateway repeats none, and everything works afterwards.

use std::time::Duration;

use futures_util::future::join_all;
use realtime_gateway_sdk::{CallOptions, Outcome, State};
use realtime_gateway_tests::{Backend, BackendRequest, Gateway, ServiceBackend, ServiceFiles, Settings, Socket, must};
use serde_json::{Value, json};

use crate::{cluster::Cluster, load::client};

const CONTRACT: &str = r#"
name = "shop"
schema = "shop.schema.json"
[calls.pay]
request = "Any"
response = "Any"
allow = "user"
"#;

/// Adds the service to settings.
fn with_shop(settings: Settings, files: &ServiceFiles, backend: &str) -> Settings {
    files.with_backend(settings, backend).set("services.shop.backend.timeout", "\"30s\"")
}

fn shop() -> ServiceFiles {
    ServiceFiles::new("shop", CONTRACT, r#"{ "$defs": { "Any": {} } }"#)
}

fn pay(id: &str) -> Value {
    json!({ "type": "call", "service": "shop", "method": "pay", "data": id, "callId": id, "requestId": id })
}

/// Receives calls until this many have come, and returns the requests by the id of the call.
async fn receive(backend: &mut ServiceBackend, count: usize) -> Vec<(String, BackendRequest)> {
    let mut requests = Vec::new();
    while requests.len() < count {
        let request = backend.next().await;
        requests.push((request.body()["callId"].as_str().unwrap().to_owned(), request));
    }
    requests
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_unknown_when_the_backend_is_killed_and_not_made_while_it_is_away() {
    let (mut backend, files) = (ServiceBackend::start().await, shop());
    let gateway = Gateway::with(with_shop(Settings::default(), &files, backend.url())).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    for n in 0..8 {
        alice.send(pay(&format!("c{n}"))).await;
    }
    let requests = receive(&mut backend, 8).await;
    // The process ends: its connections are closed, and nothing listens any more.
    drop(backend);
    drop(requests);
    for _ in 0..8 {
        let error = alice.expect("error").await;
        assert_eq!(
            (&error["code"], &error["details"]["reason"]),
            (&json!("call_unknown"), &json!("connection")),
            "{error}"
        );
    }
    let away = alice.request(pay("away")).await;
    assert_eq!((&away["code"], away["retryAfterMs"].is_u64()), (&json!("unavailable"), true), "{away}");
    assert_eq!(alice.chat("c", "nothing else is affected").await["type"], "message_sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_backend_with_256_calls_in_flight_delays_nothing_else() {
    let (mut backend, files) = (ServiceBackend::start().await, shop());
    let gateway = Gateway::with(with_shop(Settings::default(), &files, backend.url())).await;
    // Sixteen calls of a session are under way at a time.
    let users = (0..17).map(|n| format!("user-{n}"));
    let mut sockets = join_all(users.map(async |user| Socket::connect(&gateway, &user).await)).await;
    for (user, socket) in sockets.iter_mut().enumerate().take(16) {
        for n in 0..16 {
            socket.send(pay(&format!("{user}-{n}"))).await;
        }
    }
    let requests = receive(&mut backend, 256).await;
    let last = sockets.last_mut().unwrap();
    let refused = last.request(pay("257")).await;
    assert_eq!(refused["code"], "unavailable", "{refused}");
    assert!(!backend.has_request(), "a call that was refused has reached the backend");
    for socket in &mut sockets {
        assert_eq!(socket.request(json!({ "type": "ping" })).await["type"], "pong");
    }
    assert_eq!(sockets[0].chat("c", "meanwhile").await["type"], "message_sent");
    for (id, request) in requests {
        request.answer(200, &json!({ "data": id })).await;
    }
    for (user, socket) in sockets.iter_mut().enumerate().take(16) {
        let mut results: Vec<Value> = Vec::new();
        while results.len() < 16 {
            let result = socket.wait_for("call_result").await;
            assert_eq!(result["data"], result["callId"]);
            results.push(result["callId"].clone());
        }
        assert!(results.iter().all(|id| id.as_str().unwrap().starts_with(&format!("{user}-"))));
    }
    sockets[16].send(pay("after")).await;
    let (_, request) = receive(&mut backend, 1).await.remove(0);
    request.answer(200, &json!({ "data": null })).await;
    assert_eq!(sockets[16].wait_for("call_result").await["callId"], "after");
}

#[tokio::test(flavor = "multi_thread")]
async fn call_of_an_sdk_is_unknown_when_its_node_is_killed_and_can_be_repeated_on_another() {
    let (mut backend, files) = (ServiceBackend::start().await, shop());
    let settings = with_shop(Settings::default(), &files, backend.url());
    let mut cluster = Cluster::on_redis_alone(2, settings).await;
    let alice = client(cluster.front.address(), "alice");
    alice.connect().await.unwrap();
    let options = || CallOptions::default().call_id("c1");
    let (called, first) = tokio::join!(alice.call::<Value>("shop", "pay", "42", options()), async {
        let request = backend.next().await;
        let sessions = cluster.nodes[0].api().get("/api/v1/users/alice/sessions").await;
        let node = usize::from(sessions["sessions"][0]["node"] == "node-1");
        cluster.nodes[node].kill().await;
        request
    });
    let error = called.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    let key = first.headers["idempotency-key"].clone();
    first.answer(200, &json!({ "data": "too late" })).await;

    let mut state = alice.state();
    must("the client is connected again", state.wait_for(|state| matches!(state, State::Connected(_)))).await.unwrap();
    assert!(!backend.has_request(), "only the app repeats a call");
    let (repeated, ()) = tokio::join!(alice.call::<Value>("shop", "pay", "42", options()), async {
        let second = backend.next().await;
        assert_eq!(second.headers["idempotency-key"], key, "the backend recognises the repeat on another node");
        second.answer(200, &json!({ "data": "paid" })).await;
    });
    assert_eq!(repeated.unwrap(), json!("paid"));
}

#[tokio::test(flavor = "multi_thread")]
async fn node_that_shuts_down_ends_calls_and_keeps_the_rest() {
    let (mut backend, files) = (ServiceBackend::start().await, shop());
    let settings = with_shop(Settings::default(), &files, backend.url())
        .set("drain.delay", "\"0s\"")
        .set("drain.spread", "\"1s\"")
        .set("drain.grace", "\"3s\"");
    let mut gateway = Gateway::with(settings).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.send(pay("c1")).await;
    let request = backend.next().await;
    gateway.signal("TERM").await;
    let hint = alice.wait_for("reconnect").await;
    assert_eq!(hint["type"], "reconnect");
    // The answer of a backend counts while clients are moved away.
    request.answer(200, &json!({ "data": "done" })).await;
    assert_eq!(alice.wait_for("call_result").await["data"], "done");
    assert_eq!(gateway.exit_code().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_over_rabbitmq_are_not_made_while_the_broker_is_away() {
    let files = shop();
    let mut cluster = Cluster::with(1, with_shop(Settings::default(), &files, "amqp")).await;
    cluster.nodes[0].wait_for_broker().await;
    let backend = Backend::with_default_prefix(&cluster.amqp()).await;
    let mut requests = backend.listen_to_requests("call.shop.*").await;
    let mut alice = Socket::connect(&cluster.nodes[0], "alice").await;
    alice.send(pay("before")).await;
    let request = requests.next().await;
    backend.reply(&request, r#"{"data":"before"}"#).await;
    assert_eq!(alice.wait_for("call_result").await["data"], "before");

    alice.send(pay("cut")).await;
    requests.next().await;
    cluster.with_broker(|rabbit| rabbit.process().kill());
    let error = alice.wait_for("error").await;
    assert_eq!(
        (&error["code"], &error["details"]["reason"]),
        (&json!("call_unknown"), &json!("connection")),
        "{error}"
    );
    for n in 0..5 {
        let mut call = pay(&format!("away-{n}"));
        call["timeoutMs"] = json!(500);
        let error = alice.request(call).await;
        assert_eq!((&error["code"], error["retryAfterMs"].is_u64()), (&json!("unavailable"), true), "{error}");
    }
    cluster.with_broker(|rabbit| rabbit.restart());
    cluster.nodes[0].wait_for_broker().await;
    let backend = Backend::with_default_prefix(&cluster.amqp()).await;
    let mut requests = backend.listen_to_requests("call.shop.*").await;
    // The channel for requests opens soon after the connection.
    let mut attempt = 0;
    let request = loop {
        attempt += 1;
        alice.send(pay(&format!("after-{attempt}"))).await;
        let answer = async { alice.wait_for("error").await };
        tokio::select! {
            request = requests.next() => break request,
            error = answer => assert_eq!(error["code"], "unavailable", "{error}"),
            () = tokio::time::sleep(Duration::from_secs(30)) => panic!("no call after the broker is back"),
        }
    };
    let id = request.body["callId"].as_str().unwrap().to_owned();
    assert!(id.starts_with("after-"), "{id} was not made, and reached the backend after all");
    backend.reply(&request, r#"{"data":"after"}"#).await;
    let result = alice.wait_for("call_result").await;
    assert_eq!((&result["data"], &result["callId"]), (&json!("after"), &json!(id)));
}
