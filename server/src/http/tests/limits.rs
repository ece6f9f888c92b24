//! The limits per address: which requests they apply to, and which are exempt.

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{TestGateway, TestResponse, execute, start_gateway};
use crate::crypto;

/// Paths that the limits apply to.
const LIMITED: [&str; 3] = ["/docs", "/openapi.json", "/api/v1/nodes"];
/// Paths that are exempt from the limits.
const PROBES: [&str; 5] = ["/health", "/health/live", "/health/ready", "/health/websocket", "/metrics"];

impl TestGateway {
    /// Sends a request over a new connection, which closes after the response.
    async fn once(&self, path: &str, key: Option<&str>) -> TestResponse {
        let request = crypto::https_client()
            .build()
            .unwrap()
            .request(Method::GET, format!("http://{}{path}", self.running.address()));
        execute(key.into_iter().fold(request, |request, key| request.bearer_auth(key))).await
    }

    /// Repeats a request until it is refused: not before the burst of a rate of 5 is nearly used up, and soon after.
    async fn until_refused(&self, request: impl Fn() -> RequestBuilder) -> TestResponse {
        for count in 0..500 {
            let response = execute(request()).await;
            if response.status == 429 {
                assert!(count >= 15, "refused after {count} requests");
                return response;
            }
            assert_eq!(response.status, 200);
        }
        panic!("no request was refused")
    }

    /// Sends a notification over the client's connection.
    async fn notify_again(&self, key: &str) -> TestResponse {
        let body = json!({ "userId": "alice", "title": "t", "message": "m" });
        execute(self.request(Method::POST, "/api/v1/notifications").bearer_auth(key).json(&body)).await
    }

    /// Sends a notification over a new connection.
    async fn notify(&self, key: &str) -> TestResponse {
        let url = format!("http://{}/api/v1/notifications", self.running.address());
        let body = json!({ "userId": "alice", "title": "t", "message": "m" });
        execute(crypto::https_client().build().unwrap().post(url).bearer_auth(key).json(&body)).await
    }
}

#[tokio::test]
async fn api_keys_and_probes_are_exempt_from_the_connect_rate() {
    let gateway = start_gateway(|config| config.limits.connects_per_ip_per_minute = 3).await;
    for _ in 0..20 {
        assert_eq!(gateway.notify("publish").await.status, 202);
        for path in PROBES {
            assert_eq!(gateway.once(path, None).await.status, 200, "{path}");
        }
    }
    // They did not use up the connect rate of other requests.
    for path in LIMITED {
        assert_ne!(gateway.once(path, None).await.status, 429, "{path}");
    }
    for path in LIMITED {
        let refused = gateway.once(path, None).await;
        assert_eq!(refused.problem(429), "rate_limited", "{path}");
        assert!(refused.header("retry-after").parse::<u32>().is_ok());
        assert_eq!(gateway.once(path, Some("no key")).await.status, 429, "{path}");
        assert_eq!(gateway.once(path, Some("all")).await.status, 200, "{path}");
    }
    for path in PROBES {
        assert_eq!(gateway.once(path, None).await.status, 200, "{path}");
    }
    assert_eq!(gateway.notify("publish").await.status, 202);
    // The key is valid, so the missing scope is reported instead of the limit.
    assert_eq!(gateway.notify("read").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn api_keys_and_probes_are_exempt_from_the_connection_limit() {
    let gateway = start_gateway(|config| config.limits.connections_per_ip = 1).await;
    let mut held = TcpStream::connect(gateway.running.address()).await.unwrap();
    held.write_all(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert!(held.read(&mut [0; 1024]).await.unwrap() > 0);
    assert_eq!(gateway.once("/docs", None).await.problem(429), "rate_limited");
    for path in PROBES {
        let response = gateway.once(path, None).await;
        assert_eq!((response.status.as_u16(), response.header("connection")), (200, "close"), "{path}");
    }
    let (first, second) = tokio::join!(gateway.notify("publish"), gateway.notify("publish"));
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (202, 202));
    // A connection that serves both kinds of requests counts only for the limited one.
    let mut kept = TcpStream::connect(gateway.running.address()).await.unwrap();
    let mut read = Vec::new();
    kept.write_all(b"GET /api/v1/nodes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer read\r\n\r\n").await.unwrap();
    while !String::from_utf8_lossy(&read).contains("]}") {
        assert!(kept.read_buf(&mut read).await.unwrap() > 0);
    }
    assert!(read.starts_with(b"HTTP/1.1 200"));
    read.clear();
    kept.write_all(b"GET /docs HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    kept.read_to_end(&mut read).await.unwrap();
    assert!(read.starts_with(b"HTTP/1.1 429"), "{}", String::from_utf8_lossy(&read));
}

#[tokio::test]
async fn limits_the_request_rate_of_an_address() {
    let gateway = start_gateway(|config| config.limits.http_per_ip_per_second = 5).await;
    // Use a single connection, because this test is about the request rate.
    let refused = gateway.until_refused(|| gateway.request(Method::GET, "/openapi.json")).await;
    assert_eq!(refused.problem(429), "rate_limited");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.json()["type"], "/docs/protocol#error-rate_limited");
    assert!(refused.json()["retryAfterMs"].as_u64().is_some());
    let guessed = gateway.request(Method::GET, "/api/v1/nodes").bearer_auth("no key");
    assert_eq!(execute(guessed).await.status, 429, "an invalid key is not exempt");
    // API keys, probes and monitoring have separate rates.
    assert_eq!(gateway.get("/api/v1/nodes").await.status, 200);
    for path in PROBES {
        assert_eq!(execute(gateway.request(Method::GET, path)).await.status, 200, "{path}");
    }
    for _ in 0..100 {
        assert_eq!(execute(gateway.request(Method::GET, "/health/live")).await.status, 200);
    }
    gateway.until_refused(|| gateway.request(Method::GET, "/metrics")).await;
}

#[tokio::test]
async fn limits_the_request_rate_of_an_api_key() {
    let gateway = start_gateway(|config| config.limits.http_per_key_per_second = 5).await;
    let refused = gateway.until_refused(|| gateway.request(Method::GET, "/api/v1/nodes").bearer_auth("all")).await;
    assert_eq!(refused.problem(429), "rate_limited");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(gateway.once("/api/v1/nodes", Some("read")).await.status, 200, "another key has its own rate");
}

#[tokio::test]
async fn default_limits_do_not_affect_a_busy_backend() {
    let gateway = start_gateway(|_| ()).await;
    for _ in 0..1_600 {
        assert_eq!(gateway.notify_again("publish").await.status, 202);
    }
}
