//! Permissions asked of a backend service over HTTP: cached, bounded in time, closed when it fails, withdrawn live.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use realtime_gateway_tests::{Gateway, Settings, Socket};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// A backend service that answers as it is told to.
struct Backend {
    url: String,
    asked: Arc<AtomicU64>,
    answer: Arc<Mutex<Value>>,
}

impl Backend {
    #[expect(clippy::disallowed_methods, reason = "the task ends with the test's runtime")]
    async fn start(answer: Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/allowed", listener.local_addr().unwrap());
        let (asked, answer) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(answer)));
        let (counted, given) = (asked.clone(), answer.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                while !complete(&request) {
                    if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                        break;
                    }
                }
                counted.fetch_add(1, Ordering::SeqCst);
                let body = given.lock().unwrap().to_string();
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
            }
        });
        Self { url, asked, answer }
    }

    async fn gateway(&self) -> Gateway {
        let settings = Settings::default()
            .set("permissions.source", "\"http\"")
            .set("permissions.url", &format!("\"{}\"", self.url));
        Gateway::with(settings).await
    }
}

/// Whether a request's head and its body, whose length the head tells, are there.
fn complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:").map(str::to_owned));
    body.len() >= length.and_then(|length| length.trim().parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn an_answer_is_cached() {
    let backend = Backend::start(json!({ "allowed": true })).await;
    let gateway = backend.gateway().await;
    let mut alice = Socket::of(&gateway, "alice").await;
    for _ in 0..20 {
        alice.chat("c", "again").await;
    }
    assert_eq!(backend.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn no_means_forbidden_and_no_answer_means_unavailable() {
    let backend = Backend::start(json!({ "allowed": false })).await;
    let gateway = backend.gateway().await;
    let mut alice = Socket::of(&gateway, "alice").await;
    let chat = |clan: &str| json!({ "type": "chat", "clanId": clan, "content": "x" });
    assert_eq!(alice.ask(chat("c")).await["code"], "forbidden");
    *backend.answer.lock().unwrap() = json!("not an answer");
    assert_eq!(alice.ask(chat("d")).await["code"], "unavailable");
    // The user's own notifications need nobody's permission.
    assert_eq!(alice.ask(json!({ "type": "subscribe_notifications" })).await["type"], "subscription_confirmed");
}

#[tokio::test]
async fn a_permission_that_is_withdrawn_ends_the_subscription() {
    let backend = Backend::start(json!({ "allowed": true, "ttlSeconds": 1 })).await;
    let gateway = backend.gateway().await;
    let mut alice = Socket::of(&gateway, "alice").await;
    alice.ask(json!({ "type": "subscribe_clan_chat", "clanId": "c" })).await;
    *backend.answer.lock().unwrap() = json!({ "allowed": false });
    let ended = alice.expect("subscription_ended").await;
    assert_eq!((&ended["clanId"], &ended["code"]), (&json!("c"), &json!("forbidden")));
}
