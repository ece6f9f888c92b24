//! The contracts, messages and requests of MIGRATION_GUIDE.md, taken from the page and used with a real gateway.

use std::path::Path;

use realtime_gateway_tests::{
    Api, BackendRequest, Gateway, ServiceBackend, ServiceFiles, Settings, Socket, Token, must, write_secret,
};
use serde_json::{Value, json};
use tokio::process::Command;

/// A chapter of the guide.
struct Chapter(String);

impl Chapter {
    /// Returns the text after a heading, up to the next chapter.
    fn after(heading: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../MIGRATION_GUIDE.md");
        let guide = std::fs::read_to_string(path).unwrap();
        let (_, text) = guide.split_once(&format!("\n### {heading}\n")).unwrap();
        Self(text.split("\n## ").next().unwrap().to_owned())
    }

    /// Returns the first block in a language after a text.
    fn block(&self, after: &str, language: &str) -> &str {
        let (_, rest) = self.0.split_once(after).unwrap_or_else(|| panic!("{after} is not in the guide"));
        let (_, block) = rest.split_once(&format!("```{language}\n")).unwrap();
        block.split_once("```").unwrap().0
    }

    /// Returns the lines of JSON of the first block after a text.
    fn messages(&self, after: &str) -> Vec<Value> {
        self.block(after, "json").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// A gateway with the contract of a chapter, and the backend of the service.
struct Story {
    gateway: Gateway,
    backend: ServiceBackend,
    chapter: Chapter,
    files: ServiceFiles,
}

impl Story {
    async fn start(heading: &str, service: &str) -> Self {
        Self::with(heading, service, |settings, _| settings).await
    }

    async fn with(heading: &str, service: &str, more: impl FnOnce(Settings, &Path) -> Settings) -> Self {
        let (chapter, backend) = (Chapter::after(heading), ServiceBackend::start().await);
        let contract = chapter.block(&format!("`{service}.service.toml`:"), "toml");
        let schema = chapter.block(&format!("`{service}.schema.json`:"), "json");
        let files = ServiceFiles::new(service, contract, schema);
        let settings = files.with_backend(Settings::default(), backend.url());
        let gateway = Gateway::with(more(settings, files.folder())).await;
        Self { gateway, backend, chapter, files }
    }

    async fn connect(&self, token: Token) -> Socket {
        Socket::connect_with(&self.gateway, &token).await
    }

    /// Answers the next request to the backend, which has to be the one of the guide.
    async fn answer(&mut self, expected: &Value, answer: &Value) {
        let request = self.backend.next().await;
        assert_eq!(alike(&request, expected), *expected);
        request.answer(200, answer).await;
    }

    /// Runs a shell block of the guide against this gateway.
    async fn shell(&self, after: &str) {
        let script = self.chapter.block(after, "sh").replace("localhost:4000", self.gateway.address());
        let mut shell = Command::new("bash");
        shell.args(["-euc", &script]).env("API_KEY", Api::KEY).kill_on_drop(true);
        let output = must("the request", shell.output()).await.unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(output.status.success() && answer["offset"].is_u64(), "{answer}");
    }
}

/// Returns the body of a request with `…` in place of values that differ each time.
fn alike(request: &BackendRequest, expected: &Value) -> Value {
    let mut body = request.body();
    elide(&mut body, expected);
    body
}

/// Replaces each text that is `…` in the other value.
fn elide(value: &mut Value, other: &Value) {
    match (value, other) {
        (value @ Value::String(_), Value::String(text)) if text == "…" => *value = json!("…"),
        (Value::Object(members), Value::Object(others)) => {
            members.iter_mut().for_each(|(name, value)| elide(value, others.get(name).unwrap_or(&Value::Null)));
        }
        (Value::Array(items), Value::Array(others)) => {
            items.iter_mut().zip(others).for_each(|(value, other)| elide(value, other));
        }
        _ => {}
    }
}

#[tokio::test]
async fn rooms_of_socket_io_work_as_the_guide_says() {
    let mut story = Story::start("Rooms and acknowledgements", "rooms").await;
    let granted = |user: &str| Token::for_user(user).claim("topics", json!({ "rooms": ["room-42"] }));
    let (mut alice, mut bob) = (story.connect(granted("alice")).await, story.connect(granted("bob")).await);
    let messages = story.chapter.messages("in this order:");
    let [subscribe, publish, call] = &messages[..] else { panic!("{messages:?}") };
    bob.send(subscribe.clone()).await;
    bob.expect("subscription_confirmed").await;
    alice.send(subscribe.clone()).await;
    alice.expect("subscription_confirmed").await;
    alice.send(publish.clone()).await;
    assert_eq!(alice.wait_for("message_sent").await["clientMessageId"], publish["clientMessageId"]);
    assert_eq!(bob.wait_for("event").await["data"], publish["data"]);
    alice.send(call.clone()).await;
    let exchange = story.chapter.messages("what the callback got:");
    story.answer(&exchange[0], &exchange[1]).await;
    let result = alice.wait_for("call_result").await;
    assert_eq!((&result["data"], &result["callId"]), (&exchange[1]["data"], &call["callId"]));
    story.shell("from any process:").await;
    assert_eq!(bob.wait_for("event").await["data"], json!({ "type": "renamed", "name": "Lounge" }));

    let mut mallory = story.connect(Token::for_user("mallory")).await;
    assert_eq!(mallory.request(subscribe.clone()).await["code"], "forbidden");
    let presence = story.gateway.api().get("/api/v1/services/rooms/topics/room-42/presence").await;
    assert_eq!(presence["count"], 2, "{presence}");
}

#[tokio::test]
async fn channels_of_pusher_work_as_the_guide_says() {
    let mut receiver = ServiceBackend::start().await;
    let hook = |settings: Settings, folder: &Path| {
        let block = Chapter::after("Private and presence channels, client events, webhooks");
        let table = block.block("members who come and go. `gateway.toml`:", "toml").to_owned();
        let events = table.lines().find_map(|line| line.strip_prefix("events = ")).unwrap();
        settings
            .set("webhooks.app.url", &format!("{:?}", receiver.url()))
            .set("webhooks.app.secret_file", &write_secret(folder))
            .set("webhooks.app.events", events)
    };
    let mut story = Story::with("Private and presence channels, client events, webhooks", "channels", hook).await;
    let mut ada = story.connect(Token::for_user("ada")).await;
    let opened = receiver.next().await;
    assert_eq!(opened.body()["events"][0]["type"], "session.opened");
    opened.answer(204, &json!({})).await;
    let messages = story.chapter.messages("a client of your own:");
    let questions = story.chapter.messages("in the order of the messages above:");
    assert_eq!((messages.len(), questions.len()), (3, 6));
    for (message, exchange) in messages.iter().zip(questions.chunks(2)) {
        ada.send(message.clone()).await;
        story.answer(&exchange[0], &exchange[1]).await;
        match message["type"].as_str().unwrap() {
            "subscribe" => ada.wait_for("subscription_confirmed").await,
            _ => ada.wait_for("message_sent").await,
        };
    }
    let there = ada.wait_for("topic_presence").await;
    assert_eq!(there["users"][0]["data"], messages[2]["presenceData"], "{there}");
    let hook = receiver.next().await;
    let expected = &story.chapter.messages("in place of `X-Pusher-Signature`")[0];
    assert_eq!(alike(&hook, expected), *expected);
    hook.answer(204, &json!({})).await;

    let refused = json!({ "type": "subscribe", "service": "channels", "topic": "private-other" });
    ada.send(refused).await;
    story.backend.next().await.answer(200, &json!({ "allowed": false })).await;
    assert_eq!(ada.wait_for("error").await["code"], "forbidden");
}

#[tokio::test]
async fn namespaces_of_centrifugo_work_as_the_guide_says() {
    let mut story = Story::start("Namespaces, tokens, proxies and RPC", "games").await;
    let configured = story.chapter.block("one URL, `backend.url`. `gateway.toml`:", "toml");
    assert!(configured.contains("games.service.toml") && story.files.folder().join("games.service.toml").is_file());
    let claims = &story.chapter.messages("in addition to `sub` and `exp`:")[0];
    let token = Token::for_user("42").claim("topics", claims["topics"].clone());
    let mut client = story.connect(token.claim("subscribe", claims["subscribe"].clone())).await;
    let inbox = client.expect("subscription_confirmed").await;
    assert_eq!((&inbox["topic"], &inbox["origin"]), (&json!("inbox#42"), &json!("server")));
    let messages = story.chapter.messages("messages of a client of your own:");
    let exchanges = story.chapter.messages("each followed by an answer here. An answer 4xx");
    assert_eq!((messages.len(), exchanges.len()), (4, 6));
    client.send(messages[0].clone()).await;
    client.wait_for("subscription_confirmed").await;
    for (message, exchange) in messages[1..].iter().zip(exchanges.chunks(2)) {
        client.send(message.clone()).await;
        story.answer(&exchange[0], &exchange[1]).await;
        let reply = match message["type"].as_str().unwrap() {
            "subscribe" => "subscription_confirmed",
            "publish" => "message_sent",
            _ => "call_result",
        };
        client.wait_for(reply).await;
    }
    story.shell("The server API's `publish`:").await;
    loop {
        let event = client.wait_for("event").await;
        if event["topic"] == "match:7" {
            assert_eq!(event["data"], json!({ "home": 1, "away": 0 }));
            break;
        }
    }
    let invitation = json!({ "data": { "match": "7" } });
    story.gateway.api().post("/api/v1/services/games/topics/inbox%2342/events", invitation).await;
    assert_eq!(client.wait_for("event").await["topic"], "inbox#42");
    let other = json!({ "type": "subscribe", "service": "games", "topic": "inbox#43" });
    assert_eq!(client.request(other).await["code"], "forbidden");
}
