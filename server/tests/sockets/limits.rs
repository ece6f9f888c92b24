//! Limits per node and per address: connections, connects per minute, timeouts and header sizes.

use std::time::Duration;

use crate::{
    echo_server::EchoServer,
    raw_socket::{HANDSHAKE, text},
};

const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn answers_503_at_connection_limit_and_admits_after_close() {
    let server = EchoServer::start(|config| config.limits.connections = 1);
    let (first, _) = server.connect_websocket().await;
    let mut second = server.connect().await;
    let response = second.send_request("GET", "/ws", HANDSHAKE).await;
    assert_eq!((response.status, response.code().as_str()), (503, "unavailable"));
    assert!(response.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
    // HTTP requests such as health checks are still answered.
    assert_eq!(server.connect().await.send_request("GET", "/hello", "Host: x\r\n").await.status, 200);
    drop(first);
    server.next_summary().await;
    while server.connect().await.send_request("GET", "/ws", HANDSHAKE).await.status != 101 {}
}

#[tokio::test]
async fn limits_connections_per_address() {
    let server = EchoServer::start(|config| config.limits.connections_per_ip = 2);
    let (_first, _second) = (server.connect_websocket().await, server.connect_websocket().await);
    // A connection that sends nothing is refused too.
    let mut silent = server.connect().await;
    let response = silent.response().await;
    assert_eq!((response.status, response.code().as_str()), (429, "rate_limited"));
    silent.wait_for_eof().await;
    let mut third = server.connect().await;
    let response = third.send_request("GET", "/ws", HANDSHAKE).await;
    assert_eq!((response.status, response.code().as_str()), (429, "rate_limited"));
    assert!(response.header("retry-after").is_some());
    third.wait_for_eof().await;
}

#[tokio::test]
async fn releases_connection_slot_when_websocket_closes() {
    let server = EchoServer::start(|config| config.limits.connections_per_ip = 1);
    let mut first = server.connect().await;
    assert_eq!(first.send_request("GET", "/hello", "Host: x\r\n").await.status, 200);
    first.upgrade().await;
    assert_eq!(server.connect().await.send_request("GET", "/hello", "Host: x\r\n").await.status, 429);
    drop(first);
    server.next_summary().await;
    while server.connect().await.send_request("GET", "/ws", HANDSHAKE).await.status != 101 {}
}

#[tokio::test]
async fn limits_connects_per_address_and_minute() {
    let server = EchoServer::start(|config| config.limits.connects_per_ip_per_minute = 3);
    for _ in 0..3 {
        assert_eq!(server.connect().await.send_request("GET", "/hello", "Host: x\r\n").await.status, 200);
    }
    let mut fourth = server.connect().await;
    // The unread request must not reset the connection before the client has read the response.
    fourth.send(format!("GET /ws HTTP/1.1\r\n{HANDSHAKE}\r\n")).await;
    let response = fourth.response().await;
    assert_eq!(response.status, 429);
    assert!((1..=20).contains(&response.header("retry-after").unwrap().parse::<u32>().unwrap()));
    fourth.wait_for_eof().await;
}

#[tokio::test]
async fn counts_client_address_behind_trusted_proxy() {
    let server = EchoServer::start(|config| {
        config.proxies_trusted = vec!["127.0.0.0/8".parse().unwrap()];
        config.limits.connections_per_ip = 1;
    });
    let send_request = async |client: &str| {
        let mut raw = server.connect().await;
        let response = raw.send_request("GET", "/ws", &format!("{HANDSHAKE}X-Forwarded-For: {client}\r\n")).await;
        (raw, response.status)
    };
    let (_first, status) = send_request("203.0.113.1").await;
    assert_eq!(status, 101);
    assert_eq!(server.next_upgrade().await.0.peer.to_string(), "203.0.113.1");
    assert_eq!(send_request("203.0.113.1").await.1, 429);
    assert_eq!(send_request("203.0.113.2").await.1, 101);
}

#[tokio::test]
async fn counts_proxy_address_when_client_address_is_unknown() {
    let server = EchoServer::start(|config| {
        config.proxies_trusted = vec!["127.0.0.0/8".parse().unwrap()];
        config.limits.connections_per_ip = 1;
    });
    let send_request = async |headers: &str| {
        let mut raw = server.connect().await;
        let response = raw.send_request("GET", "/ws", &format!("{HANDSHAKE}{headers}")).await;
        (raw, response.status)
    };
    let (_first, status) = send_request("X-Forwarded-For: unknown\r\n").await;
    assert_eq!(status, 101);
    assert_eq!(server.next_upgrade().await.0.peer.to_string(), "127.0.0.1");
    for headers in [
        "X-Forwarded-For: 203.0.113.1, not an address\r\n",
        "Forwarded: for=_hidden\r\n",
        "Forwarded: for=203.0.113.1\r\nX-Forwarded-For: 203.0.113.2\r\n",
        "X-Forwarded-For: ,\r\n",
        "",
    ] {
        assert_eq!(send_request(headers).await.1, 429, "{headers}");
    }
    for headers in ["X-Forwarded-For: 203.0.113.3:4711\r\n", "Forwarded: for=\"[2001:db8::3]:4711\"\r\n"] {
        let (_open, status) = send_request(headers).await;
        assert_eq!(status, 101, "{headers}");
        assert_eq!(send_request(headers).await.1, 429, "{headers}");
    }
}

#[tokio::test]
async fn closes_idle_http_connection_after_timeout() {
    let server = EchoServer::start(|config| config.limits.http_idle_timeout = SHORT);
    let mut short = server.connect().await;
    assert_eq!(short.send_request("GET", "/hello", "Host: x\r\n").await.status, 200);
    short.wait_for_eof().await;
    let server = EchoServer::start(|config| config.limits.handshake_timeout = SHORT);
    let mut long = server.connect().await;
    assert_eq!(long.send_request("GET", "/hello", "Host: x\r\n").await.status, 200);
    tokio::time::sleep(SHORT * 2).await;
    assert_eq!(long.send_request("GET", "/hello", "Host: x\r\n").await.status, 200);
}

#[tokio::test]
async fn ignores_forwarded_address_of_untrusted_proxy() {
    let server = EchoServer::start(|_| {});
    let mut raw = server.connect().await;
    raw.send_request("GET", "/ws", &format!("{HANDSHAKE}X-Forwarded-For: 203.0.113.1\r\n")).await;
    assert!(server.next_upgrade().await.0.peer.is_loopback());
}

#[tokio::test]
async fn closes_silent_socket_after_handshake_timeout() {
    let server = EchoServer::start(|config| config.limits.handshake_timeout = SHORT);
    server.connect().await.wait_for_eof().await;
}

#[tokio::test]
async fn closes_socket_that_sends_request_head_too_slowly() {
    let server = EchoServer::start(|config| config.limits.handshake_timeout = SHORT);
    let mut raw = server.connect().await;
    raw.send("GET /ws HTTP/1.1\r\nHost: gateway.test\r\nX-Slow: ").await;
    let began = std::time::Instant::now();
    // Sends a byte whenever nothing arrives, until the server closes the socket.
    loop {
        let mut byte = [0];
        tokio::select! {
            read = tokio::io::AsyncReadExt::read(&mut raw.stream, &mut byte) => {
                assert!(matches!(read, Ok(0) | Err(_)), "the server sent a response");
                break;
            }
            () = tokio::time::sleep(SHORT / 10) => {
                let _ = tokio::io::AsyncWriteExt::write_all(&mut raw.stream, b"x").await;
            }
        }
    }
    assert!(began.elapsed() < SHORT * 10, "slow sending kept the socket open");
}

#[tokio::test]
async fn rejects_oversized_request_head() {
    let server = EchoServer::start(|_| {});
    let many: String = (0..80).map(|number| format!("X-{number}: x\r\n")).collect();
    let response = server.connect().await.send_request("GET", "/ws", &format!("{HANDSHAKE}{many}")).await;
    assert_eq!(response.status, 431);
    let long = format!("{HANDSHAKE}X-Long: {}\r\n", "x".repeat(20 * 1024));
    assert_eq!(server.connect().await.send_request("GET", "/ws", &long).await.status, 431);
}

#[tokio::test]
async fn stopped_listener_accepts_nothing_and_keeps_websockets() {
    let server = EchoServer::start(|_| {});
    let (mut raw, _) = server.connect_websocket().await;
    let mut idle = server.connect().await;
    assert_eq!(idle.send_request("GET", "/hello", "Host: x\r\n").await.status, 200);
    server.listening.stop();
    idle.wait_for_eof().await;
    while tokio::net::TcpStream::connect(server.address).await.is_ok() {}
    raw.send(text("still here")).await;
    assert_eq!(raw.text().await, "still here");
}
