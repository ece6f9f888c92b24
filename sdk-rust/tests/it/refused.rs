//! An upgrade that an HTTP server refuses: the status and `Retry-After` decide when the client comes back.

use std::time::{Duration, Instant};

use realtime_gateway_sdk::{ErrorKind, State};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::gateway::Gateway;

/// Refuses the next upgrade with this response.
async fn refuse(gateway: &Gateway, response: &str) {
    let (mut socket, _) = gateway.listener.accept().await.unwrap();
    let mut request = [0; 4_096];
    assert!(socket.read(&mut request).await.unwrap() > 0);
    socket.write_all(format!("HTTP/1.1 {response}\r\nContent-Length: 0\r\n\r\n").as_bytes()).await.unwrap();
}

#[tokio::test]
async fn waits_as_long_as_retry_after_says() {
    for status in ["503 Service Unavailable\r\nRetry-After: 2", "429 Too Many Requests\r\nretry-after:  2 "] {
        let gateway = Gateway::start().await;
        // Without the header the wait would be under 100 ms.
        let client = gateway.builder().reconnect(Duration::ZERO, Duration::from_millis(100)).build().unwrap();
        let server = async {
            refuse(&gateway, status).await;
            let refused = Instant::now();
            let (peer, _) = gateway.greet().await;
            (peer, refused.elapsed())
        };
        let (result, (_peer, waited)) = tokio::join!(client.connect(), server);
        result.unwrap();
        assert!((2_000..8_000).contains(&waited.as_millis()), "{status}: {waited:?}");
    }
}

#[tokio::test]
async fn reconnects_with_backoff_without_retry_after() {
    let gateway = Gateway::start().await;
    let client = gateway.builder().reconnect(Duration::ZERO, Duration::from_millis(100)).build().unwrap();
    let server = async {
        for response in ["503 Service Unavailable", "502 Bad Gateway", "429 Too Many Requests"] {
            refuse(&gateway, response).await;
        }
        gateway.greet().await
    };
    let (result, _peer) = tokio::join!(client.connect(), server);
    result.unwrap();
}

#[tokio::test]
async fn stops_after_a_403() {
    let gateway = Gateway::start().await;
    let client = gateway.client();
    let (result, ()) = tokio::join!(client.connect(), refuse(&gateway, "403 Forbidden"));
    let error = result.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Closed { reason, .. } if reason.contains("403")), "{error}");
    assert!(matches!(&*client.state().borrow(), State::Closed(_)));
}
