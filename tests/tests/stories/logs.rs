//! Log content: it never contains secrets or message content, and clients cannot flood it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use realtime_gateway_brokers::redis::{Persistence, RedisServer};
use realtime_gateway_protocol::Timestamp;
use realtime_gateway_tests::{Api, Gateway, Settings, Socket, Token, eventually, must, within};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt},
    net::TcpStream,
    process::Command,
};

#[tokio::test]
async fn never_logs_tokens_or_content() {
    let gateway = Gateway::start().await;
    let token = Token::for_user("alice").text();
    let mut by_query = Socket::open(&gateway, &format!("/ws?token={token}"), None).await.unwrap();
    by_query.expect("connected").await;
    by_query.join("c").await;
    by_query.chat("c", "a-word-that-only-this-test-uses").await;
    by_query
        .send(json!({ "type": "chat", "clanId": "c", "content": 7, "data": "a-word-that-only-this-test-uses" }))
        .await;
    by_query.wait_for("error").await;
    let refused = by_query.request(json!({ "type": "authenticate", "token": "a-word-that-only-this-test-uses" })).await;
    assert_eq!(refused["code"], "unauthorized");
    gateway.api().notify("alice", "a-word-that-only-this-test-uses").await;
    by_query.close().await;
    eventually("the session's end is logged", || async {
        gateway.log().iter().any(|line| line.contains("session ended"))
    })
    .await;
    for line in gateway.log() {
        let signature = token.rsplit('.').next().unwrap();
        assert!(!line.contains("a-word-that-only-this-test-uses") && !line.contains(signature), "{line}");
        assert!(!line.contains(realtime_gateway_tests::SECRET), "{line}");
    }
}

/// Returns the log lines above `debug`, grouped by message and `kind`.
fn lines_by_message(gateway: &Gateway) -> BTreeMap<String, Vec<Value>> {
    let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in gateway.log().iter().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        if line["level"] != "DEBUG" && line["level"] != "TRACE" {
            let field = |name: &str| line["fields"][name].as_str().unwrap_or_default();
            let message = format!("{} {}", field("message"), field("kind"));
            found.entry(message.trim().to_owned()).or_default().push(line);
        }
    }
    found
}

#[tokio::test]
async fn limits_log_lines_caused_by_clients() {
    const TIMES: usize = 100;
    let mut redis = RedisServer::start(Persistence::None);
    let started = Instant::now();
    let sha256 = Api::KEY_SHA256;
    let settings = Settings::default()
        .set("store.url", &format!("{:?}", redis.url()))
        .set("auth.api_keys", &format!("[{{ name = \"reader\", sha256 = \"{sha256}\", scopes = [\"read\"] }}]"));
    let gateway = Gateway::with(settings).await;
    let mut socket = Socket::connect(&gateway, "alice").await;
    let notification = json!({ "userId": "alice", "title": "t", "message": "m" });
    for number in 0..TIMES {
        // Silent sockets, bytes that are not HTTP, invalid tokens, refused origins, and sessions that open and close.
        drop(TcpStream::connect(gateway.address()).await.unwrap());
        let mut junk = TcpStream::connect(gateway.address()).await.unwrap();
        junk.write_all(b"\x16\x03\x01 nonsense\r\n\r\n").await.unwrap();
        assert!(Socket::open(&gateway, "/ws", Some("nonsense")).await.is_err());
        let origin = ("origin", format!("https://page-{number}.example"));
        assert!(Socket::open_with(&gateway, "/ws", &[origin]).await.is_err());
        // Invalid messages, rejected commands, and requests whose API key lacks a scope.
        let mut client = Socket::connect(&gateway, &format!("user-{number}")).await;
        for text in ["no json", r#"{"type":"nonsense"}"#, r#"{"type":"publish","service":"s","topic":"t","data":1}"#] {
            client.send_text(text).await;
            client.expect("error").await;
        }
        client.close().await;
        let response = gateway.api().call(Method::POST, "/api/v1/notifications", Some(notification.clone())).await;
        assert_eq!(response.status(), 403);
    }
    redis.process().kill();
    for _ in 0..TIMES {
        let refused = socket.request(json!({ "type": "chat", "clanId": "c", "content": "x" })).await;
        assert_eq!(refused["code"], "unavailable");
    }
    let at_most = 2 + started.elapsed().as_secs() / 10;
    for (message, lines) in lines_by_message(&gateway) {
        assert!(lines.len() as u64 <= at_most, "{} lines of {message:?}, {at_most} expected", lines.len());
    }
}

#[tokio::test]
async fn aggregates_log_lines_of_failed_accepts() {
    const MESSAGE: &str = "cannot accept sockets; retrying";
    let gateway = Gateway::with(Settings::default().set("limits.handshake_timeout", "\"60s\"")).await;
    // The limit is the number of open files plus five.
    let limit = format!("--nofile={}", std::fs::read_dir(format!("/proc/{}/fd", gateway.pid())).unwrap().count() + 5);
    let limited = Command::new("prlimit").args(["--pid", &gateway.pid().to_string(), &limit]).status().await;
    assert!(limited.unwrap().success());
    let mut sockets = Vec::new();
    for _ in 0..20 {
        sockets.push(TcpStream::connect(gateway.address()).await.unwrap());
    }
    let lines = || lines_by_message(&gateway).remove(MESSAGE).unwrap_or_default();
    within(Duration::from_secs(40), "a second line is logged", || async { lines().len() >= 2 }).await;
    let lines = lines();
    let at = |line: &Value| Timestamp::read(line["timestamp"].as_str().unwrap()).unwrap().millis();
    assert!(at(&lines[1]) - at(&lines[0]) >= 9_900, "{lines:?}");
    assert!(lines[1]["fields"]["suppressed"].as_u64().unwrap() > 10, "{lines:?}");
}

#[tokio::test]
async fn escapes_control_characters_in_every_format() {
    let name = "a\u{202e}b\u{7f}\u{200b}\u{9b}\u{1b}[31m\ninjected";
    let sha256 = Api::KEY_SHA256;
    let written: String = name
        .chars()
        .map(|c| if c.is_ascii_graphic() { c.to_string() } else { format!("\\u{:04x}", u32::from(c)) })
        .collect();
    for format in ["json", "pretty"] {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings::default()
            .set("log.format", &format!("{format:?}"))
            .set("auth.api_keys", &format!("[{{ name = \"{written}\", sha256 = \"{sha256}\" }}]"));
        let mut command = Gateway::serve_command(dir.path(), &settings);
        let mut gateway = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
        let mut lines = tokio::io::BufReader::new(gateway.stderr.take().unwrap()).split(b'\n');
        let mut text = Vec::new();
        while let Some(line) = must("a line", lines.next_segment()).await.unwrap() {
            text.extend(line);
            text.push(b'\n');
            if String::from_utf8_lossy(&text).contains("listening") {
                break;
            }
        }
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("injected") && text.contains("202e"), "{text}");
        let raw = text.chars().find(|c| (c.is_control() && *c != '\n') || "\u{202e}\u{200b}".contains(*c));
        assert_eq!(raw, None, "{format}: {text:?}");
        assert!(text.lines().all(|line| !line.starts_with("injected")), "a line was forged: {text}");
    }
}
