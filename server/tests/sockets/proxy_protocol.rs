//! The PROXY protocol: headers of trusted proxies are used, and all others are rejected.

use std::time::Duration;

use crate::{
    echo_server::EchoServer,
    raw_socket::{HANDSHAKE, RawSocket},
};

/// The IPv4 address block of the client 203.0.113.5:12345.
pub(crate) const V4: [u8; 12] = [203, 0, 113, 5, 10, 0, 0, 1, 0x30, 0x39, 0x0f, 0xa0];

/// Encodes a PROXY protocol header of version 2.
pub(crate) fn header(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    bytes.extend([command, family]);
    bytes.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    bytes.extend(body);
    bytes
}

/// Starts a server that trusts all loopback addresses as proxies.
fn trusting() -> EchoServer {
    EchoServer::start(|config| config.proxies_trusted = vec!["127.0.0.0/8".parse().unwrap()])
}

/// Connects with a PROXY header and returns the client address that the server sees.
async fn peer(server: &EchoServer, header: &[u8], headers: &str) -> String {
    let mut raw = server.connect().await;
    raw.send(header).await;
    let response = raw.send_request("GET", "/ws", &format!("{HANDSHAKE}{headers}")).await;
    assert_eq!(response.status, 101, "{response:?}");
    server.next_upgrade().await.0.peer.to_string()
}

#[tokio::test]
async fn reads_client_address_from_trusted_proxy_header() {
    let server = trusting();
    assert_eq!(peer(&server, &header(0x21, 0x11, &V4), "").await, "203.0.113.5");
    let with_extensions = [V4.as_slice(), &[0x20; 700]].concat();
    assert_eq!(peer(&server, &header(0x21, 0x11, &with_extensions), "").await, "203.0.113.5");
    assert_eq!(peer(&server, b"PROXY TCP6 2001:db8::7 ::1 12345 4000\r\n", "").await, "2001:db8::7");
    // Connections of the proxy itself, and connections without a client address or without a header.
    assert_eq!(peer(&server, &header(0x20, 0, &[]), "").await, "127.0.0.1");
    assert_eq!(peer(&server, &header(0x21, 0, &[]), "").await, "127.0.0.1");
    assert_eq!(peer(&server, b"PROXY UNKNOWN\r\n", "").await, "127.0.0.1");
    assert_eq!(peer(&server, b"", "").await, "127.0.0.1");
    // The server ignores an empty line before a request (RFC 9112, section 2.2).
    assert_eq!(peer(&server, b"\r\n", "").await, "127.0.0.1");
}

#[tokio::test]
async fn trusts_forwarded_header_only_behind_trusted_address() {
    let server = trusting();
    // The client controls the header of its request, so it must not override the address.
    assert_eq!(peer(&server, &header(0x21, 0x11, &V4), "X-Forwarded-For: 192.0.2.1\r\n").await, "203.0.113.5");
    // A trusted proxy behind another proxy.
    let inner = header(0x21, 0x11, &[127, 0, 0, 9, 127, 0, 0, 1, 1, 1, 1, 1]);
    assert_eq!(peer(&server, &inner, "X-Forwarded-For: 192.0.2.1\r\n").await, "192.0.2.1");
    assert_eq!(peer(&server, &header(0x20, 0, &[]), "X-Forwarded-For: 192.0.2.1\r\n").await, "192.0.2.1");
}

#[tokio::test]
async fn accepts_proxy_header_in_single_bytes_and_on_internal_port() {
    let server = EchoServer::start(|config| {
        config.proxies_trusted = vec!["127.0.0.0/8".parse().unwrap()];
        config.internal_listen = Some(([127, 0, 0, 1], 0).into());
    });
    let mut raw = server.connect().await;
    for byte in header(0x21, 0x11, &V4) {
        raw.send([byte]).await;
    }
    let response = raw.send_request("GET", "/hello", "Host: gateway.test\r\n").await;
    assert_eq!((response.status, response.body.as_str()), (200, "hello "));
    let mut operator = RawSocket::connect(server.internal.unwrap()).await;
    operator.send(header(0x21, 0x11, &V4)).await;
    assert_eq!(operator.send_request("GET", "/hello", "Host: gateway.test\r\n").await.status, 200);
}

#[tokio::test]
async fn applies_address_limits_to_client_address() {
    let server = EchoServer::start(|config| {
        config.proxies_trusted = vec!["127.0.0.0/8".parse().unwrap()];
        config.limits.connections_per_ip = 1;
    });
    let mut first = server.connect().await;
    first.send(header(0x21, 0x11, &V4)).await;
    first.upgrade().await;
    let mut second = server.connect().await;
    second.send(header(0x21, 0x11, &V4)).await;
    let refused = second.response().await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "rate_limited"));
    let mut other = server.connect().await;
    other.send(header(0x21, 0x11, &[203, 0, 113, 6, 10, 0, 0, 1, 0, 1, 0, 1])).await;
    other.upgrade().await;
}

#[tokio::test]
async fn rejects_malformed_proxy_header_with_400() {
    let server = trusting();
    let unknown_family = header(0x21, 0x41, &V4);
    for bad in [unknown_family.as_slice(), &header(0x21, 0x11, &V4[..8]), b"PROXY TCP4 me you\r\n"] {
        let mut raw = server.connect().await;
        raw.send([bad, b"GET /hello HTTP/1.1\r\nHost: gateway.test\r\n\r\n"].concat()).await;
        let response = raw.response().await;
        assert_eq!((response.status, response.code().as_str()), (400, "invalid_message"));
        raw.wait_for_eof().await;
    }
    assert!(server.has_no_event().await);
}

#[tokio::test]
async fn rejects_proxy_header_of_untrusted_peer_with_400() {
    let server = EchoServer::start(|config| config.proxies_trusted = vec!["192.0.2.0/24".parse().unwrap()]);
    for header in [header(0x21, 0x11, &V4).as_slice(), b"PROXY TCP4 203.0.113.5 10.0.0.1 12345 4000\r\n"] {
        let mut raw = server.connect().await;
        raw.send(header).await;
        raw.send(format!("GET /ws HTTP/1.1\r\n{HANDSHAKE}\r\n")).await;
        assert_eq!(raw.response().await.status, 400);
    }
    assert!(server.has_no_event().await);
}

#[tokio::test]
async fn closes_socket_without_complete_proxy_header_after_timeout() {
    let server = EchoServer::start(|config| {
        config.proxies_trusted = vec!["127.0.0.0/8".parse().unwrap()];
        config.limits.handshake_timeout = Duration::from_millis(200);
    });
    server.connect().await.wait_for_eof().await;
    let mut half = server.connect().await;
    half.send(&header(0x21, 0x11, &V4)[..20]).await;
    half.wait_for_eof().await;
    // A client that disconnects within the header does not affect other connections.
    let mut gone = server.connect().await;
    gone.send(&header(0x21, 0x11, &V4)[..20]).await;
    drop(gone);
    assert_eq!(peer(&server, &header(0x21, 0x11, &V4), "").await, "203.0.113.5");
}
