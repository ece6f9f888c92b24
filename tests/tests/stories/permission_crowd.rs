//! A permission service that is slow: few requests are under way, equal questions are asked once, and others are told to
//! come back.

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

/// A service that answers when the test wants it to.
struct Slow {
    url: String,
    held: Arc<Mutex<VecDeque<TcpStream>>>,
    serving: JoinHandle<()>,
}

impl Slow {
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

    /// Answers the oldest request.
    async fn answer(&self) {
        let Some(mut stream) = self.held.lock().pop_front() else { return };
        let body = json!({ "allowed": true }).to_string();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
        let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        // The gateway may have given up meanwhile.
        let _ = stream.write_all(answer.as_bytes()).await;
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn chat(clan: &str) -> Value {
    json!({ "type": "chat", "clanId": clan, "content": "x" })
}

#[tokio::test]
async fn so_many_requests_are_under_way_and_the_others_wait_their_turn() {
    let service = Slow::start().await;
    let settings = service.settings().set("permissions.max_in_flight", "2").set("permissions.timeout", "\"20s\"");
    let gateway = Gateway::with(settings).await;
    let mut sockets = Vec::new();
    for n in 0..6 {
        sockets.push(Socket::of(&gateway, &format!("user-{n}")).await);
    }
    let asking = join_all(sockets.iter_mut().map(|socket| socket.ask(chat("c"))));
    let answering = async {
        for left in (0..6).rev() {
            eventually("two requests", || async { service.held() == 2.min(left + 1) }).await;
            // A third one would be here by now.
            for _ in 0..3 {
                assert_eq!(gateway.api().health().await["status"], "ok");
            }
            assert!(service.held() <= 2, "{} requests are under way", service.held());
            service.answer().await;
        }
    };
    let (answers, ()) = tokio::join!(asking, answering);
    assert!(answers.iter().all(|answer| answer["type"] == "message_sent"), "{answers:?}");
}

#[tokio::test]
async fn equal_questions_are_asked_once() {
    let service = Slow::start().await;
    let settings = service.settings().set("permissions.timeout", "\"20s\"").set("sessions.max_per_user", "5");
    let gateway = Gateway::with(settings).await;
    let mut sockets = Vec::new();
    for _ in 0..5 {
        sockets.push(Socket::of(&gateway, "alice").await);
    }
    let asking = join_all(sockets.iter_mut().map(|socket| socket.ask(chat("c"))));
    let answering = async {
        eventually("the request", || async { service.held() == 1 }).await;
        for _ in 0..3 {
            assert_eq!(gateway.api().health().await["status"], "ok");
        }
        assert_eq!(service.held(), 1);
        service.answer().await;
    };
    let (answers, ()) = tokio::join!(asking, answering);
    assert!(answers.iter().all(|answer| answer["type"] == "message_sent"), "{answers:?}");
}

#[tokio::test]
async fn a_question_that_waits_too_long_is_unavailable_and_may_be_repeated() {
    let service = Slow::start().await;
    let settings = service.settings().set("permissions.max_in_flight", "1").set("permissions.timeout", "\"300ms\"");
    let gateway = Gateway::with(settings).await;
    let (mut alice, mut bob) = (Socket::of(&gateway, "alice").await, Socket::of(&gateway, "bob").await);
    for _ in 0..2 {
        let (first, second) = tokio::join!(alice.ask(chat("c")), bob.ask(chat("c")));
        for refused in [first, second] {
            assert_eq!(refused["code"], "unavailable", "{refused}");
            assert!(refused["retryAfterMs"].as_u64().is_some(), "{refused}");
        }
    }
    // What was given up holds no place.
    let answering = async {
        while service.held() > 0 {
            service.answer().await;
        }
        eventually("the request", || async { service.held() == 1 }).await;
        service.answer().await;
    };
    let (answer, ()) = must("the answer", async { tokio::join!(alice.ask(chat("d")), answering) }).await;
    assert_eq!(answer["type"], "message_sent", "{answer}");
}
