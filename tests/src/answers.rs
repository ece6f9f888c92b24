//! A service that the gateway asks over HTTP: it answers every request with what a test gives it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use parking_lot::Mutex;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::eventually;

/// An HTTP server of a test.
#[derive(Debug)]
pub struct Answers {
    address: String,
    asked: Arc<AtomicU64>,
    answer: Arc<Mutex<Value>>,
    serving: JoinHandle<()>,
}

impl Answers {
    /// Starts one.
    #[expect(clippy::disallowed_methods, reason = "the task is ended when the server is dropped")]
    pub async fn start(answer: Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (asked, answer) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(answer)));
        let serving = tokio::spawn(serve(listener, asked.clone(), answer.clone()));
        Self { address, asked, answer, serving }
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}/answers", self.address)
    }

    /// How many requests came.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    /// Waits until this many requests have come in all.
    pub async fn asked_times(&self, requests: u64) {
        eventually("the request", || async { self.asked() >= requests }).await;
    }

    /// Answers so from now on.
    pub fn set(&self, answer: Value) {
        *self.answer.lock() = answer;
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, asked: Arc<AtomicU64>, answer: Arc<Mutex<Value>>) {
    while let Ok((stream, _)) = listener.accept().await {
        // A client that went away before its answer says nothing of the next.
        let _ = exchange(stream, &asked, &answer).await;
    }
}

async fn exchange(mut stream: TcpStream, asked: &AtomicU64, answer: &Mutex<Value>) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !is_complete(&request) {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let body = answer.lock().to_string();
    asked.fetch_add(1, Ordering::SeqCst);
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
    stream.write_all(format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).as_bytes()).await
}

/// Whether a request's head and its body, whose length the head tells, are there.
fn is_complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:").map(str::to_owned));
    body.len() >= length.and_then(|length| length.trim().parse().ok()).unwrap_or(0)
}
