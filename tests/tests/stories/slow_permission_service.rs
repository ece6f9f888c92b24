//! A slow permission service: the gateway limits the requests in flight, sends equal checks once, and answers
//! `unavailable` to commands that wait too long.

use std::{collections::VecDeque, sync::Arc};

use futures_util::future::join_all;
use parking_lot::Mutex;
use realtime_gateway_tests::{Gateway, Settings, Socket, eventually, must};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// An HTTP service that holds each request until the test answers it.
struct SlowPermissionService {
    url: String,
    held: Arc<Mutex<VecDeque<TcpStream>>>,
    serving: JoinHandle<()>,
}

impl SlowPermissionService {
    #[expect(clippy::disallowed_methods, reason = "the task is ended when the service is dropped")]
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/permissions", listener.local_addr().unwrap());
        let held: Arc<Mutex<VecDeque<TcpStream>>> = Arc::default();
        let holds = held.clone();
        let serving = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (mut request, holds) = (Vec::new(), holds.clone());
                while !request.ends_with(b"}") && stream.read_buf(&mut request).await.is_ok_and(|read| read > 0) {}
                holds.lock().push_back(stream);
            }
        });
        Self { url, held, serving }
    }

    fn settings(&self) -> Settings {
        Settings::default().set("permissions.source", "\"http\"").set("permissions.url", &format!("\"{}\"", self.url))
    }

    fn held(&self) -> usize {
        self.held.lock().len()
    }

    /// StubHttpServer the oldest request.
    async fn answer(&self) {
        let Some(mut stream) = self.held.lock().pop_front() else { return };
        let body = json!({ "allowed": true }).to_string();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
        let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        // The gateway may have closed the connection after its timeout.
        let _ = stream.write_all(answer.as_bytes()).await;
    }
}

impl Drop for SlowPermissionService {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn chat(clan: &str) -> Value {
    json!({ "type": "chat", "clanId": clan, "content": "x" })
}

#[tokio::test]
async fn limits_permission_requests_in_flight() {
    let service = SlowPermissionService::start().await;
    let settings = service.settings().set("permissions.max_in_flight", "2").set("permissions.timeout", "\"20s\"");
    let gateway = Gateway::with(settings).await;
    let mut sockets = Vec::new();
    for n in 0..6 {
        sockets.push(Socket::connect(&gateway, &format!("user-{n}")).await);
    }
    let requests = join_all(sockets.iter_mut().map(|socket| socket.request(chat("c"))));
    let answering = async {
        for left in (0..6).rev() {
            eventually("two requests are in flight", || async { service.held() == 2.min(left + 1) }).await;
            // A third request would have arrived during these three health requests.
            for _ in 0..3 {
                assert_eq!(gateway.api().health().await["status"], "ok");
            }
            assert!(service.held() <= 2, "{} requests are in flight", service.held());
            service.answer().await;
        }
    };
    let (answers, ()) = tokio::join!(requests, answering);
    assert!(answers.iter().all(|answer| answer["type"] == "message_sent"), "{answers:?}");
}

#[tokio::test]
async fn shares_one_request_between_equal_checks() {
    let service = SlowPermissionService::start().await;
    let settings = service.settings().set("permissions.timeout", "\"20s\"").set("sessions.max_per_user", "5");
    let gateway = Gateway::with(settings).await;
    let mut sockets = Vec::new();
    for _ in 0..5 {
        sockets.push(Socket::connect(&gateway, "alice").await);
    }
    let requests = join_all(sockets.iter_mut().map(|socket| socket.request(chat("c"))));
    let answering = async {
        eventually("the request arrives", || async { service.held() == 1 }).await;
        for _ in 0..3 {
            assert_eq!(gateway.api().health().await["status"], "ok");
        }
        assert_eq!(service.held(), 1);
        service.answer().await;
    };
    let (answers, ()) = tokio::join!(requests, answering);
    assert!(answers.iter().all(|answer| answer["type"] == "message_sent"), "{answers:?}");
}

#[tokio::test]
async fn answers_unavailable_on_permission_timeout_and_releases_slot() {
    let service = SlowPermissionService::start().await;
    let settings = service.settings().set("permissions.max_in_flight", "1").set("permissions.timeout", "\"300ms\"");
    let gateway = Gateway::with(settings).await;
    let (mut alice, mut bob) = (Socket::connect(&gateway, "alice").await, Socket::connect(&gateway, "bob").await);
    for _ in 0..2 {
        let (first, second) = tokio::join!(alice.request(chat("c")), bob.request(chat("c")));
        for refused in [first, second] {
            assert_eq!(refused["code"], "unavailable", "{refused}");
            assert!(refused["retryAfterMs"].as_u64().is_some(), "{refused}");
        }
    }
    // Requests that timed out do not occupy a slot.
    let answering = async {
        while service.held() > 0 {
            service.answer().await;
        }
        eventually("the request arrives", || async { service.held() == 1 }).await;
        service.answer().await;
    };
    let (answer, ()) = must("the reply", async { tokio::join!(alice.request(chat("d")), answering) }).await;
    assert_eq!(answer["type"], "message_sent", "{answer}");
}
