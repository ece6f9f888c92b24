//! The backend of a declared service decides who may subscribe to a topic, and what is published to it.

mod without_history;

use realtime_gateway_tests::{
    BackendRequest, Gateway, ServiceBackend, ServiceFiles, Settings, Socket, Token, eventually,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const SCHEMA: &str = r##"{ "$defs": {
  "Draft": { "type": "object", "required": ["text"], "properties": { "text": { "type": "string" } } },
  "Post": { "type": "object", "required": ["text", "by"], "properties": { "by": { "type": "string" } } }
} }"##;

const CONTRACT: &str = r#"
name = "forum"
schema = "forum.schema.json"
[topics.room]
pattern = "room-{region}-{roomId}"
event = "Post"
subscribe = "backend"
publish = { type = "Draft", allow = "backend" }
presence = true
[topics.mine]
pattern = "user-{userId}"
event = "Post"
subscribe = "backend"
publish = { type = "Post", allow = "backend" }
[topics.open]
pattern = "open-{roomId}"
event = "Post"
subscribe = "user"
publish = { type = "Draft", allow = "backend" }
[topics.live]
pattern = "live-{roomId}"
event = "Post"
subscribe = "user"
publish = { type = "Draft", allow = "backend" }
history = false
[calls.report]
request = "Draft"
response = "Post"
allow = "user"
"#;

/// A gateway with the service `forum`, and its backend.
struct Forum {
    gateway: Gateway,
    backend: ServiceBackend,
    files: ServiceFiles,
}

impl Forum {
    async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    async fn with(settings: Settings) -> Self {
        let (files, backend) = (ServiceFiles::new("forum", CONTRACT, SCHEMA), ServiceBackend::start().await);
        let gateway = Gateway::with(files.with_backend(settings, backend.url())).await;
        Self { gateway, backend, files }
    }

    async fn connect(&self, user: &str) -> Socket {
        Socket::connect(&self.gateway, user).await
    }

    /// Waits for the next request, which must be of a kind.
    async fn request(&mut self, kind: &str) -> BackendRequest {
        let request = self.backend.next().await;
        assert_eq!(request.body()["type"], kind, "{}", request.text);
        request
    }

    /// Subscribes a user to a topic that the backend allows.
    async fn subscribe(&mut self, socket: &mut Socket, topic: &str) {
        socket.send(subscribe(topic)).await;
        self.request("subscribe").await.answer(200, &json!({ "allowed": true })).await;
        socket.expect("subscription_confirmed").await;
    }
}

fn subscribe(topic: &str) -> Value {
    json!({ "type": "subscribe", "service": "forum", "topic": topic })
}

fn publish(topic: &str, text: &str, id: &str) -> Value {
    let data = json!({ "text": text });
    json!({ "type": "publish", "service": "forum", "topic": topic, "data": data, "clientMessageId": id, "requestId": id })
}

fn post(text: &str) -> Value {
    json!({ "text": text, "by": "backend" })
}

async fn metrics(gateway: &Gateway) -> String {
    gateway.api().call(Method::GET, "/metrics", None).await.text().await.unwrap()
}

#[tokio::test]
async fn backend_is_asked_once_who_may_subscribe_and_read() {
    let mut forum = Forum::start().await;
    let mut alice = forum.connect("alice").await;
    alice.send(subscribe("room-eu-1")).await;
    let request = forum.request("subscribe").await;
    let body = request.body();
    assert_eq!(
        (&body["service"], &body["userId"], &body["topic"], &body["params"]),
        (&json!("forum"), &json!("alice"), &json!("room-eu-1"), &json!({ "region": "eu", "roomId": "1" }))
    );
    assert!(body["sessionId"].is_string() && request.headers["webhook-signature"].starts_with("v1,"));
    request.answer(200, &json!({ "allowed": true, "ttlSeconds": 600 })).await;
    alice.expect("subscription_confirmed").await;
    // History and presence are covered by the same decision, which is cached.
    for command in ["topic_history", "topic_presence"] {
        let reply = alice.request(json!({ "type": command, "service": "forum", "topic": "room-eu-1" })).await;
        assert_eq!(reply["type"], command);
    }
    alice.request(json!({ "type": "unsubscribe", "service": "forum", "topic": "room-eu-1" })).await;
    assert_eq!(alice.request(subscribe("room-eu-1")).await["type"], "subscription_confirmed");
    assert!(!forum.backend.has_request());
    // Another user needs a decision of its own.
    let mut bob = forum.connect("bob").await;
    bob.send(subscribe("room-eu-1")).await;
    let denial = json!({ "code": "banned", "message": "you are banned" });
    forum.request("subscribe").await.answer(403, &denial).await;
    let refused = bob.expect("error").await;
    assert_eq!((&refused["code"], &refused["message"]), (&json!("forbidden"), &json!("you are banned")));
    assert_eq!(refused["details"], json!({ "status": 403, "code": "banned", "message": "you are banned" }));
    bob.send(subscribe("room-eu-2")).await;
    forum.request("subscribe").await.answer(200, &json!({ "allowed": false })).await;
    assert_eq!(bob.expect("error").await["code"], "forbidden");
}

#[tokio::test]
async fn topic_of_another_user_is_forbidden_without_a_question() {
    let mut forum = Forum::start().await;
    let mut alice = forum.connect("alice").await;
    assert_eq!(alice.request(subscribe("user-bob")).await["code"], "forbidden");
    let data = post("x");
    let publish = json!({ "type": "publish", "service": "forum", "topic": "user-bob", "data": data });
    assert_eq!(alice.request(publish).await["code"], "forbidden");
    assert!(!forum.backend.has_request());
    alice.send(subscribe("user-alice")).await;
    forum.request("subscribe").await.answer(200, &json!({ "allowed": false })).await;
    assert_eq!(alice.expect("error").await["code"], "forbidden", "the owner needs the backend's permission too");
}

#[tokio::test]
async fn no_usable_answer_to_subscribe_is_unavailable() {
    let mut forum = Forum::with(Settings::default().set("services.forum.backend.timeout", "\"300ms\"")).await;
    let mut alice = forum.connect("alice").await;
    for (status, body) in [
        (503, ""),
        (429, ""),
        (408, ""),
        (500, ""),
        (204, ""),
        (200, "{}"),
        (200, "no JSON"),
        (200, "[true,60]"),
        (302, ""),
    ] {
        alice.send(subscribe("room-eu-1")).await;
        forum.request("subscribe").await.answer_with(status, "", body).await;
        let error = alice.expect("error").await;
        assert_eq!(error["code"], "unavailable", "{status} {body}");
        assert!(error["retryAfterMs"].is_u64());
    }
    alice.send(subscribe("room-eu-1")).await;
    forum.request("subscribe").await.hang_up();
    assert_eq!(alice.expect("error").await["code"], "unavailable");
    alice.send(subscribe("room-eu-1")).await;
    let unanswered = forum.request("subscribe").await;
    assert_eq!(alice.expect("error").await["code"], "unavailable");
    drop(unanswered);
    forum.subscribe(&mut alice, "room-eu-1").await;
}

#[tokio::test]
async fn subscription_ends_when_backend_withdraws_permission() {
    let mut forum = Forum::start().await;
    let mut alice = forum.connect("alice").await;
    alice.send(subscribe("room-eu-1")).await;
    forum.request("subscribe").await.answer(200, &json!({ "allowed": true, "ttlSeconds": 1 })).await;
    alice.expect("subscription_confirmed").await;
    // A backend that does not answer ends no subscription within the grace.
    forum.request("subscribe").await.hang_up();
    forum.request("subscribe").await.answer(200, &json!({ "allowed": false })).await;
    let ended = alice.expect("subscription_ended").await;
    assert_eq!((&ended["code"], &ended["topic"]), (&json!("forbidden"), &json!("room-eu-1")));
}

#[tokio::test]
async fn backend_replaces_the_data_that_is_stored() {
    let mut forum = Forum::start().await;
    let mut alice = forum.connect("alice").await;
    forum.subscribe(&mut alice, "room-eu-1").await;
    alice.send(publish("room-eu-1", "hello", "m1")).await;
    let request = forum.request("publish").await;
    let body = request.body();
    assert_eq!(
        (&body["topic"], &body["params"]["roomId"], &body["data"], &body["clientMessageId"], &body["userId"]),
        (&json!("room-eu-1"), &json!("1"), &json!({ "text": "hello" }), &json!("m1"), &json!("alice"))
    );
    request.answer(200, &json!({ "data": post("HELLO") })).await;
    let sent = alice.wait_for("message_sent").await;
    assert_eq!(
        (&sent["offset"], &sent["clientMessageId"], &sent["requestId"]),
        (&json!(1), &json!("m1"), &json!("m1"))
    );
    // A repeat is not asked about again, and other data with the same id is a conflict.
    let repeat = alice.request(publish("room-eu-1", "hello", "m1")).await;
    assert_eq!(
        (&repeat["type"], &repeat["offset"], &repeat["duplicate"]),
        (&json!("message_sent"), &json!(1), &json!(true))
    );
    assert_eq!(alice.request(publish("room-eu-1", "other", "m1")).await["code"], "conflict");
    assert!(!forum.backend.has_request());
    let page = alice.request(json!({ "type": "topic_history", "service": "forum", "topic": "room-eu-1" })).await;
    assert_eq!((&page["events"][0]["data"], &page["events"][0]["userId"]), (&post("HELLO"), &json!("alice")));
    // 204 leaves the data as it is, which must be an event then.
    let data = post("mine");
    alice
        .send(json!({ "type": "publish", "service": "forum", "topic": "user-alice", "data": data, "requestId": "as-it-is" }))
        .await;
    forum.request("publish").await.answer_with(204, "", "").await;
    assert_eq!(alice.expect("message_sent").await["requestId"], "as-it-is");
}

#[tokio::test]
async fn refusal_and_outage_of_backend_store_nothing() {
    let mut forum = Forum::start().await;
    let mut alice = forum.connect("alice").await;
    let not_post = json!({ "data": { "text": "without by" } }).to_string();
    let deep = format!(r#"{{"data":{{"text":"hello","by":"alice","list":{}{}}}}}"#, "[".repeat(63), "]".repeat(63));
    for (status, body, code) in [
        (400, r#"{"code":"profanity","message":"mind your language"}"#, "forbidden"),
        (404, "", "forbidden"),
        (408, "", "unavailable"),
        (429, "", "unavailable"),
        (503, "", "unavailable"),
        (500, "", "unavailable"),
        (204, "", "unavailable"),
        (200, "rubbish", "unavailable"),
        (200, not_post.as_str(), "unavailable"),
        (200, "{}", "unavailable"),
        (200, r#"[{"text":"hello","by":"alice"}]"#, "unavailable"),
        (200, r#"{"data":{"text":"\u0000","by":"alice"}}"#, "unavailable"),
        (200, deep.as_str(), "unavailable"),
    ] {
        alice.send(publish("open-1", "hello", "m1")).await;
        forum.request("publish").await.answer_with(status, "", body).await;
        let error = alice.expect("error").await;
        assert_eq!((&error["code"], &error["requestId"]), (&json!(code), &json!("m1")), "{status} {body}");
        match (code, status) {
            ("forbidden", 400) => assert_eq!(error["details"]["code"], "profanity"),
            ("unavailable", _) => {
                assert!(error["message"].as_str().unwrap().contains("clientMessageId"), "{error}");
                assert!(error["retryAfterMs"].is_u64(), "{error}");
            }
            _ => {}
        }
    }
    // Data that is no draft is not sent to the backend.
    let invalid = json!({ "type": "publish", "service": "forum", "topic": "open-1", "data": { "text": 7 } });
    assert_eq!(alice.request(invalid).await["details"]["pointer"], "/text");
    assert!(!forum.backend.has_request());
    alice.send(publish("open-1", "hello", "m1")).await;
    forum.request("publish").await.answer(200, &json!({ "data": post("hello") })).await;
    assert_eq!(alice.expect("message_sent").await["offset"], 1, "nothing was stored before");
    let metrics = metrics(&forum.gateway).await;
    let count = |outcome: &str| {
        let name = format!("gateway_publication_decisions_total{{outcome=\"{outcome}\",service=\"forum\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(name.as_str())?.parse::<f64>().ok())
    };
    assert_eq!((count("allowed"), count("refused"), count("unavailable")), (Some(1.0), Some(2.0), Some(11.0)));
}

#[tokio::test]
async fn publications_of_a_session_are_asked_in_order_and_delay_no_other_command() {
    let mut forum = Forum::start().await;
    let mut alice = forum.connect("alice").await;
    for number in 1..=3 {
        alice.send(publish("open-1", &number.to_string(), &format!("m{number}"))).await;
    }
    // Other commands, also those of another user's publications, do not wait.
    assert_eq!(alice.request(json!({ "type": "ping" })).await["type"], "pong");
    assert_eq!(alice.chat("c", "between").await["type"], "message_sent");
    let first = forum.request("publish").await;
    assert_eq!(first.body()["data"]["text"], "1");
    let mut bob = forum.connect("bob").await;
    bob.send(publish("open-1", "of bob", "b1")).await;
    let of_bob = forum.request("publish").await;
    assert_eq!(of_bob.body()["userId"], "bob");
    of_bob.answer(200, &json!({ "data": post("of bob") })).await;
    assert_eq!(bob.expect("message_sent").await["offset"], 1);
    assert!(!forum.backend.has_request(), "the second publication waits for the first");
    first.answer(200, &json!({ "data": post("1") })).await;
    let second = forum.request("publish").await;
    assert_eq!(second.body()["data"]["text"], "2");
    second.answer(403, &json!({})).await;
    forum.request("publish").await.answer(200, &json!({ "data": post("3") })).await;
    let replies = [alice.next().await.unwrap(), alice.next().await.unwrap(), alice.next().await.unwrap()];
    let outcomes = replies.each_ref().map(|reply| (reply["requestId"].as_str().unwrap(), reply["offset"].as_u64()));
    assert_eq!(outcomes, [("m1", Some(2)), ("m2", None), ("m3", Some(3))]);
}

#[tokio::test]
async fn requests_of_a_session_to_backends_are_bounded_together() {
    let mut forum = Forum::with(Settings::default().set("limits.calls_in_flight", "2")).await;
    let mut alice = forum.connect("alice").await;
    let call = json!({ "type": "call", "service": "forum", "method": "report", "data": { "text": "x" } });
    alice.send(call.clone()).await;
    let report = forum.request("call").await;
    alice.send(publish("open-1", "1", "m1")).await;
    let first = forum.request("publish").await;
    let error = alice.request(publish("open-1", "2", "m2")).await;
    assert_eq!((&error["code"], error["retryAfterMs"].is_u64()), (&json!("unavailable"), true));
    assert_eq!(alice.request(call).await["code"], "unavailable");
    first.hang_up();
    assert_eq!(alice.expect("error").await["requestId"], "m1");
    alice.send(publish("open-1", "2", "m2")).await;
    forum.request("publish").await.answer(200, &json!({ "data": post("2") })).await;
    assert_eq!(alice.expect("message_sent").await["requestId"], "m2");
    report.answer(200, &json!({ "data": post("x") })).await;
    alice.expect("call_result").await;
}

#[tokio::test]
async fn publication_of_a_session_that_ends_is_stored_nevertheless() {
    let mut forum = Forum::start().await;
    let mut alice = forum.connect("alice").await;
    alice.send(publish("open-1", "last words", "m1")).await;
    let request = forum.request("publish").await;
    drop(alice);
    eventually("the session has ended", async || metrics(&forum.gateway).await.contains("gateway_sessions_active 0\n"))
        .await;
    request.answer(200, &json!({ "data": post("last words") })).await;
    let mut again = forum.connect("alice").await;
    eventually("the publication is stored", async || {
        let events = "/api/v1/services/forum/topics/open-1/events";
        let (status, page) = forum.gateway.api().json(Method::GET, events, None).await;
        assert_eq!(status, StatusCode::OK);
        page["events"].as_array().unwrap().len() == 1
    })
    .await;
    let repeat = again.request(publish("open-1", "last words", "m1")).await;
    assert_eq!((&repeat["offset"], &repeat["duplicate"]), (&json!(1), &json!(true)));
}

#[tokio::test]
async fn repeat_of_stored_publication_is_confirmed_after_contract_has_become_stricter() {
    let mut forum = Forum::start().await;
    let api = forum.gateway.api();
    let event = json!({ "data": { "text": "t", "by": "b" }, "id": "e1" });
    let events = "/api/v1/services/forum/topics/open-1/events";
    let (status, first) = api.json(Method::POST, events, Some(event.clone())).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let mut alice = forum.connect("alice").await;
    alice.send(publish("open-1", "hello", "m1")).await;
    forum.request("publish").await.answer(200, &json!({ "data": post("hello") })).await;
    alice.expect("message_sent").await;
    let stricter =
        SCHEMA.replace(r#""required": ["text"#, r#""maxProperties": 1, "minProperties": 9, "required": ["text"#);
    forum.files.write_schema(&stricter);
    forum.gateway.signal("HUP").await;
    let reloaded = |line: &String| line.contains("the configuration was reloaded");
    eventually("the reload", async || forum.gateway.log().iter().any(reloaded)).await;
    let (status, repeat) = api.json(Method::POST, events, Some(event)).await;
    assert_eq!((status, &repeat["offset"]), (StatusCode::ACCEPTED, &first["offset"]), "{repeat}");
    assert_eq!(alice.request(publish("open-1", "hello", "m1")).await["duplicate"], true);
    assert_eq!(alice.request(publish("open-1", "new", "m2")).await["code"], "invalid_message");
}

#[tokio::test]
async fn backend_decides_with_the_configured_claims_of_the_latest_token() {
    let mut forum = Forum::with(Settings::default().set("services.forum.backend.claims", "[\"role\"]")).await;
    let token = |role: &str| Token::for_user("alice").claim("role", json!(role)).claim("email", json!("a@example.com"));
    let mut alice = Socket::connect_with(&forum.gateway, &token("guest")).await;
    for role in ["guest", "moderator"] {
        let renewed = alice.request(json!({ "type": "authenticate", "token": token(role).text() })).await;
        assert_eq!(renewed["type"], "authenticated");
        // The decision for the earlier claims does not hold for these.
        alice.send(json!({ "type": "topic_history", "service": "forum", "topic": "room-eu-1" })).await;
        let request = forum.request("subscribe").await;
        assert_eq!(request.body()["claims"], json!({ "role": role }));
        request.answer(200, &json!({ "allowed": true, "ttlSeconds": 600 })).await;
        alice.expect("topic_history").await;
        alice.send(publish("open-1", "hello", role)).await;
        let request = forum.request("publish").await;
        assert_eq!(request.body()["claims"], json!({ "role": role }));
        request.answer(200, &json!({ "data": post("hello") })).await;
        alice.expect("message_sent").await;
    }
}
