//! The limits of one address: what they apply to, and what goes on beyond them.

use reqwest::{Method, StatusCode};
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
