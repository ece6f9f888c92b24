//! The gateway's HTTP API, as a backend service uses it.

use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};

/// A client of HTTP.
pub fn http_client() -> Client {
    // Client::new panics without a choice of cryptography, even if it is for HTTP only.
    gateway::crypto::install();
    Client::new()
}

/// The HTTP API of one gateway.
#[derive(Debug, Clone)]
pub struct Api {
    client: Client,
    base: String,
}

impl Api {
    /// The API key of the stories.
    pub const KEY: &str = "the api key of the stories";
    /// Its SHA-256, as the configuration has it.
    pub const KEY_SHA256: &str = "61f26ec8bd5490a6321024b72d5bc9c5933e60f0441ee2cf556336483c0f4cc8";

    /// The API at an address.
    pub fn new(address: &str) -> Self {
        Self { client: http_client(), base: format!("http://{address}") }
    }

    /// A request with the API key.
    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Response {
        let request = self.client.request(method, format!("{}{path}", self.base)).bearer_auth(Self::KEY);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        request.send().await.unwrap()
    }

    /// A request whose answer is JSON.
    pub async fn json(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let response = self.call(method, path, body).await;
        let status = response.status();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// `GET`, whose answer must be 200.
    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.json(Method::GET, path, None).await;
        assert_eq!(status, StatusCode::OK, "GET {path}: {body}");
        body
    }

    /// `GET /health`, whatever its status.
    pub async fn health(&self) -> Value {
        self.json(Method::GET, "/health", None).await.1
    }

    /// `POST`, whose answer must be 202.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.json(Method::POST, path, Some(body)).await;
        assert_eq!(status, StatusCode::ACCEPTED, "POST {path}: {answer}");
        answer
    }

    /// Sends a notification and gives back its id.
    pub async fn notify(&self, user: &str, title: &str) -> String {
        let body = json!({ "userId": user, "title": title, "message": "a message" });
        let answer = self.post("/api/v1/notifications", body).await;
        answer["ids"][0].as_str().unwrap().to_owned()
    }
}
