//! WebSocket handshakes: every kind of invalid request and its HTTP response.

use realtime_gateway_protocol::{ErrorCode, SUBPROTOCOL};

use crate::{
    echo_server::EchoServer,
    raw_socket::{HANDSHAKE, HttpResponse, RawSocket, text},
};

/// Sends a request over a new connection.
async fn send_request(server: &EchoServer, method: &str, target: &str, headers: &str) -> HttpResponse {
    server.connect().await.send_request(method, target, headers).await
}

/// Returns the headers of a valid handshake without one of them.
fn without(header: &str) -> String {
    HANDSHAKE.split_inclusive("\r\n").filter(|line| !line.starts_with(header)).collect()
}

#[tokio::test]
async fn computes_accept_key_of_rfc_6455() {
    let server = EchoServer::start(|_| {});
    let response = send_request(&server, "GET", "/ws", HANDSHAKE).await;
    assert_eq!((response.status, response.header("upgrade")), (101, Some("websocket")));
    assert_eq!(response.header("connection"), Some("Upgrade"));
    assert_eq!(response.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(response.header("sec-websocket-protocol"), None);
}

#[tokio::test]
async fn selects_offered_subprotocol() {
    let server = EchoServer::start(|_| {});
    for (offered, named) in [
        (SUBPROTOCOL, Some(SUBPROTOCOL)),
        ("other, gateway.v1.json", Some(SUBPROTOCOL)),
        ("other\r\nSec-WebSocket-Protocol: gateway.v1.json", Some(SUBPROTOCOL)),
        ("other", None),
    ] {
        let response =
            send_request(&server, "GET", "/ws", &format!("{HANDSHAKE}Sec-WebSocket-Protocol: {offered}\r\n")).await;
        assert_eq!((response.status, response.header("sec-websocket-protocol")), (101, named), "{offered}");
    }
}

#[tokio::test]
async fn rejects_invalid_handshake_with_reason() {
    let server = EchoServer::start(|_| {});
    for (method, headers, status) in [
        ("POST", HANDSHAKE.to_owned(), 405),
        ("GET", without("Upgrade"), 400),
        ("GET", without("Upgrade") + "Upgrade: h2c\r\n", 400),
        ("GET", without("Connection"), 400),
        ("GET", without("Sec-WebSocket-Key"), 400),
        ("GET", without("Sec-WebSocket-Key") + "Sec-WebSocket-Key: c2hvcnQ=\r\n", 400),
        ("GET", HANDSHAKE.to_owned() + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 400),
        ("GET", without("Sec-WebSocket-Version"), 426),
        ("GET", without("Sec-WebSocket-Version") + "Sec-WebSocket-Version: 8\r\n", 426),
        ("GET", without("Host"), 400),
    ] {
        let response = send_request(&server, method, "/ws", &headers).await;
        assert_eq!(response.status, status, "{method} {headers}");
        assert_eq!(response.code(), ErrorCode::InvalidMessage.as_str());
        assert_eq!(response.header("allow"), (status == 405).then_some("GET"));
        assert_eq!(response.header("sec-websocket-version"), (status == 426).then_some("13"));
    }
    assert!(server.has_no_event().await);
}

#[tokio::test]
async fn rejects_upgrade_over_http_1_0() {
    let server = EchoServer::start(|_| {});
    let mut raw = server.connect().await;
    raw.send(format!("GET /ws HTTP/1.0\r\n{HANDSHAKE}\r\n")).await;
    assert_eq!(raw.response().await.status, 400);
    raw.wait_for_eof().await;
}

#[tokio::test]
async fn rejects_origins_that_are_not_allowed() {
    let server = EchoServer::start(|config| config.origins_allowed = vec!["https://*.example.com".into()]);
    for (origin, status) in [
        ("https://gateway.test", 101),
        ("https://app.example.com", 101),
        ("https://evil.test", 403),
        ("null", 403),
        ("http://localhost:3000", 403),
    ] {
        let response = send_request(&server, "GET", "/ws", &format!("{HANDSHAKE}Origin: {origin}\r\n")).await;
        assert_eq!(response.status, status, "{origin}");
        if status == 403 {
            assert_eq!(response.code(), "forbidden");
        }
    }
}

#[tokio::test]
async fn compares_origins_by_scheme_host_and_port() {
    let server = EchoServer::start(|config| config.origins_allowed = vec!["https://App.example.com:443".into()]);
    for (host, origin, status) in [
        ("gateway.test", "https://gateway.test:443", 101),
        ("gateway.test:443", "https://gateway.test", 101),
        ("gateway.test:80", "http://gateway.test", 101),
        ("Gateway.Test.", "https://gateway.test", 101),
        ("[::1]:4000", "http://[::1]:4000", 101),
        ("gateway.test", "https://app.example.com", 101),
        ("gateway.test", "HTTPS://APP.EXAMPLE.COM", 101),
        ("gateway.test:4000", "https://gateway.test", 403),
        ("gateway.test", "https://gateway.test:4000", 403),
        ("gateway.test", "http://app.example.com", 403),
        ("gateway.test", "https://app.example.com:444", 403),
        ("gateway.test", "https://gateway.test@evil.test", 403),
    ] {
        let headers = HANDSHAKE.replace("gateway.test", host) + &format!("Origin: {origin}\r\n");
        assert_eq!(send_request(&server, "GET", "/ws", &headers).await.status, status, "{host} {origin}");
    }
}

#[tokio::test]
async fn rejects_more_than_one_origin_header() {
    let server = EchoServer::start(|config| config.origins_allowed = vec!["https://app.example.com".into()]);
    for other in ["https://gateway.test", "https://app.example.com", "https://evil.test", ""] {
        let origins = format!("Origin: https://gateway.test\r\nOrigin: {other}\r\n");
        let response = send_request(&server, "GET", "/ws", &(HANDSHAKE.to_owned() + &origins)).await;
        assert_eq!((response.status, response.code().as_str()), (403, "forbidden"), "{other}");
    }
    assert!(server.has_no_event().await);
}

#[tokio::test]
async fn rejects_http_origin_on_https_connection() {
    let server = EchoServer::start(|config| {
        config.proxies_trusted = vec!["127.0.0.1/32".parse().unwrap()];
        config.origins_allowed = vec!["http://allowed.example".into()];
    });
    let with = |origin: &str, proxy: &str| format!("{HANDSHAKE}Origin: {origin}\r\n{proxy}\r\n");
    for proxy in [
        "X-Forwarded-Proto: https",
        "X-Forwarded-Proto: HTTPS, http",
        "Forwarded: for=192.0.2.1;proto=https",
        "Forwarded: for=192.0.2.1;proto=http, for=192.0.2.2;Proto=\"https\"",
    ] {
        for (origin, status) in
            [("http://gateway.test", 403), ("https://gateway.test", 101), ("http://allowed.example", 101)]
        {
            let response = send_request(&server, "GET", "/ws", &with(origin, proxy)).await;
            assert_eq!(response.status, status, "{origin} {proxy}");
        }
    }
    // The header of a client that is not a trusted proxy is ignored.
    let open = EchoServer::start(|_| {});
    assert_eq!(
        send_request(&open, "GET", "/ws", &with("http://gateway.test", "X-Forwarded-Proto: https")).await.status,
        101
    );
}

#[tokio::test]
async fn rejects_upgrade_with_body() {
    let server = EchoServer::start(|_| {});
    for (header, body, status) in [
        ("Content-Length: 5", "hello", 400),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n", 400),
        ("Transfer-Encoding: chunked", "0\r\n\r\n", 400),
        ("Content-Length: 0", "", 101),
    ] {
        let mut raw = server.connect().await;
        raw.send(format!("GET /ws HTTP/1.1\r\n{HANDSHAKE}{header}\r\n\r\n{body}")).await;
        let response = raw.response().await;
        assert_eq!(response.status, status, "{header}");
        if status == 400 {
            assert_eq!(response.code(), "invalid_message");
        }
    }
}

#[tokio::test]
async fn ignores_authorization_schemes_other_than_bearer() {
    let server = EchoServer::start(|_| {});
    for authorization in ["Basic YWxpY2U=", "Digest username=\"alice\"", "Negotiate", "", "Bearerx alice"] {
        let headers = format!("{HANDSHAKE}Authorization: {authorization}\r\n");
        assert_eq!(send_request(&server, "GET", "/ws", &headers).await.status, 101, "{authorization}");
        assert!(server.next_upgrade().await.0.identity.is_none(), "{authorization}");
    }
    let both = format!("{HANDSHAKE}Authorization: Basic YWxpY2U=\r\nAuthorization: Bearer alice\r\n");
    assert_eq!(send_request(&server, "GET", "/ws", &both).await.status, 101);
    assert_eq!(server.next_upgrade().await.0.identity.unwrap().user.as_str(), "alice");
}

#[tokio::test]
async fn verifies_token_in_header_before_upgrade() {
    let server = EchoServer::start(|_| {});
    let with = |authorization: &str| format!("{HANDSHAKE}Authorization: {authorization}\r\n");
    for (authorization, status, code) in [
        ("Bearer mallory", 401, "unauthorized"),
        ("Bearer old", 401, "token_expired"),
        ("Bearer later", 503, "unavailable"),
        ("Bearer", 401, "unauthorized"),
        ("Basic YWxpY2U=\r\nAuthorization: Bearer mallory", 401, "unauthorized"),
    ] {
        let response = send_request(&server, "GET", "/ws", &with(authorization)).await;
        assert_eq!((response.status, response.code().as_str()), (status, code), "{authorization}");
        assert_eq!(response.header("www-authenticate"), (status == 401).then_some("Bearer"));
        assert!(!response.body.contains("mallory"), "the response contains the token");
    }
    assert!(server.has_no_event().await);
    assert_eq!(send_request(&server, "GET", "/ws", &with("bearer alice")).await.status, 101);
    assert_eq!(server.next_upgrade().await.0.identity.unwrap().user.as_str(), "alice");
}

#[tokio::test]
async fn reads_token_device_and_instance_from_request() {
    let server = EchoServer::start(|_| {});
    let target = "/ws?token=t.0%2D&deviceId=d1&instance=i&attempt=7&other=1";
    assert_eq!(send_request(&server, "GET", target, HANDSHAKE).await.status, 101);
    let upgrade = server.next_upgrade().await.0;
    assert_eq!(upgrade.query_token.as_deref(), Some("t.0-"));
    assert_eq!(upgrade.device.unwrap().as_str(), "d1");
    let client = upgrade.client.unwrap();
    assert_eq!((client.instance.as_deref(), client.attempt), (Some("i"), Some(7)));

    assert_eq!(send_request(&server, "GET", "/ws", &format!("{HANDSHAKE}X-Device-Id: d2\r\n")).await.status, 101);
    assert_eq!(server.next_upgrade().await.0.device.unwrap().as_str(), "d2");
    // Identifiers follow the same rules in headers, in the query and in messages.
    assert_eq!(
        send_request(&server, "GET", "/ws", &format!("{HANDSHAKE}X-Device-Id: gr\u{fc}n\r\n")).await.status,
        101
    );
    assert_eq!(server.next_upgrade().await.0.device.unwrap().as_str(), "gr\u{fc}n");
    for target in ["/ws?deviceId=a%20b", "/ws?attempt=x&instance=i", "/ws?instance=%00"] {
        assert_eq!(send_request(&server, "GET", target, HANDSHAKE).await.status, 400, "{target}");
    }
}

#[tokio::test]
async fn keeps_frames_sent_with_the_request() {
    let server = EchoServer::start(|_| {});
    let mut raw = server.connect().await;
    let mut bytes = format!("GET /ws HTTP/1.1\r\n{HANDSHAKE}\r\n").into_bytes();
    bytes.extend(text("one"));
    bytes.extend(text("two"));
    raw.send(bytes).await;
    assert_eq!(raw.response().await.status, 101);
    assert_eq!((raw.text().await.as_str(), raw.text().await.as_str()), ("one", "two"));
}

#[tokio::test]
async fn serves_http_requests_before_upgrade() {
    let server = EchoServer::start(|_| {});
    let mut raw = server.connect().await;
    let hello = raw.send_request("GET", "/hello", "Host: gateway.test\r\n").await;
    assert_eq!((hello.status, hello.body.as_str()), (200, "hello "));
    assert_eq!(raw.send_request("GET", "/nothing", "Host: gateway.test\r\n").await.status, 404);
    raw.upgrade().await;
    raw.send(text("after")).await;
    assert_eq!(raw.text().await, "after");
}

#[tokio::test]
async fn internal_port_has_no_websocket() {
    let server = EchoServer::start(|config| config.internal_listen = Some(([127, 0, 0, 1], 0).into()));
    let mut raw = RawSocket::connect(server.internal.unwrap()).await;
    assert_eq!(raw.send_request("GET", "/hello", "Host: x\r\n").await.status, 200);
    assert_eq!(raw.send_request("GET", "/ws", HANDSHAKE).await.status, 404);
}
