//! `gateway tail`: what goes through all nodes, live and from the log, without content unless it is asked for.

use std::process::Stdio;

use realtime_gateway_tests::{Api, Gateway, ServiceBackend, ServiceFiles, Settings, Socket, must};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

use crate::{declared_services::Contracts, two_nodes::Pair};

/// A running `gateway tail`.
pub(crate) struct Tail {
    lines: Lines<BufReader<ChildStdout>>,
    child: Child,
}

impl Tail {
    /// Starts a tail. The gateway opens it a little later.
    pub(crate) fn start(gateway: &Gateway, arguments: &[&str]) -> Self {
        let url = format!("http://{}", gateway.address());
        let mut child = Command::new(realtime_gateway_tests::gateway_program())
            .args(["tail", "--json", "--gateway", &url, "--api-key", Api::KEY])
            .args(arguments)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { lines, child }
    }

    pub(crate) async fn next(&mut self) -> Value {
        let line = must("a line", self.lines.next_line()).await.unwrap().expect("the tail goes on");
        serde_json::from_str(&line).unwrap()
    }

    /// Sends messages to a clan until the tail shows one, and returns its line.
    pub(crate) async fn after_opening(&mut self, socket: &mut Socket, clan: &str) -> Value {
        loop {
            socket.chat(clan, "are you there").await;
            tokio::select! {
                line = self.next() => return line,
                () = tokio::time::sleep(std::time::Duration::from_millis(100)) => {}
            }
        }
    }
}

#[tokio::test]
async fn ends_when_no_program_reads_its_output() {
    let gateway = Gateway::start().await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    let mut tail = Tail::start(&gateway, &["--service", "clan_chat", "--topic", "c"]);
    tail.after_opening(&mut alice, "c").await;
    let Tail { lines, mut child } = tail;
    // As in `gateway tail | head -1`. No further line comes.
    drop(lines);
    assert!(must("the end of the tail", child.wait()).await.unwrap().success());
}

#[tokio::test]
async fn shows_entries_of_all_nodes_without_content() {
    let pair = Pair::with(Settings::default()).await;
    let mut alice = Socket::connect(&pair.far, "alice").await;
    let mut tail = Tail::start(&pair.near, &[]);
    let first = tail.after_opening(&mut alice, "warmup").await;
    assert_eq!((&first["topic"], &first["type"]), (&json!("clan:warmup"), &json!("chat")));
    alice.chat("c", "a secret").await;
    pair.near.api().notify("bob", "another secret").await;
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let line = tail.next().await;
        assert!(!line.to_string().contains("secret"), "{line}");
        if line["topic"] != "clan:warmup" {
            seen.push(line);
        }
    }
    let chat = seen.iter().find(|line| line["topic"] == "clan:c").unwrap();
    assert_eq!((&chat["userId"], &chat["offset"], &chat["type"]), (&json!("alice"), &json!(1), &json!("chat")));
    let notification = seen.iter().find(|line| line["topic"] == "user:bob").unwrap();
    assert_eq!(notification["type"], "notification");
}

#[tokio::test]
async fn begins_in_the_log_and_filters() {
    let gateway = Gateway::start().await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    let mut bob = Socket::connect(&gateway, "bob").await;
    for n in 0..3 {
        alice.chat("c", &format!("past {n}")).await;
        bob.chat("c", "of another user").await;
    }
    let arguments = ["--service", "clan_chat", "--topic", "c", "--since", "10m", "--user", "alice", "--content"];
    let mut tail = Tail::start(&gateway, &arguments);
    for n in 0..3 {
        let line = tail.next().await;
        assert_eq!((&line["message"]["content"], &line["offset"]), (&json!(format!("past {n}")), &json!(2 * n + 1)));
    }
    bob.chat("c", "live").await;
    alice.chat("other", "live").await;
    alice.chat("c", "live").await;
    let line = tail.next().await;
    assert_eq!((&line["message"]["content"], &line["offset"]), (&json!("live"), &json!(8)));
}

#[tokio::test]
async fn merges_logs_by_time_without_a_topic() {
    let gateway = Gateway::start().await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    let mut bob = Socket::connect(&gateway, "bob").await;
    for n in 0..6 {
        let clan = if n % 2 == 0 { "even" } else { "odd" };
        alice.chat(clan, &n.to_string()).await;
        // Entries of different logs are ordered by their time in milliseconds.
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    bob.chat("bobs", "6").await;
    gateway.api().notify("alice", "pending").await;
    let mut tail = Tail::start(&gateway, &["--since", "10m", "--content"]);
    for n in 0..7 {
        assert_eq!(tail.next().await["message"]["content"], json!(n.to_string()));
    }
    alice.chat("odd", "live").await;
    let line = tail.next().await;
    assert_eq!((&line["message"]["content"], &line["offset"]), (&json!("live"), &json!(4)));

    let mut of_alice = Tail::start(&gateway, &["--since", "10m", "--user", "alice"]);
    let mut topics = Vec::new();
    for _ in 0..8 {
        topics.push(of_alice.next().await["topic"].as_str().unwrap().to_owned());
    }
    assert_eq!(topics.iter().filter(|topic| *topic == "user:alice").count(), 1, "{topics:?}");
    assert!(!topics.contains(&"clan:bobs".to_owned()), "{topics:?}");
    let mut of_service = Tail::start(&gateway, &["--since", "10m", "--service", "notifications", "--topic", "alice"]);
    assert_eq!(of_service.next().await["topic"], "user:alice");
}

#[tokio::test]
async fn shows_events_of_topics_without_history_of_all_nodes() {
    let pair = Pair::with(Contracts::new().settings(Settings::default())).await;
    let publish = async |gateway: &Gateway, text: &str| {
        let path = "/api/v1/services/orders/topics/courier-eu/events";
        let event = json!({ "data": { "type": "comment", "text": text } });
        assert_eq!(gateway.api().call(Method::POST, path, Some(event)).await.status(), StatusCode::NO_CONTENT);
    };
    let mut tail = Tail::start(&pair.near, &["--service", "orders", "--content"]);
    let mut line = loop {
        publish(&pair.near, "is it open").await;
        tokio::select! {
            line = tail.next() => break line,
            () = tokio::time::sleep(std::time::Duration::from_millis(100)) => {}
        }
    };
    assert_eq!((&line["type"], &line["topic"]), (&json!("ephemeral_event"), &json!("service:orders:courier-eu")));
    for (gateway, text) in [(&pair.near, "near"), (&pair.far, "far")] {
        publish(gateway, text).await;
        while line["message"]["data"]["text"] != text {
            line = tail.next().await;
        }
    }
}

#[tokio::test]
async fn says_that_older_entries_are_not_shown() {
    let gateway = Gateway::start().await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    let text = "x".repeat(4_000);
    for n in 0..2_250 {
        alice.chat(&format!("clan{}", n % 3), &text).await;
    }
    let mut tail = Tail::start(&gateway, &["--since", "10m"]);
    assert_eq!(tail.next().await, json!({ "cut": true }));
    let mut shown = 0;
    while tail.next().await["offset"] != 750 {
        shown += 1;
    }
    assert!((1_800..2_247).contains(&shown), "{shown} of 8 MiB");
}

#[tokio::test]
async fn shows_sessions_calls_typing_and_presence_of_all_nodes() {
    let mut backend = ServiceBackend::start().await;
    let contract = r#"
name = "orders"
schema = "orders.schema.json"
[topics.order]
pattern = "order-{orderId}"
event = "Any"
subscribe = "user"
presence = "Any"
[calls.cancel]
request = "Any"
response = "Any"
allow = "user"
"#;
    let files = ServiceFiles::new("orders", contract, r#"{ "$defs": { "Any": {} } }"#);
    let settings = files.with_backend(Settings::default(), backend.url()).set("presence.grace", "\"0s\"");
    let pair = Pair::with(settings).await;
    let mut tail = Tail::start(&pair.near, &[]);
    // The other node sends what its sessions do once the tail is open.
    let mut opened = loop {
        let visitor = Socket::connect(&pair.far, "visitor").await;
        tokio::select! {
            line = tail.next() => break line,
            () = tokio::time::sleep(std::time::Duration::from_millis(100)) => visitor.close().await,
        }
    };
    while opened["type"] != "session_opened" {
        opened = tail.next().await;
    }
    assert_eq!((&opened["userId"], &opened["node"]), (&json!("visitor"), &json!("far")), "{opened}");

    let mut alice = Socket::connect(&pair.far, "alice").await;
    let secret = json!({ "step": "a secret" });
    alice.send(json!({ "type": "typing", "clanId": "c", "isTyping": true })).await;
    let subscribe = json!({
        "type": "subscribe", "service": "orders", "topic": "order-1", "presence": true, "presenceData": secret,
    });
    alice.send(subscribe).await;
    alice.send(json!({ "type": "call", "service": "orders", "method": "cancel", "data": secret })).await;
    backend.next().await.answer(409, &json!({ "code": "shipped" })).await;
    alice.wait_for("error").await;
    alice.send(json!({ "type": "call", "service": "orders", "method": "nothing", "data": secret })).await;
    alice.wait_for("error").await;
    alice.close().await;
    let mut seen = Vec::new();
    while !seen.iter().any(|line: &Value| line["type"] == "session_ended")
        || !seen.iter().any(|line| line["status"] == "offline")
    {
        let line = tail.next().await;
        assert!(!line.to_string().contains("secret"), "{line}");
        if line["userId"] == "alice" {
            seen.push(line);
        }
    }
    let of = |type_name: &str| seen.iter().filter(|line| line["type"] == type_name).collect::<Vec<_>>();
    assert_eq!((of("session_opened").len(), of("session_ended").len()), (1, 1), "{seen:?}");
    let ended = of("session_ended")[0];
    assert_eq!(ended["sessionId"], of("session_opened")[0]["sessionId"]);
    assert!(ended["code"].is_u64() && ended["durationMs"].is_u64(), "{ended}");
    let typing = of("typing")[0];
    assert_eq!((&typing["topic"], &typing["status"]), (&json!("clan:c"), &json!("started")));
    let online = of("topic_presence_changed")[0];
    assert_eq!((&online["topic"], &online["status"]), (&json!("service:orders:order-1"), &json!("online")));
    let outcomes: Vec<_> = of("call").iter().map(|line| (line["method"].clone(), line["outcome"].clone())).collect();
    assert_eq!(outcomes, [("cancel".into(), "call_failed".into()), ("nothing".into(), "unknown_method".into())]);
    assert!(of("call")[0]["durationMs"].is_u64() && of("call")[0]["service"] == "orders");
}

#[tokio::test]
async fn refuses_what_it_cannot_show() {
    let gateway = Gateway::start().await;
    for (query, code) in [("topic=c", "invalid_message"), ("since=x&user=a", "invalid_message")] {
        let (status, problem) = gateway.api().json(Method::GET, &format!("/api/v1/tail?{query}"), None).await;
        assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!(code)), "{query}: {problem}");
    }
    let mut open = Vec::new();
    for _ in 0..8 {
        open.push(gateway.api().call(Method::GET, "/api/v1/tail", None).await);
    }
    let (status, problem) = gateway.api().json(Method::GET, "/api/v1/tail", None).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("tail_limit")));
}

#[tokio::test]
async fn reader_that_does_not_read_delays_nothing() {
    let gateway = Gateway::start().await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    let response = gateway.api().call(Method::GET, "/api/v1/tail?content=true", None).await;
    let text = "x".repeat(4_000);
    for _ in 0..2_000 {
        alice.send(json!({ "type": "chat", "clanId": "c", "content": text })).await;
        alice.wait_for("message_sent").await;
    }
    let mut response = response;
    let (mut received, mut buffer) = (0_u64, String::new());
    let mut dropped = 0;
    while received + dropped < 2_000 {
        let chunk = must("a chunk", response.chunk()).await.unwrap().expect("the tail goes on");
        buffer.push_str(&String::from_utf8_lossy(&chunk));
        while let Some((line, rest)) = buffer.split_once('\n') {
            if let Ok(line) = serde_json::from_str::<Value>(line) {
                match line["dropped"].as_u64() {
                    Some(count) => dropped += count,
                    None => received += 1,
                }
            }
            buffer = rest.to_owned();
        }
    }
    assert_eq!(received + dropped, 2_000, "every entry is shown or counted");
    assert!(dropped > 0, "the queue is bounded");
}

#[tokio::test]
async fn node_shuts_down_with_open_tail() {
    let mut gateway = Gateway::start().await;
    let mut response = gateway.api().call(Method::GET, "/api/v1/tail", None).await;
    gateway.signal("TERM").await;
    assert_eq!(gateway.exit_code().await, Some(0));
    while let Ok(Some(_)) = response.chunk().await {}
}
