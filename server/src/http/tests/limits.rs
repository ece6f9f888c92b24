//! The limits of one address: what they apply to, and what goes on beyond them.

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{Answered, Served, answered, served};
use crate::crypto;

/// What the limits apply to.
const LIMITED: [&str; 3] = ["/docs", "/openapi.json", "/api/v1/nodes"];
/// What they never apply to.
const PROBES: [&str; 5] = ["/health", "/health/live", "/health/ready", "/health/websocket", "/metrics"];

impl Served {
    /// Asks over a connection of its own, which ends with the answer.
    async fn once(&self, path: &str, key: Option<&str>) -> Answered {
        let request = crypto::https_client()
            .build()
            .unwrap()
            .request(Method::GET, format!("http://{}{path}", self.running.address()));
        answered(key.into_iter().fold(request, |request, key| request.bearer_auth(key))).await
    }

    /// Asks the same until it is refused: not before the burst of a rate of 5 is nearly used up, and soon after.
    async fn until_refused(&self, request: impl Fn() -> RequestBuilder) -> Answered {
        for asked in 0..500 {
            let answer = answered(request()).await;
            if answer.status == 429 {
                assert!(asked >= 15, "{asked} were answered");
                return answer;
            }
            assert_eq!(answer.status, 200);
        }
        panic!("nothing was refused")
    }

    /// The same over the connection of the client.
    async fn notify_again(&self, key: &str) -> Answered {
        let body = json!({ "userId": "alice", "title": "t", "message": "m" });
        answered(self.request(Method::POST, "/api/v1/notifications").bearer_auth(key).json(&body)).await
    }

    async fn notify(&self, key: &str) -> Answered {
        let url = format!("http://{}/api/v1/notifications", self.running.address());
        let body = json!({ "userId": "alice", "title": "t", "message": "m" });
        answered(crypto::https_client().build().unwrap().post(url).bearer_auth(key).json(&body)).await
    }
}

#[tokio::test]
async fn key_holders_and_probes_connect_as_often_as_they_like() {
    let served = served(|config| config.limits.connects_per_ip_per_minute = 3).await;
    for _ in 0..20 {
        assert_eq!(served.notify("publish").await.status, 202);
        for path in PROBES {
            assert_eq!(served.once(path, None).await.status, 200, "{path}");
        }
    }
    // They took nothing from the others.
    for path in LIMITED {
        assert_ne!(served.once(path, None).await.status, 429, "{path}");
    }
    for path in LIMITED {
        let refused = served.once(path, None).await;
        assert_eq!(refused.problem(429), "rate_limited", "{path}");
        assert!(refused.header("retry-after").parse::<u32>().is_ok());
        assert_eq!(served.once(path, Some("no key")).await.status, 429, "{path}");
        assert_eq!(served.once(path, Some("all")).await.status, 200, "{path}");
    }
    for path in PROBES {
        assert_eq!(served.once(path, None).await.status, 200, "{path}");
    }
    assert_eq!(served.notify("publish").await.status, 202);
    // The key is valid, so it is the scope that is told.
    assert_eq!(served.notify("read").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn key_holders_and_probes_find_room_beside_all_connections_of_an_address() {
    let served = served(|config| config.limits.connections_per_ip = 1).await;
    let mut held = TcpStream::connect(served.running.address()).await.unwrap();
    held.write_all(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert!(held.read(&mut [0; 1024]).await.unwrap() > 0);
    assert_eq!(served.once("/docs", None).await.problem(429), "rate_limited");
    for path in PROBES {
        let answer = served.once(path, None).await;
        assert_eq!((answer.status.as_u16(), answer.header("connection")), (200, "close"), "{path}");
    }
    let (first, second) = tokio::join!(served.notify("publish"), served.notify("publish"));
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (202, 202));
    // One connection that is used for both is counted for the other request alone.
    let mut kept = TcpStream::connect(served.running.address()).await.unwrap();
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
async fn an_address_without_a_key_asks_so_often() {
    let served = served(|config| config.limits.http_per_ip_per_second = 5).await;
    // One connection: this is about requests.
    let refused = served.until_refused(|| served.request(Method::GET, "/openapi.json")).await;
    assert_eq!(refused.problem(429), "rate_limited");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.json()["type"], "/docs/protocol#error-rate_limited");
    assert!(refused.json()["retryAfterMs"].as_u64().is_some());
    let guessed = served.request(Method::GET, "/api/v1/nodes").bearer_auth("no key");
    assert_eq!(answered(guessed).await.status, 429, "a key that is not valid is no key");
    // Keys, probes and monitoring have rates of their own.
    assert_eq!(served.get("/api/v1/nodes").await.status, 200);
    for path in PROBES {
        assert_eq!(answered(served.request(Method::GET, path)).await.status, 200, "{path}");
    }
    for _ in 0..100 {
        assert_eq!(answered(served.request(Method::GET, "/health/live")).await.status, 200);
    }
    served.until_refused(|| served.request(Method::GET, "/metrics")).await;
}

#[tokio::test]
async fn a_key_is_used_so_often_from_wherever() {
    let served = served(|config| config.limits.http_per_key_per_second = 5).await;
    let refused = served.until_refused(|| served.request(Method::GET, "/api/v1/nodes").bearer_auth("all")).await;
    assert_eq!(refused.problem(429), "rate_limited");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(served.once("/api/v1/nodes", Some("read")).await.status, 200, "another key has its own rate");
}

#[tokio::test]
async fn an_honest_backend_meets_no_limit() {
    let served = served(|_| ()).await;
    for _ in 0..1_600 {
        assert_eq!(served.notify_again("publish").await.status, 202);
    }
}
