//! Tests the routes over a real socket, as a backend service would use them.

mod api;
mod documents;
mod front_page;
mod health;
mod keys;
mod limits;
mod problems;

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    config::{ApiKey, Config, Scope, Secret, Store},
    crypto,
    gateway::{Gateway, running::Running},
};

/// A running gateway with a client.
struct TestGateway {
    running: Running,
    client: Client,
}

/// A response that was received completely.
struct TestResponse {
    status: StatusCode,
    headers: reqwest::header::HeaderMap,
    text: String,
}

async fn start_gateway(change: impl FnOnce(&mut Config)) -> TestGateway {
    let key = |name: &str, scopes: &[Scope]| ApiKey {
        name: name.into(),
        sha256: Sha256::digest(name).into(),
        scopes: scopes.to_vec(),
        has_scopes: true,
        services: None,
    };
    let mut config = Config::default();
    config.listen.set_port(0);
    config.store = Store { url: Secret("memory".into()), ..config.store };
    config.auth.jwt_secrets = vec![Secret("a secret of more than thirty-two bytes".into())];
    config.auth.api_keys = vec![
        key("all", &[Scope::Publish, Scope::Read, Scope::Admin]),
        key("publish", &[Scope::Publish]),
        key("read", &[Scope::Read]),
        key("admin", &[Scope::Admin]),
    ];
    change(&mut config);
    TestGateway {
        running: Gateway::new(config).start().await.unwrap(),
        client: crypto::https_client().build().unwrap(),
    }
}

impl TestGateway {
    /// Returns a request without an API key.
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.running.address()))
    }

    async fn get(&self, path: &str) -> TestResponse {
        execute(self.request(Method::GET, path).bearer_auth("all")).await
    }

    async fn delete(&self, path: &str) -> TestResponse {
        execute(self.request(Method::DELETE, path).bearer_auth("all")).await
    }

    async fn post(&self, path: &str, body: &Value) -> TestResponse {
        execute(self.request(Method::POST, path).bearer_auth("all").json(body)).await
    }
}

async fn execute(request: RequestBuilder) -> TestResponse {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    TestResponse { status, headers, text: response.text().await.unwrap() }
}

impl TestResponse {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts the status, and returns the body.
    #[track_caller]
    fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json()
    }

    /// Asserts that the response is a problem with this status, and returns its code.
    #[track_caller]
    fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let body = self.json();
        assert_eq!(body["status"], status);
        assert!(body["type"].is_string() && body["title"].is_string() && body["detail"].is_string(), "{body}");
        body["code"].as_str().unwrap().to_owned()
    }
}
