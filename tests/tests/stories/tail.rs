//! `gateway tail`: what goes through all nodes, live and from the log, without content unless it is asked for.

use std::process::Stdio;

use realtime_gateway_tests::{Api, Gateway, Settings, Socket, must};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

use crate::two_nodes::Pair;

/// A running `gateway tail`.
struct Tail {
    lines: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Tail {
    /// Starts a tail. The gateway opens it a little later.
    fn start(gateway: &Gateway, arguments: &[&str]) -> Self {
        let url = format!("http://{}", gateway.address());
        let mut child = Command::new(realtime_gateway_tests::gateway_program())
            .args(["tail", "--json", "--gateway", &url, "--api-key", Api::KEY])
            .args(arguments)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { lines, _child: child }
    }

    async fn next(&mut self) -> Value {
        let line = must("a line", self.lines.next_line()).await.unwrap().expect("the tail goes on");
        serde_json::from_str(&line).unwrap()
    }

    /// Sends messages to a clan until the tail shows one, and returns its line.
    async fn after_opening(&mut self, socket: &mut Socket, clan: &str) -> Value {
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
async fn refuses_what_it_cannot_show() {
    let gateway = Gateway::start().await;
    for (query, code) in
        [("since=10m", "invalid_message"), ("topic=c", "invalid_message"), ("since=x&user=a", "invalid_message")]
    {
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
